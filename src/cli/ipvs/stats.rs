//! `lvsmith ipvs stats`: what services and destinations have counted, and how fast.

use clap::Args;

use super::watch::WatchArgs;
use super::{FormatArgs, Outcome};
use crate::director::{Precision, statistics};
use crate::netlink::ipvs::ServiceKey;

/// Show what services and destinations have counted, and how fast that grows
#[derive(Debug, Args)]
pub(super) struct Stats {
    /// Only this service, as in `tcp://192.168.0.89:80`, `[fd00::89]:80` or `fwmark://7`
    #[arg(short, long, value_name = "SERVICE", value_parser = super::service_key)]
    service: Option<ServiceKey>,
    /// Every digit: `1234` instead of `1.2k`
    #[arg(short, long)]
    exact: bool,
    #[command(flatten)]
    format: FormatArgs,
    #[command(flatten)]
    watch: WatchArgs,
}

impl Stats {
    pub(super) fn run(self) -> Outcome {
        let precision = if self.exact { Precision::Exact } else { Precision::Short };
        self.watch.show(self.service, self.format, |views| statistics(views, precision))
    }
}
