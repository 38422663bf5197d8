//! One document of several trials'.

use std::time::Duration;

use super::{Case, Outcome, totals};
use crate::xml::{Xml, escaped};

/// One document of several trials': for each its name, and what it wrote to standard output, which
/// is a document, and to standard error. Suites are named after their trial, and a trial
/// that wrote no document is an error.
pub fn several<'a>(trials: impl Iterator<Item = (&'a str, [&'a str; 2])>) -> String {
    let mut xml = Xml::new();
    xml.begin("testsuites", &[("name", "lvsmith".into())]);
    for (name, [output, errors]) in trials {
        match suites(output) {
            Some(suites) => {
                // Neither texts nor attributes have a `<`.
                let named = format!("<testsuite name=\"{}: ", escaped(name, true));
                xml.markup(&suites.replace("<testsuite name=\"", &named));
            }
            None => {
                let case = Case {
                    class: "lab".into(),
                    name: "the trial ends with a report".into(),
                    place: None,
                    took: Duration::ZERO,
                    outcome: Outcome::Error(format!("{output}{errors}")),
                    output: String::new(),
                };
                xml.begin("testsuite", &totals(name, &[&case]));
                case.write(&mut xml);
                xml.end();
            }
        }
    }
    xml.finish()
}

/// What a document has within its outermost element.
fn suites(document: &str) -> Option<&str> {
    let end = document.rfind("</testsuites>")?;
    let start = document.find("<testsuites")?;
    let (_, within) = document.get(start..end)?.split_once('>')?;
    Some(within.trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_suites_after_their_trial() {
        let one = "<?xml version=\"1.0\"?>\n<testsuites name=\"lvsmith\" tests=\"1\">\n  \
                   <testsuite name=\"checks\" tests=\"1\">\n    <testcase name=\"a &lt; b\"/>\n  \
                   </testsuite>\n</testsuites>\n";
        let text =
            several([("lvs-dr", [one, ""]), ("kube & co", ["", "error: no IPVS\n"])].into_iter());
        let document = roxmltree::Document::parse(&text).unwrap();
        let suites: Vec<_> =
            document.descendants().filter(|node| node.has_tag_name("testsuite")).collect();
        let names: Vec<_> = suites.iter().filter_map(|suite| suite.attribute("name")).collect();
        assert_eq!(names, ["lvs-dr: checks", "kube & co"]);
        assert_eq!(suites[1].attribute("errors"), Some("1"));
        let error = document.descendants().find(|node| node.has_tag_name("error")).unwrap();
        assert_eq!(error.text(), Some("error: no IPVS\n"));
    }
}
