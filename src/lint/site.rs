//! What a playbook makes of each host, as far as it is known before a run: the rendered tasks in
//! their order, each as its effects on what LVS depends on.

use std::collections::HashSet;
use std::net::IpAddr;
use std::rc::Rc;

use indexmap::IndexMap;

use super::effect::{self, Effect};
use crate::diagnostic::{Diagnostics, Span};
use crate::engine::{self, Foreseen, Options, Sight};
use crate::inventory::Inventory;
use crate::netlink::ipvs::{Destination, Forward, ServiceKey, VirtualService};
use crate::playbook::{Playbook, Setting};

/// All hosts that the playbook is for.
pub(super) struct Cluster {
    pub(super) sites: IndexMap<String, Site>,
    /// What is wrong whatever a rule says.
    pub(super) mistakes: Diagnostics,
}

/// One host.
pub(super) struct Site {
    pub(super) name: String,
    /// Its own address, as the inventory has it.
    pub(super) address: Option<IpAddr>,
    pub(super) steps: Vec<Rc<Step>>,
}

/// A task on a host.
pub(super) struct Step {
    /// Where the module is named.
    pub(super) place: Span,
    pub(super) module: &'static str,
    pub(super) play: Rc<PlayOf>,
    pub(super) effects: Vec<Effect>,
    /// Whether it runs, and nothing of it is unknown.
    pub(super) known: bool,
    /// Whether a condition keeps it from running.
    pub(super) skipped: bool,
    /// Its arguments as they are written.
    written: String,
    /// Names that it asks for and nothing is known of.
    pub(super) missed: HashSet<String>,
}

/// What matters of a task's play.
pub(super) struct PlayOf {
    /// Where it says which hosts it is for.
    pub(super) hosts: Span,
    pub(super) gathers_facts: bool,
}

impl Cluster {
    /// Looks at every task for every host.
    pub(super) fn read(
        playbook: &Playbook,
        inventory: &Inventory,
        options: &Options,
    ) -> Result<Self, Diagnostics> {
        let mut cluster = Self { sites: IndexMap::new(), mistakes: Diagnostics::default() };
        let mut play: Option<Rc<PlayOf>> = None;
        engine::foresee(playbook, inventory, options, &mut |foreseen| {
            let hosts = &foreseen.play.hosts.span;
            let same = play.take().filter(|play| play.hosts == *hosts);
            let of = same.unwrap_or_else(|| {
                let gathers_facts = foreseen.play.gather_facts;
                Rc::new(PlayOf { hosts: hosts.clone(), gathers_facts })
            });
            cluster.take(foreseen, &of, inventory);
            play = Some(of);
        })?;
        Ok(cluster)
    }

    fn take(&mut self, foreseen: Foreseen<'_>, play: &Rc<PlayOf>, inventory: &Inventory) {
        let Foreseen { task, hosts, sights, missed, .. } = foreseen;
        let mut effects = Vec::new();
        let skipped = !sights.is_empty() && sights.iter().all(|one| matches!(one, Sight::Skipped));
        let known = sights.iter().all(|one| matches!(one, Sight::Seen { .. } | Sight::Skipped));
        // What is delegated happens on another host, what is only checked on none.
        let checked = matches!(task.inherited.check_mode, Some(Setting::Known(true)));
        let here = task.inherited.delegate_to.is_none() && !checked;
        for sight in sights {
            match sight {
                Sight::Seen { arguments, text } if here => {
                    effects.extend(effect::of(task.module.name, &arguments, text));
                }
                Sight::Mistake(mistake) if !self.mistakes.0.contains(&mistake) => {
                    self.mistakes.push(mistake);
                }
                _ => {}
            }
        }
        let step = Rc::new(Step {
            place: task.module_key.span.clone(),
            module: task.module.name,
            play: Rc::clone(play),
            effects,
            known,
            skipped,
            written: task.arguments.to_json().to_string(),
            missed,
        });
        for host in hosts {
            let site = self.sites.entry((*host).to_owned()).or_insert_with(|| Site {
                name: (*host).to_owned(),
                address: inventory
                    .vars_of(host)
                    .get("ansible_host")
                    .and_then(|address| address.as_str()?.parse().ok()),
                steps: Vec::new(),
            });
            site.steps.push(Rc::clone(&step));
        }
    }

    /// The host that has an address, by the inventory or by a task.
    pub(super) fn owner(&self, address: IpAddr) -> Option<&Site> {
        let own = |site: &&Site| site.address == Some(address);
        self.sites.values().find(own).or_else(|| {
            let mut all = self.sites.values();
            all.find(|site| site.bound().any(|(_, bound)| bound.address == address))
        })
    }

    /// Every service of every host.
    pub(super) fn services(&self) -> impl Iterator<Item = Declared<'_>> {
        self.sites.values().flat_map(Site::services)
    }

    /// Whether an address is a VIP: that of a service, or where nothing says what the services
    /// are, one that stands alone on `lo` or a dummy.
    pub(super) fn is_vip(&self, bound: &Bound) -> bool {
        let mut services = self.services().peekable();
        if services.peek().is_some() {
            return services.any(|one| one.vip() == Some(bound.address));
        }
        bound.is_inward() && bound.is_alone() && !bound.address.is_loopback()
    }

    /// The destinations of a host, each with its service and how it is reached.
    pub(super) fn roles_of<'a>(
        &'a self,
        site: &'a Site,
    ) -> impl Iterator<Item = (Declared<'a>, &'a Destination)> {
        let here = move |destination: &&Destination| {
            self.owner(destination.key.address).is_some_and(|owner| owner.name == site.name)
        };
        self.services().flat_map(move |one| {
            let destinations = one.service.destinations.iter().filter(here);
            destinations.map(move |destination| (one, destination))
        })
    }
}

/// A service that a task declares on a host.
#[derive(Clone, Copy)]
pub(super) struct Declared<'a> {
    pub(super) site: &'a Site,
    pub(super) step: &'a Step,
    pub(super) service: &'a VirtualService,
}

impl Declared<'_> {
    pub(super) fn key(&self) -> ServiceKey {
        self.service.service.key
    }

    pub(super) fn vip(&self) -> Option<IpAddr> {
        match self.key() {
            ServiceKey::Address { address, .. } => Some(address),
            ServiceKey::Fwmark { .. } => None,
        }
    }

    /// Whether packets reach a destination as they are, for the VIP.
    pub(super) fn keeps_vip(destination: &Destination) -> bool {
        matches!(destination.forward, Forward::Direct | Forward::Tunnel(_))
    }
}

/// An address that a task puts onto an interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Bound {
    pub(super) interface: String,
    pub(super) address: IpAddr,
    pub(super) prefix: u8,
}

impl Bound {
    /// Whether nothing comes in by its interface from outside.
    pub(super) fn is_inward(&self) -> bool {
        self.interface == "lo" || self.interface.starts_with("lo:") || self.is_dummy()
    }

    fn is_dummy(&self) -> bool {
        self.interface.starts_with("dummy")
    }

    /// Whether it is one address, and no network.
    pub(super) fn is_alone(&self) -> bool {
        self.prefix == if self.address.is_ipv4() { 32 } else { 128 }
    }
}

impl Site {
    /// Its effects in order, each with its task.
    pub(super) fn effects(&self) -> impl Iterator<Item = (&Step, &Effect)> {
        self.steps.iter().flat_map(|step| step.effects.iter().map(move |effect| (&**step, effect)))
    }

    /// The services that its tasks declare; of several declarations of one the last counts.
    pub(super) fn services(&self) -> impl Iterator<Item = Declared<'_>> {
        let mut found: IndexMap<ServiceKey, Declared<'_>> = IndexMap::new();
        for (step, effect) in self.effects() {
            match effect {
                Effect::Services { services, .. } => {
                    found.extend(services.iter().map(|service| {
                        (service.service.key, Declared { site: self, step, service })
                    }))
                }
                Effect::NoService(key) => _ = found.shift_remove(key),
                _ => {}
            }
        }
        found.into_values()
    }

    /// Addresses that it is given, and by which task; not those that are taken away again.
    pub(super) fn bound(&self) -> impl Iterator<Item = (&Step, &Bound)> {
        let mut found: Vec<(&Step, &Bound)> = Vec::new();
        for (step, effect) in self.effects() {
            match effect {
                Effect::Bind(bound) => found.push((step, bound)),
                Effect::Unbind { interface, address } => {
                    found.retain(|(_, one)| (&one.interface, one.address) != (interface, *address));
                }
                _ => {}
            }
        }
        found.into_iter()
    }

    /// The value that a kernel parameter has at the end, and by which task.
    pub(super) fn sysctl(&self, key: &str) -> Option<(&Step, &str)> {
        self.effects()
            .filter_map(|(step, effect)| match effect {
                Effect::Sysctl(one) if one.key == key => Some((step, one.value.as_str())),
                _ => None,
            })
            .last()
    }

    /// Whether it may have a kernel parameter by a task of which not all is known.
    pub(super) fn may_set(&self, parameter: &str) -> bool {
        self.steps.iter().any(|step| !step.skipped && step.may_mention(parameter))
    }

    /// Whether any of its tasks, or a file that one writes, has this word.
    pub(super) fn mentions(&self, word: &str) -> bool {
        self.steps.iter().any(|step| !step.skipped && step.mentions(word))
    }

    /// Whether it balances: it has services.
    pub(super) fn is_director(&self) -> bool {
        self.services().next().is_some()
    }
}

impl Step {
    /// Whether it has this word, as it is written or in the file that it writes.
    pub(super) fn mentions(&self, word: &str) -> bool {
        self.written.contains(word)
            || self.effects.iter().any(|effect| match effect {
                Effect::File { text: Some(text), .. } => text.contains(word),
                _ => false,
            })
    }

    /// The same, or it could without our knowing: a file whose text is not known, a script.
    fn may_mention(&self, word: &str) -> bool {
        let unknown = |effect: &Effect| matches!(effect, Effect::File { text: None, .. });
        self.mentions(word)
            || (!self.known && matches!(self.module, "sysctl" | "template" | "copy"))
            || self.effects.iter().any(unknown)
    }
}
