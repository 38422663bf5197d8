//! The roles of `playbooks/roles`, carried in the program so that a playbook anywhere can
//! name them.

macro_rules! role_files {
    ($($path:literal)*) => {
        &[$(($path, include_str!(concat!("../../../playbooks/roles/", $path)))),*]
    };
}

/// Path below `playbooks/roles`, and text.
pub static BUILT_IN_ROLES: &[(&str, &str)] = role_files! {
    "lvs_director/defaults/main.yml"
    "lvs_director/tasks/main.yml"
    "lvs_director/templates/modules-load.conf"
    "lvs_real_server/defaults/main.yml"
    "lvs_real_server/tasks/main.yml"
    "nginx_backend/defaults/main.yml"
    "nginx_backend/handlers/main.yml"
    "nginx_backend/tasks/main.yml"
    "nginx_backend/templates/nginx.conf"
};

pub(super) fn names() -> impl Iterator<Item = &'static str> {
    let mut names: Vec<&str> =
        BUILT_IN_ROLES.iter().filter_map(|(path, _)| path.split('/').next()).collect();
    names.dedup();
    names.into_iter()
}

pub(super) fn has(name: &str) -> bool {
    names().any(|known| known == name)
}

pub(super) fn file(role: &str, path: &str) -> Option<&'static str> {
    let wanted = format!("{role}/{path}");
    BUILT_IN_ROLES.iter().find(|(path, _)| *path == wanted).map(|(_, text)| *text)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn every_file_of_every_role_is_carried() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("playbooks/roles");
        let mut folders = vec![root.clone()];
        let mut found = 0;
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(&folder).expect("readable").flatten() {
                let path = entry.path();
                if path.is_dir() {
                    folders.push(path);
                    continue;
                }
                let name = path.strip_prefix(&root).expect("below").to_string_lossy().into_owned();
                assert!(BUILT_IN_ROLES.iter().any(|(path, _)| *path == name), "{name} is missing");
                found += 1;
            }
        }
        assert_eq!(found, BUILT_IN_ROLES.len());
    }
}
