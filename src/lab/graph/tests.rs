use std::path::PathBuf;
use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::diagnostic::Source;
use crate::engine::Options;
use crate::lab::trial::Trial;
use crate::svg::Area;

fn graph(text: &str) -> Graph {
    let source = Arc::new(Source { name: "lab.yml".into(), text: text.into() });
    let node = crate::yaml::read(&source).unwrap();
    let topology = Topology::decode(&node, PathBuf::from("/labs/x")).unwrap();
    Graph::new(&topology, &IndexMap::new()).unwrap()
}

fn of(folder: &str) -> Graph {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("playbooks").join(folder);
    Trial::read(&path, None, |_| ()).unwrap().graph(&Options::default()).unwrap()
}

const NAT: &str = "\
name: nat
networks:
  back: {subnet: 10.0.0.0/24}
  front: {subnet: 192.168.0.0/24}
hosts:
  client: {networks: {front: 192.168.0.10}}
  lb1: {groups: [directors], networks: {front: 192.168.0.90, back: 10.0.0.1}}
  rs1: {groups: [real_servers], networks: {back: 10.0.0.11}}
  rs2: {groups: [real_servers], networks: {back: 10.0.0.12}}
";

fn texts(svg: &str) -> Vec<String> {
    let document = roxmltree::Document::parse(svg).unwrap();
    let texts = document.descendants().filter(|node| node.has_tag_name("text"));
    texts.filter_map(|node| node.text().map(str::to_owned)).collect()
}

#[test]
fn a_client_may_be_in_a_group_that_says_so() {
    let role = |groups: &str| {
        let text = NAT.replace("client: {", &format!("client: {{groups: [{groups}], "));
        let graph = graph(&text);
        graph.hosts.iter().find(|card| card.name == "client").map(|card| card.role)
    };
    assert_eq!(role(""), Some(Role::Client));
    assert_eq!(role("clients"), Some(Role::Client));
    assert_eq!(role("watchers"), Some(Role::Host));
}

#[test]
fn says_of_the_textbook_cluster_what_its_playbook_will_make_of_it() {
    let graph = of("lvs-dr");
    let texts = texts(&graph.svg());
    for expected in [
        "lan",
        "192.168.0.0/24",
        "lb1",
        "director · directors",
        "192.168.0.89 on eth0",
        "192.168.0.89 on lo",
        "real server · real_servers",
        "tcp://192.168.0.89:80 on lb1: rr, direct to rs1, rs2, rs3",
    ] {
        assert!(texts.iter().any(|text| text == expected), "{expected} is not among {texts:#?}");
    }
    insta::assert_snapshot!("lvs_dr_mermaid", graph.mermaid());
    insta::assert_snapshot!("lvs_dr_dot", graph.dot());
}

#[test]
fn knows_hosts_by_their_groups_where_no_playbook_tells() {
    insta::assert_snapshot!("nat_svg", graph(NAT).svg());
}

#[test]
fn folds_hosts_that_are_alike() {
    let mut text = String::from("name: many\nnetworks: {lan: {subnet: 10.0.0.0/24}}\nhosts:\n");
    for number in 1..=20 {
        let group = if number > 13 { "other" } else { "web" };
        text +=
            &format!("  web{number}: {{groups: [{group}], networks: {{lan: 10.0.0.{number}}}}}\n");
    }
    let graph = graph(&text);
    let shown: Vec<(&str, usize)> =
        graph.hosts.iter().map(|host| (host.name.as_str(), host.count)).collect();
    assert_eq!(shown, [("web1 … web13", 13), ("web14 … web20", 7)]);
    assert_eq!(graph.hosts[0].legs[0].addresses, ["10.0.0.1 … .13"]);
    assert!(texts(&graph.svg()).contains(&"×13".to_owned()));
}

#[test]
fn no_text_gets_out_of_its_place() {
    let mut graph = graph(NAT);
    let hostile = "</text><script>\"];\n%% \\\" & end\u{7}";
    graph.hosts[0].vips.push(hostile.into());
    graph.networks[0].details.push(hostile.into());
    let svg = graph.svg();
    let document = roxmltree::Document::parse(&svg).unwrap();
    assert!(!document.descendants().any(|node| node.has_tag_name("script")));
    let kept = hostile.replace('\u{7}', "\u{fffd}");
    assert_eq!(texts(&svg).iter().filter(|text| **text == kept).count(), 2);
    for line in graph.mermaid().lines().filter(|line| line.contains("script")) {
        assert_eq!(line.matches('"').count(), 2, "{line}");
        assert!(!line.contains("<script"), "{line}");
    }
    let dot = graph.dot();
    let line = dot.lines().find(|line| line.contains("script")).unwrap();
    assert!(line.contains(r#"<script>\"];"#), "{line}");
}

/// The pictures of the guide are what the program draws; `INSTA_UPDATE=always` draws them anew.
#[test]
fn the_guide_has_the_picture_of_each_page() {
    let guide = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("docs/guide");
    let mut pages = 0;
    for entry in std::fs::read_dir(&guide).unwrap() {
        let page = entry.unwrap().path();
        let name = page.file_stem().unwrap().to_string_lossy().into_owned();
        let picture = format!("{name}.svg");
        if page.extension().is_none_or(|ending| ending != "md")
            || !std::fs::read_to_string(&page).unwrap().contains(&format!("]({picture})"))
        {
            continue;
        }
        pages += 1;
        let (path, drawn) = (guide.join(&picture), of(&name).svg());
        if std::env::var("INSTA_UPDATE").is_ok_and(|update| update == "always") {
            std::fs::write(&path, &drawn).unwrap();
        }
        let committed = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(committed == drawn, "{picture} is not what `lab graph` draws");
    }
    assert!(pages > 0, "no page has a picture");
}

fn apart(one: Area, other: Area) -> bool {
    one.right() <= other.x
        || other.right() <= one.x
        || one.bottom() <= other.y
        || other.bottom() <= one.y
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Whatever is in it, nothing lies on anything else, every way ends at its own band, and no
    /// way runs through a card.
    #[test]
    fn everything_has_room(
        hosts in prop::collection::vec(prop::collection::btree_set(0_usize..4, 0..4), 1..30),
    ) {
        let network = |number: usize| Network { name: format!("n{number}"), details: Vec::new() };
        let leg = |network: &usize| Leg {
            network: *network,
            interface: "eth0".into(),
            addresses: vec!["10.0.0.1".into()],
        };
        let card = |(number, legs): (usize, &std::collections::BTreeSet<usize>)| Card {
            name: format!("host{number}"),
            count: 1,
            role: Role::ALL[number % 5],
            purpose: "host".into(),
            groups: Vec::new(),
            legs: legs.iter().map(leg).collect(),
            vips: Vec::new(),
        };
        let graph = Graph {
            name: "any".into(),
            networks: (0..4).map(network).collect(),
            hosts: hosts.iter().enumerate().map(card).collect(),
            services: Vec::new(),
            roles: IndexMap::new(),
        };
        let layout = layout::of(&graph, 40);
        let things: Vec<Area> = layout.cards.iter().chain(&layout.bands).copied().collect();
        for (at, one) in things.iter().enumerate() {
            prop_assert!(one.x >= 0 && one.right() <= layout.width && one.bottom() <= layout.bottom);
            for other in &things[at + 1..] {
                prop_assert!(apart(*one, *other), "{one:?} and {other:?}");
            }
        }
        for (host, ways) in layout.ways.iter().enumerate() {
            prop_assert_eq!(ways.len(), graph.hosts[host].legs.len());
            for (network, points) in ways {
                let (band, end) = (layout.bands[*network], points[points.len() - 1]);
                prop_assert!(end.y == band.y || end.y == band.bottom());
                prop_assert!(band.x <= end.x && end.x <= band.right());
                for pair in points.windows(2) {
                    let (x, y) = (pair[0].x.min(pair[1].x), pair[0].y.min(pair[1].y));
                    let (width, height) =
                        ((pair[0].x - pair[1].x).abs(), (pair[0].y - pair[1].y).abs());
                    let way = Area { x, y, width, height };
                    for card in &layout.cards {
                        prop_assert!(apart(way, *card), "{way:?} through {card:?}");
                    }
                }
            }
        }
    }
}
