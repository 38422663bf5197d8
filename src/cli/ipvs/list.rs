//! `lvsmith ipvs list`: the table as a tree, once or live.

use clap::Args;

use super::watch::WatchArgs;
use super::{FormatArgs, Outcome};
use crate::director::listing;
use crate::netlink::ipvs::ServiceKey;

/// Show services and their destinations as a tree
#[derive(Debug, Args)]
pub(super) struct List {
    /// Only this service, as in `tcp://192.168.0.89:80`, `[fd00::89]:80` or `fwmark://7`
    #[arg(short, long, value_name = "SERVICE", value_parser = super::service_key)]
    service: Option<ServiceKey>,
    #[command(flatten)]
    format: FormatArgs,
    #[command(flatten)]
    watch: WatchArgs,
}

impl List {
    pub(super) fn run(self) -> Outcome {
        self.watch.show(self.service, self.format, listing)
    }
}
