//! Models of the schedulers: which destination takes the next connection, and why.
//!
//! One file a scheduler, each a function over what can be seen of a service. What the kernel
//! remembers between two connections and shows to nobody (whose turn it is) is a *memory*: a
//! [`Model`] holds every memory that the kernel may have, foretells all that may happen then, and
//! each choice that is seen leaves fewer of them. Everything here is pure.

use std::fmt::{self, Debug};

use serde::Serialize;

use crate::netlink::ipvs::DestinationKey;

mod dh;
mod explain;
mod fo;
mod hash;
mod lblc;
mod lblcr;
mod lc;
mod least;
mod mh;
mod mind;
mod nq;
mod ovf;
mod persistence;
mod rr;
mod sed;
mod sh;
#[cfg(test)]
mod tests;
mod threshold;
mod twos;
mod view;
mod wlc;
mod wrr;

pub use explain::{Asked, Explanation, Known};
pub use persistence::held;
pub use view::{Request, Server, View};

use mind::{Followed, Mind};

/// No more memories than this are followed; a service that may have more is foretold by what
/// could take a connection at all.
const FOLLOWED: usize = 20_000;

/// Who takes a connection, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Choice {
    /// The destination; `None` when the kernel refuses the connection.
    pub destination: Option<DestinationKey>,
    /// The reason, in words, without a final period.
    pub because: String,
}

impl Choice {
    fn of(server: &Server, because: impl Into<String>) -> Self {
        Self { destination: Some(server.key), because: because.into() }
    }

    fn none(because: impl Into<String>) -> Self {
        Self { destination: None, because: because.into() }
    }

    /// Nobody can take it, whatever the scheduler.
    fn nobody(view: &View) -> Self {
        let servers = &view.servers;
        if servers.is_empty() {
            Self::none("the service has no destinations")
        } else if servers.iter().all(|server| server.weight == 0) {
            Self::none("every weight is 0")
        } else {
            Self::none("every destination with a weight has reached its upper threshold")
        }
    }
}

/// `192.168.0.93:80: it is the first that is idle`.
impl fmt::Display for Choice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.destination {
            Some(destination) => write!(f, "{destination}: {}", self.because),
            None => write!(f, "nobody: {}", self.because),
        }
    }
}

/// All that may happen to a connection: one choice where the model is certain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Prediction {
    /// The choices, each of another destination.
    pub choices: Vec<Choice>,
}

impl Prediction {
    /// The choice, when there is no other.
    #[must_use]
    pub fn certain(&self) -> Option<&Choice> {
        match self.choices.as_slice() {
            [only] => Some(only),
            _ => None,
        }
    }

    /// Whether this may happen.
    #[must_use]
    pub fn allows(&self, destination: Option<DestinationKey>) -> bool {
        self.choices.iter().any(|choice| choice.destination == destination)
    }

    fn add(&mut self, choice: Choice) {
        if !self.allows(choice.destination) {
            self.choices.push(choice);
        }
    }
}

/// A scheduler's rule.
trait Rule: Debug + 'static {
    /// What it remembers between two connections, and nobody sees; a place is one in the
    /// kernel's list.
    type Memory: Clone + Eq + std::hash::Hash + Debug;

    /// What it remembers of a service whose destinations were just added.
    fn fresh(view: &View) -> Self::Memory;

    /// Everything that it may remember; `None` when that is more than can be followed.
    fn memories(view: &View) -> Option<Vec<Self::Memory>>;

    /// What may happen to a request, each with what is remembered then. It is one thing, unless
    /// the scheduler draws lots.
    fn choose(view: &View, request: &Request, memory: &Self::Memory)
    -> Vec<(Choice, Self::Memory)>;
}

/// One row of the table.
struct Kind {
    name: &'static str,
    /// What decides, and cannot be seen.
    hidden: Option<&'static str>,
    follow: fn(&View) -> Box<dyn Mind>,
    begin: fn(&View) -> Box<dyn Mind>,
}

impl Kind {
    const fn of<R: Rule>(name: &'static str, hidden: Option<&'static str>) -> Self {
        Self {
            name,
            hidden,
            follow: |view| Box::new(Followed::<R>::new(view)),
            begin: |view| Box::new(Followed::<R>::fresh(view)),
        }
    }
}

/// Every scheduler, by name.
static TABLE: &[Kind] = &[
    Kind::of::<rr::Rr>("rr", Some("whose turn it is")),
    Kind::of::<wrr::Wrr>("wrr", Some("whose turn it is, and from which weight on")),
    Kind::of::<lc::Lc>("lc", None),
    Kind::of::<wlc::Wlc>("wlc", None),
    Kind::of::<fo::Fo>("fo", None),
    Kind::of::<ovf::Ovf>("ovf", None),
    Kind::of::<lblc::Lblc>("lblc", Some("which destination the address was given before")),
    Kind::of::<lblcr::Lblcr>("lblcr", Some("which destinations the address was given before")),
    Kind::of::<dh::Dh>("dh", None),
    Kind::of::<sh::Sh>("sh", None),
    Kind::of::<mh::Mh>("mh", Some("what a destination of weight 0 weighed before")),
    Kind::of::<sed::Sed>("sed", None),
    Kind::of::<nq::Nq>("nq", None),
    Kind::of::<twos::Twos>("twos", Some("which two destinations are drawn")),
];

/// The names of the schedulers that there is a model of.
pub fn names() -> impl Iterator<Item = &'static str> {
    TABLE.iter().map(|kind| kind.name)
}

/// A scheduler at work on a service, as far as it can be known.
#[derive(Debug)]
pub struct Model {
    name: &'static str,
    hidden: Option<&'static str>,
    mind: Box<dyn Mind>,
}

impl Model {
    /// A scheduler that nothing is known of yet; `None` when there is no model of it.
    #[must_use]
    pub fn new(scheduler: &str, view: &View) -> Option<Self> {
        let kind = TABLE.iter().find(|kind| kind.name == scheduler)?;
        Some(Self { name: kind.name, hidden: kind.hidden, mind: (kind.follow)(view) })
    }

    /// A scheduler that begins with destinations that were just added, to which nothing came yet.
    #[must_use]
    pub fn fresh(scheduler: &str, view: &View) -> Option<Self> {
        let kind = TABLE.iter().find(|kind| kind.name == scheduler)?;
        Some(Self { name: kind.name, hidden: kind.hidden, mind: (kind.begin)(view) })
    }

    /// The scheduler's name.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// What decides besides what can be seen: `whose turn it is`.
    #[must_use]
    pub fn hidden(&self) -> Option<&'static str> {
        self.hidden
    }

    /// What may happen to the next request.
    #[must_use]
    pub fn predict(&self, view: &View, request: &Request) -> Prediction {
        let mut all = self.ahead(view, std::slice::from_ref(request));
        all.pop().unwrap_or_else(|| Prediction { choices: vec![Choice::nobody(view)] })
    }

    /// What may happen to requests that come one after the other and stay open.
    #[must_use]
    pub fn ahead(&self, view: &View, requests: &[Request]) -> Vec<Prediction> {
        self.mind.ahead(view, requests)
    }

    /// Learns from what has happened; false when it could not happen, and nothing was learned.
    pub fn observe(
        &mut self,
        view: &View,
        request: &Request,
        seen: Option<DestinationKey>,
    ) -> bool {
        self.mind.observe(view, request, seen)
    }
}
