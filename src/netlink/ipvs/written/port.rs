//! Ports by the names of `/etc/services`.

use crate::netlink::ipvs::Protocol;

const FILE: &str = "/etc/services";

/// A number, or the port of that name. Reads the file and asks no name service.
pub(super) fn named(text: &str, protocol: Protocol) -> Option<u16> {
    let number = text.bytes().all(|byte| byte.is_ascii_digit());
    if number {
        return text.parse().ok();
    }
    find(&std::fs::read_to_string(FILE).ok()?, text, &protocol.to_string())
}

/// Each line is `http  80/tcp  www  # World Wide Web`: a name, a port, and other names.
fn find(services: &str, name: &str, protocol: &str) -> Option<u16> {
    services.lines().find_map(|line| {
        let mut words = line.split('#').next()?.split_whitespace();
        let first = words.next()?;
        let (port, of) = words.next()?.split_once('/')?;
        let named = first == name || words.any(|alias| alias == name);
        (named && of == protocol).then(|| port.parse().ok())?
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const SERVICES: &str = "# comment\n\
        domain\t53/tcp\t\t# Domain Name Server\n\
        domain\t53/udp\n\
        http\t\t80/tcp\t\twww\t# World Wide Web #www2\n\
        odd\nodd2 x/tcp\n";

    #[test]
    fn finds_names_and_aliases_of_the_protocol() {
        assert_eq!(find(SERVICES, "http", "tcp"), Some(80));
        assert_eq!(find(SERVICES, "www", "tcp"), Some(80));
        assert_eq!(find(SERVICES, "www2", "tcp"), None);
        assert_eq!(find(SERVICES, "http", "udp"), None);
        assert_eq!(find(SERVICES, "domain", "udp"), Some(53));
        assert_eq!(find(SERVICES, "odd2", "tcp"), None);
    }

    #[test]
    fn takes_numbers_as_they_are() {
        assert_eq!(named("80", Protocol::Tcp), Some(80));
        assert_eq!(named("65536", Protocol::Tcp), None);
        assert_eq!(named("", Protocol::Tcp), None);
        assert_eq!(named("-1", Protocol::Tcp), None);
    }
}
