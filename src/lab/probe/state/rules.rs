//! What gives packets a mark or another source, as nft lists it.

use std::path::Path;
use std::time::Duration;

use crate::modules::process::Program;

/// For how long nft may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// What nft tells of the rules that matter to a director.
#[derive(Debug, Default)]
pub(super) struct Rules {
    /// Those that set marks; nothing where that is not known.
    pub(super) marks: Option<Vec<String>>,
    /// Those that give packets another source.
    pub(super) sources: Vec<String>,
}

/// Reads them; nothing is known where there is no nft, or it cannot tell.
pub(super) fn read() -> Rules {
    let paths = ["/usr/sbin/nft", "/sbin/nft"];
    let Some(program) = paths.into_iter().find(|path| Path::new(path).exists()) else {
        return Rules::default();
    };
    let argv = [program, "list", "ruleset"].map(str::to_owned).to_vec();
    match Program::new(argv).timeout(PATIENCE).run() {
        Ok(output) if output.code == 0 => Rules::of(&output.stdout),
        _ => Rules::default(),
    }
}

impl Rules {
    fn of(ruleset: &str) -> Self {
        let those = |wanted: fn(&str) -> bool| {
            ruleset.lines().map(str::trim).filter(|line| wanted(line)).map(str::to_owned).collect()
        };
        // Rules of iptables that nft has no words for may set marks, too.
        let whole = !ruleset.contains("xt target");
        Self {
            marks: whole.then(|| those(|line| line.contains("mark set "))),
            sources: those(|line| {
                ["masquerade", "MASQUERADE", "snat "].iter().any(|word| line.contains(word))
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_rules_that_set_marks() {
        let ruleset = "table inet lvs_marks {\n\tchain marks {\n\t\ttype filter hook prerouting \
                       priority mangle; policy accept;\n\t\tip daddr 192.168.0.89 tcp dport { 80, \
                       443 } meta mark set 0x00000001\n\t\ttcp dport 22 accept\n\t}\n}\n";
        let rules = Rules::of(ruleset);
        assert_eq!(
            rules.marks.unwrap(),
            ["ip daddr 192.168.0.89 tcp dport { 80, 443 } meta mark set 0x00000001"]
        );
        assert!(rules.sources.is_empty(), "{:?}", rules.sources);
    }

    #[test]
    fn finds_the_rules_that_change_a_source() {
        let ruleset = "table ip nat {\n\tchain KUBE-POSTROUTING {\n\t\tcounter packets 0 bytes 0 \
                       masquerade fully-random\n\t\tcounter packets 0 bytes 0 xt target \
                       \"MASQUERADE\"\n\t\tip daddr 10.0.0.1 accept\n\t\toifname \"eth0\" snat to \
                       10.0.0.9\n\t}\n}\n";
        let rules = Rules::of(ruleset);
        assert_eq!(rules.sources.len(), 3, "{:?}", rules.sources);
        assert_eq!(rules.marks, None);
    }
}
