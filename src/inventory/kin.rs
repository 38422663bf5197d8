//! Who belongs to whom, by number: what is asked of every host must not walk through every group.

use std::collections::HashSet;

use indexmap::IndexMap;

use super::{Group, Host};

/// The ways outwards, and how far each group is from `all`. Hosts and groups are numbered as
/// their maps have them.
#[derive(Debug, Clone, Default)]
pub(super) struct Kin {
    /// The groups around each group.
    parents: Vec<Vec<usize>>,
    /// How far each group is from the outermost ones, by the longest way; what is inside itself,
    /// and what is inside that, has no level.
    levels: Vec<Option<usize>>,
    /// The groups that list each host.
    listed: Vec<Vec<usize>>,
}

impl Kin {
    pub(super) fn of(hosts: &IndexMap<String, Host>, groups: &IndexMap<String, Group>) -> Self {
        let mut parents = vec![Vec::new(); groups.len()];
        let mut listed = vec![Vec::new(); hosts.len()];
        let mut children = Vec::with_capacity(groups.len());
        for (index, group) in groups.values().enumerate() {
            let inner: Vec<usize> =
                group.children.iter().filter_map(|name| groups.get_index_of(name)).collect();
            for child in &inner {
                parents[*child].push(index);
            }
            children.push(inner);
            for host in group.hosts.iter().filter_map(|name| hosts.get_index_of(name)) {
                listed[host].push(index);
            }
        }
        let levels = levels(&parents, &children);
        Self { parents, levels, listed }
    }

    /// The groups that a host is in, in no order.
    pub(super) fn groups_of(&self, host: usize) -> Vec<usize> {
        let mut found = self.listed.get(host).cloned().unwrap_or_default();
        let mut seen: HashSet<usize> = found.iter().copied().collect();
        let mut at = 0;
        while let Some(group) = found.get(at).copied() {
            found.extend(self.parents(group).iter().copied().filter(|outer| seen.insert(*outer)));
            at += 1;
        }
        found
    }

    pub(super) fn parents(&self, group: usize) -> &[usize] {
        self.parents.get(group).map_or(&[], Vec::as_slice)
    }

    pub(super) fn level(&self, group: usize) -> usize {
        self.levels.get(group).copied().flatten().unwrap_or(0)
    }

    pub(super) fn deepest(&self) -> usize {
        self.levels.iter().flatten().copied().max().unwrap_or(0)
    }

    pub(super) fn is_circular(&self, group: usize) -> bool {
        self.levels.get(group).copied().flatten().is_none()
    }
}

fn levels(parents: &[Vec<usize>], children: &[Vec<usize>]) -> Vec<Option<usize>> {
    let mut left: Vec<usize> = parents.iter().map(Vec::len).collect();
    let mut longest = vec![0; parents.len()];
    let mut ready: Vec<usize> = (0..left.len()).filter(|group| left[*group] == 0).collect();
    while let Some(group) = ready.pop() {
        for child in &children[group] {
            longest[*child] = longest[*child].max(longest[group] + 1);
            left[*child] -= 1;
            if left[*child] == 0 {
                ready.push(*child);
            }
        }
    }
    longest.into_iter().zip(left).map(|(level, left)| (left == 0).then_some(level)).collect()
}
