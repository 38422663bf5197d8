//! `lvsmith ipvs shares`: how connections were shared out, once or live.

use clap::Args;

use super::watch::WatchArgs;
use super::{FormatArgs, Outcome};
use crate::netlink::ipvs::ServiceKey;

/// Show how the connections of each service were shared out among its destinations
#[derive(Debug, Args)]
pub(super) struct Shares {
    /// Only this service, as in `tcp://192.168.0.89:80`, `[fd00::89]:80` or `fwmark://7`
    #[arg(short, long, value_name = "SERVICE", value_parser = super::service_key)]
    service: Option<ServiceKey>,
    #[command(flatten)]
    format: FormatArgs,
    #[command(flatten)]
    watch: WatchArgs,
}

impl Shares {
    pub(super) fn run(self) -> Outcome {
        self.watch.show(self.service, self.format, crate::director::shares)
    }
}
