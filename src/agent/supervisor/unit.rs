//! systemd unit files, as far as starting and stopping a service needs them: see
//! systemd.unit(5), systemd.service(5) and systemd.exec(5).

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::sys::signal::Signal;

use crate::modules::Error;
use crate::modules::process::split;

/// Where unit files are, the first one found counts.
const FOLDERS: &[&str] = &[
    "/etc/systemd/system",
    "/run/systemd/system",
    "/usr/local/lib/systemd/system",
    "/usr/lib/systemd/system",
    "/lib/systemd/system",
];

/// How a service says that it has started.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Kind {
    /// It runs as long as its start command.
    #[default]
    Simple,
    /// Its start command ends and leaves a daemon behind.
    Forking,
    /// Its start command does something and ends.
    Oneshot,
    /// It runs as long as its start command, and says when it is ready.
    Notify,
}

/// A command of a unit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Exec {
    pub(super) ignore_failure: bool,
    words: Vec<String>,
}

/// A service unit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unit {
    /// Its name without `.service`.
    pub name: String,
    /// Its file.
    pub path: PathBuf,
    /// How it says that it has started.
    pub kind: Kind,
    pub(super) pid_file: Option<PathBuf>,
    pub(super) exec_start_pre: Vec<Exec>,
    pub(super) exec_start: Vec<Exec>,
    pub(super) exec_start_post: Vec<Exec>,
    pub(super) exec_reload: Vec<Exec>,
    pub(super) exec_stop: Vec<Exec>,
    pub(super) environment: Vec<(String, String)>,
    pub(super) user: Option<String>,
    pub(super) working_directory: Option<String>,
    pub(super) runtime_directory: Vec<String>,
    pub(super) timeout_start: Duration,
    pub(super) timeout_stop: Duration,
    pub(super) kill_signal: Signal,
    wanted_by: Vec<String>,
}

impl Unit {
    /// Finds and reads a unit, drop-ins included.
    pub fn find(name: &str) -> Result<Self, Error> {
        Self::find_in(FOLDERS.iter().map(Path::new), name)
    }

    fn find_in<'a>(
        folders: impl Iterator<Item = &'a Path> + Clone,
        name: &str,
    ) -> Result<Self, Error> {
        let name = name.strip_suffix(".service").unwrap_or(name);
        let file = format!("{name}.service");
        let template = name.split_once('@').map(|(prefix, _)| format!("{prefix}@.service"));
        let path = [Some(&file), template.as_ref()].into_iter().flatten().find_map(|file| {
            folders.clone().map(|folder| folder.join(file)).find(|path| path.exists())
        });
        let Some(path) = path else { return Err(missing(folders, name)) };
        let mut texts = vec![read(&path)?];
        for folder in folders {
            let mut files: Vec<PathBuf> = fs::read_dir(folder.join(format!("{file}.d")))
                .into_iter()
                .flatten()
                .flatten()
                .map(|entry| entry.path())
                .filter(|path| path.extension().is_some_and(|ending| ending == "conf"))
                .collect();
            files.sort();
            for file in files {
                texts.push(read(&file)?);
            }
        }
        Self::parse(name, path, &texts)
    }

    fn parse(name: &str, path: PathBuf, texts: &[String]) -> Result<Self, Error> {
        let mut unit = Self {
            name: name.to_owned(),
            path,
            kind: Kind::default(),
            pid_file: None,
            exec_start_pre: Vec::new(),
            exec_start: Vec::new(),
            exec_start_post: Vec::new(),
            exec_reload: Vec::new(),
            exec_stop: Vec::new(),
            environment: Vec::new(),
            user: None,
            working_directory: None,
            runtime_directory: Vec::new(),
            timeout_start: Duration::from_secs(90),
            timeout_stop: Duration::from_secs(90),
            kill_signal: Signal::SIGTERM,
            wanted_by: Vec::new(),
        };
        for text in texts {
            let joined = text.replace("\\\n", " ");
            let mut section = "";
            for line in joined.lines().map(str::trim) {
                if let Some(title) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']'))
                {
                    section = title;
                } else if let Some((key, value)) =
                    line.split_once('=').filter(|_| !line.starts_with(['#', ';']))
                {
                    unit.set(section, key.trim(), value.trim())?;
                }
            }
        }
        Ok(unit)
    }

    fn set(&mut self, section: &str, key: &str, value: &str) -> Result<(), Error> {
        let value = &self.specified(value);
        let words =
            || split(value).map_err(|why| Error::new(format!("`{key}` of `{}`: {why}", self.name)));
        match (section, key) {
            ("Service", "Type") => {
                self.kind = match value.as_str() {
                    "forking" => Kind::Forking,
                    "oneshot" => Kind::Oneshot,
                    "notify" | "notify-reload" => Kind::Notify,
                    // `dbus` and `idle` are started as `simple` is.
                    _ => Kind::Simple,
                };
            }
            ("Service", "PIDFile") => {
                self.pid_file = (!value.is_empty()).then(|| Path::new("/run").join(value));
            }
            ("Service", "User") => self.user = (!value.is_empty()).then(|| value.clone()),
            ("Service", "WorkingDirectory") => {
                self.working_directory = Some(value.trim_start_matches('-').to_owned());
            }
            ("Service", "RuntimeDirectory") => self.runtime_directory.extend(words()?),
            ("Service", "Environment") if value.is_empty() => self.environment.clear(),
            ("Service", "Environment") => {
                let pairs = words()?;
                let pairs = pairs.iter().filter_map(|pair| pair.split_once('='));
                self.environment.extend(pairs.map(|(name, value)| (name.into(), value.into())));
            }
            ("Service", "EnvironmentFile") => self.read_environment(value)?,
            ("Service", "KillSignal") => {
                self.kill_signal = value.parse().unwrap_or(Signal::SIGTERM);
            }
            ("Service", "TimeoutStartSec") => set_time(&mut self.timeout_start, value),
            ("Service", "TimeoutStopSec") => set_time(&mut self.timeout_stop, value),
            ("Service", "TimeoutSec") => {
                set_time(&mut self.timeout_start, value);
                set_time(&mut self.timeout_stop, value);
            }
            ("Install", "WantedBy") => self.wanted_by.extend(words()?),
            ("Service", _) => {
                let exec = if value.is_empty() { None } else { Some(Exec::parse(value, words()?)) };
                if let Some(list) = self.commands(key) {
                    match exec {
                        // An empty assignment takes back what stands before it.
                        None => list.clear(),
                        Some(exec) => list.push(exec),
                    }
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn commands(&mut self, key: &str) -> Option<&mut Vec<Exec>> {
        Some(match key {
            "ExecStartPre" => &mut self.exec_start_pre,
            "ExecStart" => &mut self.exec_start,
            "ExecStartPost" => &mut self.exec_start_post,
            "ExecReload" => &mut self.exec_reload,
            "ExecStop" => &mut self.exec_stop,
            _ => return None,
        })
    }

    fn read_environment(&mut self, value: &str) -> Result<(), Error> {
        let (optional, path) = match value.strip_prefix('-') {
            Some(path) => (true, path),
            None => (false, value),
        };
        match fs::read_to_string(path) {
            Ok(text) => {
                let lines =
                    text.lines().map(str::trim).filter(|line| !line.starts_with(['#', ';']));
                let pairs = lines.filter_map(|line| line.split_once('='));
                self.environment
                    .extend(pairs.map(|(name, value)| {
                        (name.into(), value.trim_matches(['"', '\'']).into())
                    }));
                Ok(())
            }
            Err(_) if optional => Ok(()),
            Err(error) => Err(Error::io(format!("failed to read `{path}`"), &error)),
        }
    }

    /// Puts names in the place of `%n`, `%N`, `%p`, `%i`.
    fn specified(&self, value: &str) -> String {
        if !value.contains('%') {
            return value.to_owned();
        }
        let (prefix, instance) = self.name.split_once('@').unwrap_or((&self.name, ""));
        let mut text = String::new();
        let mut letters = value.chars();
        while let Some(letter) = letters.next() {
            match (letter, letter == '%') {
                (_, false) => text.push(letter),
                (_, true) => match letters.next() {
                    Some('n') => text.push_str(&format!("{}.service", self.name)),
                    Some('N') => text.push_str(&self.name),
                    Some('p') => text.push_str(prefix),
                    Some('i' | 'I') => text.push_str(instance),
                    Some('t') => text.push_str("/run"),
                    Some('%') => text.push('%'),
                    Some(other) => text.extend(['%', other]),
                    None => text.push('%'),
                },
            }
        }
        text
    }

    /// The links that have it started at boot.
    pub(super) fn wants_links(&self) -> Vec<PathBuf> {
        let link = |target: &String| {
            let folder = Path::new("/etc/systemd/system").join(format!("{target}.wants"));
            folder.join(format!("{}.service", self.name))
        };
        self.wanted_by.iter().map(link).collect()
    }
}

impl Exec {
    /// Prefixes before the program: `-` ignores a failure, `@:+!` concern privileges that a
    /// lab host does not split.
    fn parse(value: &str, mut words: Vec<String>) -> Self {
        let prefixes: String = value.chars().take_while(|c| "-@:+!|".contains(*c)).collect();
        if let Some(first) = words.first_mut() {
            *first = first.trim_start_matches(|c| "-@:+!|".contains(c)).to_owned();
        }
        if prefixes.contains('@') && words.len() > 1 {
            words.remove(1);
        }
        Self { ignore_failure: prefixes.contains('-'), words }
    }

    /// The words, with `$MAINPID` and the unit's variables put in.
    pub(super) fn argv_with(
        &self,
        pid: Option<i32>,
        environment: &[(String, String)],
    ) -> Vec<String> {
        let mut argv = Vec::new();
        for word in &self.words {
            let mut text = word.clone();
            let main = pid.map(|pid| ("MAINPID".to_owned(), pid.to_string()));
            for (name, value) in environment.iter().chain(main.as_ref()) {
                text = text.replace(&format!("${{{name}}}"), value);
            }
            let alone = text.strip_prefix('$').and_then(|name| {
                environment.iter().chain(main.as_ref()).find(|(known, _)| known == name)
            });
            match alone {
                // `$NAME` alone is split into words, and is none when it is empty.
                Some((_, value)) => argv.extend(value.split_whitespace().map(str::to_owned)),
                None if text.starts_with('$') && word == &text => {}
                None => argv.push(text),
            }
        }
        argv
    }
}

fn set_time(time: &mut Duration, value: &str) {
    let digits: String = value.chars().take_while(char::is_ascii_digit).collect();
    let unit = value[digits.len()..].trim();
    if let Ok(number) = digits.parse::<u64>() {
        *time = match unit {
            "ms" => Duration::from_millis(number),
            "min" | "m" => Duration::from_secs(number.saturating_mul(60)),
            _ => Duration::from_secs(number),
        };
    } else if value == "infinity" {
        *time = Duration::from_secs(3600);
    }
}

fn read(path: &Path) -> Result<String, Error> {
    fs::read_to_string(path)
        .map_err(|error| Error::io(format!("failed to read `{}`", path.display()), &error))
}

fn missing<'a>(folders: impl Iterator<Item = &'a Path>, name: &str) -> Error {
    let names: Vec<String> = folders
        .filter_map(|folder| fs::read_dir(folder).ok())
        .flatten()
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.strip_suffix(".service").map(str::to_owned))
        .collect();
    let error = Error::new(format!("there is no service `{name}`"));
    match crate::diagnostic::nearest(name, names.iter().map(String::as_str)) {
        Some(near) => error.hint(format!("did you mean `{near}`?")),
        None => error.hint(format!("is the package that brings `{name}` installed?")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unit(texts: &[&str]) -> Unit {
        let texts: Vec<String> = texts.iter().map(|text| (*text).to_owned()).collect();
        Unit::parse("web@8080", "/lib/web@.service".into(), &texts).expect("parses")
    }

    #[test]
    fn reads_what_starting_needs() {
        let unit = unit(&["[Unit]\nExecStart=/no\n[Service]\nType=forking\nPIDFile=web.pid\n\
            # no\nExecStartPre=-/bin/a -q 'b c'\nExecStart=/bin/web -p %i \\\n  --name %p\n\
            TimeoutStopSec=5\nKillSignal=SIGQUIT\n[Install]\nWantedBy=multi-user.target\n"]);
        assert_eq!((unit.kind, unit.timeout_stop), (Kind::Forking, Duration::from_secs(5)));
        assert_eq!(unit.pid_file, Some("/run/web.pid".into()));
        assert_eq!(unit.kill_signal, Signal::SIGQUIT);
        assert_eq!(unit.exec_start_pre[0].words, ["/bin/a", "-q", "b c"]);
        assert!(unit.exec_start_pre[0].ignore_failure);
        assert_eq!(unit.exec_start[0].words, ["/bin/web", "-p", "8080", "--name", "web"]);
        assert_eq!(
            unit.wants_links(),
            [Path::new("/etc/systemd/system/multi-user.target.wants/web@8080.service")]
        );
    }

    #[test]
    fn a_drop_in_takes_back_and_adds() {
        let unit = unit(&[
            "[Service]\nExecStart=/bin/old\nEnvironment=A=1 \"B=2 3\"\n",
            "[Service]\nExecStart=\nExecStart=/bin/new $B ${A} $MAINPID\n",
        ]);
        assert_eq!(unit.exec_start.len(), 1);
        assert_eq!(
            unit.exec_start[0].argv_with(Some(7), &unit.environment),
            ["/bin/new", "2", "3", "1", "7"]
        );
        assert_eq!(
            unit.exec_start[0].argv_with(None, &unit.environment),
            ["/bin/new", "2", "3", "1"]
        );
    }

    #[test]
    fn a_name_that_is_nearly_right_is_hinted_at() {
        let folder = tempfile::tempdir().expect("a folder");
        fs::write(folder.path().join("nginx.service"), "[Service]\n").expect("written");
        let error = Unit::find_in([folder.path()].into_iter(), "ngnix").expect_err("not there");
        assert_eq!(error.hint.as_deref(), Some("did you mean `nginx`?"));
    }
}
