//! The roles of `playbooks/roles` and the templates of `templates`, carried in the program so
//! that a playbook anywhere can name them.

macro_rules! files {
    ($folder:literal: $($path:literal)*) => {
        &[$(($path, include_str!(concat!("../../../", $folder, "/", $path)))),*]
    };
}

/// Path below `playbooks/roles`, and text.
pub static BUILT_IN_ROLES: &[(&str, &str)] = files! { "playbooks/roles":
    "dns_backend/defaults/main.yml"
    "dns_backend/handlers/main.yml"
    "dns_backend/meta/argument_specs.yml"
    "dns_backend/tasks/main.yml"
    "keepalived/defaults/main.yml"
    "keepalived/handlers/main.yml"
    "keepalived/meta/argument_specs.yml"
    "keepalived/tasks/main.yml"
    "lvs_boot/defaults/main.yml"
    "lvs_boot/meta/argument_specs.yml"
    "lvs_boot/tasks/main.yml"
    "lvs_director/defaults/main.yml"
    "lvs_director/meta/argument_specs.yml"
    "lvs_director/tasks/main.yml"
    "lvs_real_server/defaults/main.yml"
    "lvs_real_server/meta/argument_specs.yml"
    "lvs_real_server/tasks/main.yml"
    "lvs_real_server/tasks/tunnel.yml"
    "lvs_real_server/vars/main.yml"
    "nginx_backend/defaults/main.yml"
    "nginx_backend/handlers/main.yml"
    "nginx_backend/meta/argument_specs.yml"
    "nginx_backend/tasks/main.yml"
    "sctp_backend/defaults/main.yml"
    "sctp_backend/handlers/main.yml"
    "sctp_backend/meta/argument_specs.yml"
    "sctp_backend/tasks/main.yml"
};

/// Templates that any role or playbook may name in `src`: path below `templates`, and text.
pub static BUILT_IN_TEMPLATES: &[(&str, &str)] = files! { "templates":
    "dnsmasq/lvs-dns.conf"
    "ipvs/ipvs.rules"
    "keepalived/keepalived.conf"
    "modules-load.d/director.conf"
    "nginx/back-end.conf"
    "sysctl.d/director.conf"
    "sysctl.d/real-server.conf"
    "systemd/lvs-dns.service"
    "systemd/lvs-sctp.service"
    "systemd/lvsmith-ipvs.service"
    "systemd/lvsmith-vips.service"
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

/// A file of a built-in role.
pub(super) fn file(role: &str, path: &str) -> Option<&'static str> {
    let wanted = format!("{role}/{path}");
    BUILT_IN_ROLES.iter().find(|(path, _)| *path == wanted).map(|(_, text)| *text)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn carries_all_of(folder: &str, carried: &[(&str, &str)]) {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
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
                assert!(carried.iter().any(|(path, _)| *path == name), "{name} is missing");
                found += 1;
            }
        }
        assert_eq!(found, carried.len());
    }

    #[test]
    fn every_file_of_every_role_is_carried() {
        carries_all_of("playbooks/roles", BUILT_IN_ROLES);
    }

    #[test]
    fn every_template_is_carried() {
        carries_all_of("templates", BUILT_IN_TEMPLATES);
    }
}
