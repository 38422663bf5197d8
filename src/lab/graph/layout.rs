//! Where things stand: networks are bands from left to right, one below the other, and hosts stand
//! in rows between them, each with straight ways up and down into its networks.
//!
//! A row of many hosts becomes two, the second one shifted by half a card, so that its ways pass
//! between the cards of the first. A way into a network further off goes down at the left side,
//! and passes behind the bands that it does not end in.

use super::{Card, Graph, Role};
use crate::svg::{Area, Point, width};

pub(super) const MARGIN: i32 = 24;
/// Between cards of a row.
const GAP: i32 = 22;
/// Between a row and a band, where ways are.
const WAY: i32 = 30;
pub(super) const BAND: i32 = 34;
/// Between ways at the left side.
const LANE: i32 = 16;
/// A card's head, and each line below it.
pub(super) const HEAD: i32 = 34;
pub(super) const LINE: i32 = 19;
pub(super) const PADDING: i32 = 14;
/// How far a way to the left side starts from the one straight down; half a gap has room for it.
const BESIDE: i32 = 6;
/// More cards in a row are two rows.
const ROW: usize = 7;
/// How far the cards behind the first of a stack stand out.
pub(super) const STACK: i32 = 5;

/// The places of everything.
#[derive(Debug)]
pub(super) struct Layout {
    pub(super) width: i32,
    /// Where the last row or band ends.
    pub(super) bottom: i32,
    /// One for each network.
    pub(super) bands: Vec<Area>,
    /// One for each host.
    pub(super) cards: Vec<Area>,
    /// For each host its ways, each with the network that it leads into.
    pub(super) ways: Vec<Vec<(usize, Vec<Point>)>>,
}

pub(super) fn of(graph: &Graph, top: i32) -> Layout {
    let order = order(graph);
    let rows = rows(graph, &order);
    let card_width = graph.hosts.iter().map(card_width).max().unwrap_or(0);
    let far: Vec<usize> = (0..graph.hosts.len())
        .filter(|host| {
            let (row, reach) = (row_of(&rows, *host), reach(&graph.hosts[*host], &order));
            reach.is_some_and(|(_, last)| last > row)
        })
        .collect();
    let lanes = i32::try_from(far.len()).unwrap_or(0) * LANE;
    let split: Vec<Vec<Vec<usize>>> = rows.iter().map(|row| split(row, &far)).collect();
    let columns = split.iter().flatten().map(Vec::len).max().unwrap_or(0);
    // Where rows are shifted by half a card, it sticks out on both sides.
    let half = if split.iter().any(|row| row.len() > 1) { (card_width + GAP) / 2 } else { 0 };
    let inner = columns_wide(columns, card_width) + half;
    let label = graph.networks.iter().map(|one| label_width(&one.name, &one.details)).max();
    let inner = inner.max(label.unwrap_or(0) + 2 * PADDING).max(360);
    let left = MARGIN + lanes;

    let mut cards = vec![Area { x: 0, y: 0, width: card_width, height: 0 }; graph.hosts.len()];
    let mut bands = vec![Area { x: MARGIN, y: 0, width: lanes + inner, height: BAND }; order.len()];
    let mut bottoms = vec![0; rows.len()];
    let mut y = top;
    for (index, row) in split.iter().enumerate() {
        let mut first = true;
        for (shift, hosts) in row.iter().enumerate() {
            let height = hosts.iter().map(|host| card_height(&graph.hosts[*host])).max();
            let total = columns_wide(row.iter().map(Vec::len).max().unwrap_or(0), card_width);
            let shifted = if row.len() > 1 { half } else { 0 };
            let mut x = left + (inner - total - shifted) / 2 + shifted * i32::from(shift % 2 == 1);
            y += if first { 0 } else { GAP };
            first = false;
            for host in hosts {
                cards[*host] = Area { x, y, width: card_width, height: height.unwrap_or(0) };
                x += card_width + GAP;
            }
            y += height.unwrap_or(0);
        }
        bottoms[index] = y;
        if let Some(network) = order.get(index) {
            y += if first { 0 } else { WAY };
            bands[*network].y = y;
            y += BAND;
            if split.get(index + 1).is_some_and(|next| !next.is_empty()) {
                y += WAY;
            } else if index + 1 < order.len() {
                y += GAP;
            }
        }
    }
    let ways = graph.hosts.iter().enumerate().map(|(host, card)| {
        let lane = far.iter().position(|one| *one == host);
        let lane =
            lane.and_then(|lane| i32::try_from(lane).ok()).map(|l| MARGIN + LANE / 2 + l * LANE);
        ways(card, cards[host], &bands, lane, bottoms[row_of(&rows, host)], &order)
    });
    let ways = ways.collect();
    Layout { width: left + inner + MARGIN, bottom: y, bands, cards, ways }
}

/// The order of networks from top to bottom in which hosts that join several reach least far, with
/// clients at the top; that of the lab file where nothing is better.
fn order(graph: &Graph) -> Vec<usize> {
    let count = graph.networks.len();
    let given: Vec<usize> = (0..count).collect();
    // A lab with more is drawn as it is written: there would be too many ways to try.
    if count > 6 {
        return given;
    }
    let cost = |order: &[usize]| -> (usize, usize) {
        let reaches = graph.hosts.iter().filter_map(|host| Some((host.role, reach(host, order)?)));
        let far = reaches.clone().map(|(_, (first, last))| (last - first) * (last - first));
        let clients = reaches.filter(|(role, _)| *role == Role::Client);
        (far.sum(), clients.map(|(_, (first, _))| first).sum())
    };
    permutations(count).into_iter().min_by_key(|order| cost(order)).unwrap_or(given)
}

/// All orders of so many things, as a dictionary would list them.
fn permutations(count: usize) -> Vec<Vec<usize>> {
    (0..count).fold(vec![Vec::new()], |orders: Vec<Vec<usize>>, _| {
        let longer = |order: &Vec<usize>| -> Vec<Vec<usize>> {
            let left = (0..count).filter(|one| !order.contains(one));
            left.map(|one| order.iter().copied().chain([one]).collect()).collect()
        };
        orders.iter().flat_map(longer).collect()
    })
}

/// The first and last band that a host reaches, counted from the top.
fn reach(host: &Card, order: &[usize]) -> Option<(usize, usize)> {
    let places =
        || host.legs.iter().filter_map(|leg| order.iter().position(|one| *one == leg.network));
    Some((places().min()?, places().max()?))
}

/// The hosts of each row; row 0 is above the first band.
fn rows(graph: &Graph, order: &[usize]) -> Vec<Vec<usize>> {
    let last = order.len();
    let mut rows: Vec<Vec<usize>> = vec![Vec::new(); last + 1];
    for (index, host) in graph.hosts.iter().enumerate() {
        let row = match reach(host, order) {
            None => last,
            Some((first, other)) if first != other => first + 1,
            Some((only, _)) if last == 1 => match host.role {
                Role::Server | Role::Host => only + 1,
                Role::Director | Role::Router | Role::Client => only,
            },
            Some((0, _)) => 0,
            Some((only, _)) if only + 1 == last => last,
            Some((only, _)) => {
                if rows[only].len() < rows[only + 1].len() {
                    only
                } else {
                    only + 1
                }
            }
        };
        rows[row].push(index);
    }
    rows
}

fn row_of(rows: &[Vec<usize>], host: usize) -> usize {
    rows.iter().position(|row| row.contains(&host)).unwrap_or(0)
}

/// A row as one or two; whoever has a way at the left side stands there.
fn split(row: &[usize], far: &[usize]) -> Vec<Vec<usize>> {
    let mut row = row.to_vec();
    row.sort_by_key(|host| !far.contains(host));
    match row.len() {
        0 => Vec::new(),
        count if count <= ROW => vec![row],
        count => row.chunks(count.div_ceil(2)).map(<[usize]>::to_vec).collect(),
    }
}

fn columns_wide(columns: usize, card: i32) -> i32 {
    let columns = i32::try_from(columns).unwrap_or(0);
    (columns * (card + GAP) - GAP).max(0)
}

fn ways(
    card: &Card,
    at: Area,
    bands: &[Area],
    lane: Option<i32>,
    row_bottom: i32,
    order: &[usize],
) -> Vec<(usize, Vec<Point>)> {
    let below = |network: usize| bands[network].y > at.y;
    let next = order.iter().copied().find(|network| below(*network));
    let mut ways = Vec::new();
    for leg in &card.legs {
        let (network, band) = (leg.network, bands[leg.network]);
        let straight = Point { x: at.middle(), y: if below(network) { at.bottom() } else { at.y } };
        let points = match lane {
            Some(lane) if below(network) && next != Some(network) => {
                let x = at.middle() - BESIDE;
                // One below the other, so that one sees which is which.
                let y = row_bottom + 5 + (lane - MARGIN) / LANE * 4 % (WAY - 8);
                vec![
                    Point { x, y: at.bottom() },
                    Point { x, y },
                    Point { x: lane, y },
                    Point { x: lane, y: band.y },
                ]
            }
            _ if below(network) => vec![straight, Point { x: straight.x, y: band.y }],
            _ => vec![straight, Point { x: straight.x, y: band.bottom() }],
        };
        ways.push((network, points));
    }
    ways
}

/// The lines of a card below its head.
pub(super) fn lines(card: &Card) -> Vec<(String, String)> {
    let legs = card.legs.iter().flat_map(|leg| {
        let mut first = true;
        leg.addresses.iter().map(move |address| {
            let interface =
                if std::mem::take(&mut first) { leg.interface.clone() } else { String::new() };
            (interface, address.clone())
        })
    });
    legs.collect()
}

impl Card {
    /// What it is for, and the groups that it is in.
    pub(super) fn purpose(&self) -> String {
        let groups = self.groups.join(", ");
        if groups.is_empty() {
            self.purpose.clone()
        } else {
            format!("{} · {groups}", self.purpose)
        }
    }
}

/// How wide the column of interfaces is.
pub(super) fn interfaces_wide(card: &Card) -> i32 {
    card.legs.iter().map(|leg| width(&leg.interface, 12, true)).max().unwrap_or(0) + 10
}

fn card_height(card: &Card) -> i32 {
    let lines = i32::try_from(lines(card).len() + card.vips.len()).unwrap_or(0);
    // Badges are a little higher than lines.
    let badges = i32::try_from(card.vips.len()).unwrap_or(0) * 5;
    let badges = if badges > 0 { badges + 3 } else { 0 };
    HEAD + 16 + lines * LINE + badges + 8
}

fn card_width(card: &Card) -> i32 {
    let head = width(&card.name, 15, false);
    let head = if card.count > 1 { head + 40 } else { head };
    let lines = lines(card);
    let lines = lines.iter().map(|(_, address)| interfaces_wide(card) + width(address, 12, true));
    let vips = card.vips.iter().map(|vip| width(vip, 12, true) + 46);
    let widest = lines.chain(vips).chain([head, width(&card.purpose(), 12, false)]).max();
    (widest.unwrap_or(0) + 2 * PADDING + 6).max(150)
}

fn label_width(name: &str, details: &[String]) -> i32 {
    width(name, 14, false) + details.iter().map(|one| width(one, 12, true) + 16).sum::<i32>()
}
