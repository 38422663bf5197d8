//! Templates that were compiled before. A playbook's texts are rendered for every host and
//! every item of a loop; they are read once.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, PoisonError, RwLock};

use super::jinja::{Compiled, Mode};

/// So many are kept, twice.
const KEPT: usize = 1024;

type Generation = HashMap<String, Arc<Compiled>>;

/// Those that were used lately, and those before them.
#[derive(Default)]
struct Generations {
    young: Generation,
    old: Generation,
}

static CACHE: LazyLock<[RwLock<Generations>; 3]> = LazyLock::new(Default::default);

/// The compiled template of a text, if it is known.
pub(super) fn get(mode: Mode, text: &str) -> Option<Arc<Compiled>> {
    let cache = &CACHE[mode as usize];
    {
        let generations = cache.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = generations.young.get(text) {
            return Some(Arc::clone(found));
        }
        generations.old.get(text)?;
    }
    let mut generations = cache.write().unwrap_or_else(PoisonError::into_inner);
    let (text, found) = generations.old.remove_entry(text)?;
    generations.young.insert(text, Arc::clone(&found));
    Some(found)
}

/// Keeps a compiled template.
pub(super) fn keep(mode: Mode, text: &str, compiled: &Arc<Compiled>) {
    let mut generations = CACHE[mode as usize].write().unwrap_or_else(PoisonError::into_inner);
    if generations.young.len() >= KEPT {
        generations.old = std::mem::take(&mut generations.young);
    }
    generations.young.insert(text.to_owned(), Arc::clone(compiled));
}
