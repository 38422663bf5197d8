//! Holding the kernel's choices against the model's, one connection after the other.

use super::{Course, Scheduling, Step, name};
use crate::lab::check::report::Grouped;
use crate::lab::check::{Roster, Verdict, draw};
use crate::lab::model::{Model, Prediction, Request, View, held};
use crate::netlink::ipvs::DestinationKey;

/// What came of the comparison.
pub(super) struct Played {
    /// The scheduler that was asked.
    scheduler: &'static str,
    /// What it keeps to itself.
    hidden: Option<&'static str>,
    /// How many choices were foretold, with no other possible.
    pub(super) known: usize,
    /// The first that went elsewhere.
    wrong: Option<Wrong>,
}

struct Wrong {
    number: usize,
    expected: Prediction,
    view: View,
}

/// Plays the course through a model; `None` when there is no service, or no model of its
/// scheduler. It ends with the first difference, of which nothing can be learned.
pub(super) fn play(check: &Scheduling, seen: &Course, lab: &Roster) -> Option<Played> {
    let service = seen.service.as_ref()?;
    let scheduler = check.model.as_deref().unwrap_or_else(|| service.scheduler.as_str());
    let first = seen.steps.first().map(|step| weighed(check, &step.view, lab)).unwrap_or_default();
    let mut model = Model::new(scheduler, &first)?;
    let (scheduler, hidden) = (model.name(), model.hidden());
    let mut known = 0;
    for (number, step) in (1..).zip(&seen.steps) {
        let request = Request { client: step.client, to: check.target.to.ip() };
        let before = weighed(check, &step.view, lab);
        if let Some(choice) = held(service, &before, &request, &step.known, step.expires) {
            if choice.destination == step.chosen {
                known += 1;
                continue;
            }
            let expected = Prediction { choices: vec![choice] };
            let wrong = Some(Wrong { number, expected, view: before });
            return Some(Played { scheduler, hidden, known, wrong });
        }
        // What was forgotten between the look and the choice makes the second look right.
        let views = [before, weighed(check, &without_the_forgotten(step), lab)];
        let expected = model.predict(&views[0], &request);
        if !views.iter().any(|view| model.observe(view, &request, step.chosen)) {
            let [view, _] = views;
            let wrong = Some(Wrong { number, expected, view });
            return Some(Played { scheduler, hidden, known, wrong });
        }
        known += usize::from(expected.certain().is_some());
    }
    Some(Played { scheduler, hidden, known, wrong: None })
}

/// The view, with the weights that the check names.
fn weighed(check: &Scheduling, view: &View, lab: &Roster) -> View {
    let mut view = view.clone();
    for server in &mut view.servers {
        let host = lab.by_address(server.key.address);
        if let Some(weight) = host.and_then(|host| check.weights.get(host)) {
            server.weight = *weight;
        }
    }
    view
}

/// The view before, with no more closed connections than were left after.
fn without_the_forgotten(step: &Step) -> View {
    let mut view = step.view.clone();
    for server in &mut view.servers {
        let after = step.after.server(server.key);
        server.inactive = server.inactive.min(after.map_or(server.inactive, |one| one.inactive));
    }
    view
}

/// The weights that changed while connections were made: whose, from, to, and before which one.
pub(super) fn edits(seen: &Course) -> Vec<(DestinationKey, u32, u32, usize)> {
    let mut edits = Vec::new();
    for (number, pair) in (2..).zip(seen.steps.windows(2)) {
        let [before, after] = pair else { continue };
        for server in &after.view.servers {
            let was = before.view.server(server.key).map(|one| one.weight);
            if let Some(was) = was.filter(|was| *was != server.weight) {
                edits.push((server.key, was, server.weight, number));
            }
        }
    }
    edits
}

pub(super) fn judge(check: &Scheduling, seen: &Course, lab: &Roster) -> Verdict {
    let mut verdict = Verdict::default();
    let service = check.target.service;
    let Some(declared) = &seen.service else {
        verdict.expect(format!("service {service}"));
        verdict.problem(format!("service {service} does not exist on {}", seen.director));
        return verdict;
    };
    let scheduler = check.model.as_deref().unwrap_or_else(|| declared.scheduler.as_str());
    verdict.expect(format!("{} of {service} where {scheduler} sends them", check.counted()));
    let order: Vec<String> = seen.steps.iter().map(|step| name(step.chosen, lab)).collect();
    verdict.see(draw::order(&order.iter().map(String::as_str).collect::<Vec<_>>()));
    match play(check, seen, lab) {
        Some(played) => tell(&played, check, seen, lab, &mut verdict),
        None => verdict.problem(format!("there is no model of the scheduler `{scheduler}`")),
    }
    let mut failures = Grouped::default();
    for (number, step) in (1..).zip(&seen.steps) {
        // Whom the scheduler refuses is refused, and that is foretold.
        if let (Some(failure), Some(_)) = (&step.failure, step.chosen) {
            failures.add(number, format!("{failure}, at {}", name(step.chosen, lab)));
        }
    }
    failures.tell_as("connection", &mut verdict);
    verdict
}

fn tell(played: &Played, check: &Scheduling, seen: &Course, lab: &Roster, verdict: &mut Verdict) {
    let Played { scheduler, hidden, known, wrong } = played;
    let all = seen.steps.len();
    verdict.see(match hidden {
        Some(hidden) if *known < all => {
            format!("foretold for certain: {known} of {all}; the kernel does not show {hidden}")
        }
        _ => format!("foretold for certain: {known} of {all}"),
    });
    let Some(Wrong { number, expected, view }) = wrong else { return };
    let Some(step) = seen.steps.get(number - 1) else { return };
    let chosen = name(step.chosen, lab);
    let client = step.client;
    let said = match expected.certain() {
        Some(choice) => format!(
            "{scheduler} sends it to `{}`: {}",
            name(choice.destination, lab),
            named(&choice.because, lab, view)
        ),
        None => {
            let may: Vec<String> = expected
                .choices
                .iter()
                .map(|choice| format!("`{}`", name(choice.destination, lab)))
                .collect();
            format!("{scheduler} sends it to one of {}", may.join(", "))
        }
    };
    let nobody = step.failure.as_ref().map(|failure| format!(" ({failure})")).unwrap_or_default();
    verdict.problem(format!(
        "connection {number}, from {client}, went to `{chosen}`{nobody}, but {said}"
    ));
    let loads = view.servers.iter().map(|server| {
        let name = name(Some(server.key), lab);
        format!("{name} weight {} {}+{}", server.weight, server.active, server.inactive)
    });
    let loads = loads.collect::<Vec<_>>().join(", ");
    verdict.see(format!("before connection {number} (open+closing): {loads}"));
    if check.requests as usize > *number {
        verdict.see(format!("connections after number {number} were not compared"));
    }
}

/// A reason with the names of hosts in place of their addresses.
fn named(because: &str, lab: &Roster, view: &View) -> String {
    view.servers.iter().fold(because.to_owned(), |text, server| {
        text.replace(&server.key.to_string(), &name(Some(server.key), lab))
    })
}
