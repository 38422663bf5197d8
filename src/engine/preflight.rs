//! A look ahead: mistakes that can be seen in a playbook's values before any host is touched.

use super::foresight::{Foreseen, Foresight, Sight};
use super::{Chosen, Options};
use crate::diagnostic::Diagnostics;
use crate::inventory::{Inventory, Vars};
use crate::playbook::{Play, Playbook};
use crate::template::Renderer;

/// Finds what can be found; `chosen` are the hosts of each play.
pub(super) fn check(
    playbook: &Playbook,
    inventory: &Inventory,
    options: &Options,
    chosen: &[Chosen],
) -> Result<(), Diagnostics> {
    let mut mistakes = Diagnostics::default();
    let foresight = Foresight { playbook, inventory, options, chosen, texts: false };
    foresight.walk(&mut |Foreseen { sights, .. }| {
        for sight in sights {
            if let Sight::Mistake(mistake) = sight
                && !mistakes.0.contains(&mistake)
            {
                mistakes.push(mistake);
            }
        }
    });
    mistakes.finish(())
}

/// Finds what is wrong with templates as such, also in tasks that nothing may ever run.
pub(super) fn grammar(playbook: &Playbook) -> Diagnostics {
    let nothing = Vars::new();
    let renderer = Renderer::new(&nothing);
    let mut mistakes = Diagnostics::default();
    for task in playbook.plays.iter().flat_map(Play::tasks) {
        let texts =
            std::iter::once(&task.arguments).chain(task.items.as_ref().map(|all| &all.over));
        let found = texts.flat_map(|node| renderer.grammar(node));
        let judged = [&task.changed_when, &task.failed_when, &task.until].into_iter().flatten();
        let conditions = task.inherited.when.iter().chain(judged);
        let found = found.chain(conditions.flat_map(|node| renderer.grammar_of_condition(node)));
        for mistake in found {
            if !mistakes.0.contains(&mistake) {
                mistakes.push(mistake);
            }
        }
    }
    mistakes
}
