//! An include on a host: what it brings, for each of its items.

use std::sync::{Arc, PoisonError};

use serde_json::Value;

use super::Worker;
use crate::engine::items::Item;
use crate::engine::outcome::Failure;
use crate::engine::{Done, Flow};
use crate::playbook::Contents;
use crate::report::{Status, TaskResult};
use crate::template::Renderer;

impl Worker<'_> {
    /// Reads what an include brings, for each of its items.
    pub(super) fn include(&self, items: Option<&[Value]>) -> Done {
        let mut results = Vec::new();
        let mut brought = Vec::new();
        let mut bring = |item: Option<Item<'_>>| match self.brought(item) {
            Ok(Some((contents, shown))) => {
                let over = self.task().items.as_ref().zip(item);
                let bindings = over.map(|(over, item)| item.bindings(over));
                brought.push((contents, bindings.unwrap_or_default()));
                TaskResult { shown: Some(shown), ..TaskResult::new(Status::Ok) }
            }
            Ok(None) => TaskResult::new(Status::Skipped),
            Err(failure) => self.fell(&failure),
        };
        match items {
            None => results.push(bring(None)),
            Some(items) => {
                for item in Item::of(items) {
                    let result = bring(Some(item));
                    results.push(self.labelled(result, item));
                }
            }
        }
        let done = self.conclude(results, items);
        if brought.is_empty() { done } else { Done { flow: Flow::Into(brought), ..done } }
    }

    /// What an include brings for an item, and how that is told; nothing when it is skipped.
    fn brought(&self, item: Option<Item<'_>>) -> Result<Option<(Arc<Contents>, String)>, Failure> {
        let scope = self.scope(item);
        if !self.holds(&scope)? {
            return Ok(None);
        }
        let task = self.task();
        let rendered = Renderer::new(&scope).node(&task.arguments)?;
        let arguments =
            (task.module.decode)(&rendered).map_err(|error| error.at(&task.module_key.span))?;
        let named = ["name", "file"].iter().find_map(|key| arguments.get(key)?.as_str());
        let shown = format!("included: {}", named.unwrap_or_default());
        let known = task.include.as_ref().and_then(|include| include.contents.clone());
        if let Some(contents) = known {
            return Ok(Some((contents, shown)));
        }
        let key = (std::ptr::from_ref(task).addr(), arguments.to_string());
        let mut kept = self.shared.brought.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(contents) = kept.get(&key) {
            return Ok(Some((Arc::clone(contents), shown)));
        }
        let read = task.bring(&rendered, self.run.trail.play);
        let contents = read.map_err(Failure::Mistakes)?;
        kept.insert(key, Arc::clone(&contents));
        Ok(Some((contents, shown)))
    }
}
