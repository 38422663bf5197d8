//! A look ahead: mistakes that can be seen in a playbook's values before any host is touched.

use super::foresight::{Foreseen, Foresight, Sight};
use super::{Chosen, Options};
use crate::diagnostic::Diagnostics;
use crate::inventory::Inventory;
use crate::playbook::Playbook;

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
