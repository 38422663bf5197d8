//! How `apply` reaches the hosts of an inventory.

use serde_json::Value;

use crate::connection::{Connection, Local, Ssh, Unreachable};
use crate::engine::Connector;
use crate::inventory::Vars;

/// Machines, each as its `ansible_connection` says.
#[derive(Debug)]
pub(super) struct Machines;

impl Connector for Machines {
    fn connect(&self, host: &str, vars: &Vars) -> Result<Box<dyn Connection>, Unreachable> {
        match vars.get("ansible_connection").and_then(Value::as_str) {
            Some("local") => Ok(Box::new(Local::default())),
            None if matches!(host, "localhost" | "127.0.0.1" | "::1") => {
                Ok(Box::new(Local::default()))
            }
            Some(other) if other != "ssh" => {
                Err(Unreachable::new(format!("the connection `{other}` is not known"))
                    .hint("known are `ssh` and `local`; labs have their own"))
            }
            _ => Ok(Box::new(Ssh::new(host, vars)?)),
        }
    }
}
