//! What gives packets a mark, as nft lists it.

use std::path::Path;
use std::time::Duration;

use crate::modules::process::Program;

/// For how long nft may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// The rules that set marks; nothing where there is no nft, or it cannot tell.
pub(super) fn marks() -> Option<Vec<String>> {
    let program =
        ["/usr/sbin/nft", "/sbin/nft"].into_iter().find(|path| Path::new(path).exists())?;
    let argv = [program, "list", "ruleset"].map(str::to_owned).to_vec();
    let output = Program::new(argv).timeout(PATIENCE).run().ok()?;
    // Rules of iptables that nft has no words for may set marks, too.
    let whole = output.code == 0 && !output.stdout.contains("xt target");
    whole.then(|| setting(&output.stdout))
}

fn setting(ruleset: &str) -> Vec<String> {
    let lines = ruleset.lines().map(str::trim).filter(|line| line.contains("mark set "));
    lines.map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_rules_that_set_marks() {
        let ruleset = "table inet lvs_marks {\n\tchain marks {\n\t\ttype filter hook prerouting \
                       priority mangle; policy accept;\n\t\tip daddr 192.168.0.89 tcp dport { 80, \
                       443 } meta mark set 0x00000001\n\t\ttcp dport 22 accept\n\t}\n}\n";
        assert_eq!(
            setting(ruleset),
            ["ip daddr 192.168.0.89 tcp dport { 80, 443 } meta mark set 0x00000001"]
        );
    }
}
