use super::super::tests::{answers, arp_answers, lab, table as seen_table};
use super::*;

#[test]
fn draws_who_answered_what() {
    let drawn = super::answers(
        &answers("rs1 rs2 rs3 rs1 rs2 rs3 rs1 rs2 !"),
        &["rs1", "rs2", "rs3"],
        &lab(),
    );
    insta::assert_snapshot!(drawn);
    assert!(drawn.lines().all(|line| line.chars().count() <= usize::from(WIDTH)));
}

#[test]
fn draws_a_server_that_answered_nothing_and_one_that_nobody_expected() {
    let drawn = super::answers(&answers("rs1 rs9"), &["rs1", "rs2"], &lab());
    assert!(drawn.contains("│ rs2") && drawn.contains("0 of 2"), "{drawn}");
    assert!(drawn.contains("│ rs9"), "{drawn}");
}

#[test]
fn draws_who_answers_arp() {
    insta::assert_snapshot!(resolution(
        [192, 168, 0, 89].into(),
        &arp_answers(&[90, 94, 77]),
        &lab()
    ));
    let nobody = resolution([192, 168, 0, 89].into(), &arp_answers(&[]), &lab());
    assert_eq!(nobody, "nobody answers ARP for 192.168.0.89 on eth0");
}

#[test]
fn draws_the_table_as_ipvsadm_does_with_the_names_of_hosts() {
    let drawn = table(&seen_table(), &lab());
    insta::assert_snapshot!(drawn);
    assert!(drawn.lines().all(|line| line.chars().count() <= usize::from(WIDTH)));
    assert_eq!(table(&Table::default(), &lab()), "the IPVS table is empty");
}

#[test]
fn cuts_a_long_order() {
    let drawn = order(&["rs1"; 100]);
    assert!(drawn.ends_with("rs1 … and 83 more"), "{drawn}");
    assert!(drawn.chars().count() < 90);
    assert_eq!(order(&["rs1", "rs2"]), "rs1 rs2");
}
