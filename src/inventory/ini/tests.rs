//! Lines of INI, their values as Python has them, and mistakes at their places.

use serde_json::json;

use super::*;

fn ini(text: &str) -> Result<Inventory, Diagnostics> {
    let source = Arc::new(Source { name: "hosts".into(), text: text.into() });
    Inventory::decode_ini(&source)
}

#[test]
fn sections_hold_hosts_variables_and_groups() {
    let text = "
; an LVS site
client ansible_host=192.168.0.10

[directors] # two of them
lb[1:2]:2222 priority=100
[real_servers:vars]
weight = 3
motd = hello # not a comment
[cluster:children]
directors
real_servers # declared below
[real_servers]
rs[01:03:2] note=\"a 'b'\" tags=\"['x', 1]\" plain=true flag=True
";
    let found = ini(text).expect("reads");
    assert_eq!(found.members("cluster"), ["lb1", "lb2", "rs01", "rs03"]);
    assert_eq!(found.members("ungrouped"), ["client"]);
    assert_eq!(found.vars_of("lb2"), vars(json!({"ansible_port": 2222, "priority": 100})));
    assert_eq!(
        found.vars_of("rs03"),
        vars(json!({
            "weight": 3, "motd": "hello # not a comment", "note": "a 'b'", "tags": ["x", 1],
            "plain": "true", "flag": true,
        }))
    );
}

fn vars(value: serde_json::Value) -> Vars {
    value.as_object().expect("a mapping").clone()
}

#[test]
fn values_are_pythons() {
    for (text, value) in [
        ("1", json!(1)),
        ("-5", json!(-5)),
        ("0x1F", json!(31)),
        ("0o17", json!(15)),
        ("1_000", json!(1000)),
        ("00", json!(0)),
        ("1.50", json!(1.5)),
        ("1e3", json!(1000.0)),
        (".5", json!(0.5)),
        ("True", json!(true)),
        ("None", json!(null)),
        ("'it'", json!("it")),
        ("'a' \"b\"", json!("ab")),
        (r"'\x41\u00e9\n'", json!("A\u{e9}\n")),
        (r"r'\n'", json!("\\n")),
        ("[1, 'a', [2]]", json!([1, "a", [2]])),
        ("(1,)", json!([1])),
        ("(1)", json!(1)),
        ("1, 2", json!([1, 2])),
        ("{'a': 1, 2: None}", json!({"a": 1, "2": null})),
        ("{1, 2, 1}", json!([1, 2])),
        ("[]", json!([])),
        ("5 # five", json!(5)),
        ("'''x'y'''", json!("x'y")),
    ] {
        assert_eq!(literal::value(text), value, "{text}");
    }
}

#[test]
fn everything_else_is_a_text() {
    let deep = "[".repeat(500);
    for text in [
        "",
        "true",
        "yes",
        "007",
        "10.0.0.1",
        "2024-10-11",
        "1 2",
        "a b",
        "a=b",
        "[1",
        "'open",
        "1__0",
        "5s",
        "{1: 2, 3}",
        "{'a' 1}",
        "99999999999999999999",
        "1e999",
        "f'x'",
        "--5",
        "hello # there",
        "[a, b]",
        "Truely",
        r"'\N{DASH}'",
        "1,,2",
        ",",
        "é",
        &deep,
    ] {
        assert_eq!(literal::value(text), json!(text), "{text}");
    }
}

#[test]
fn words_are_a_shells() {
    let words = |line| -> Vec<String> {
        words::split(line).expect(line).into_iter().map(|(_, word)| word).collect()
    };
    assert_eq!(words("a b='c d' e=\"f \\\" g\""), ["a", "b=c d", "e=f \" g"]);
    assert_eq!(words("a\\ b  c#d e"), ["a b", "c"]);
    assert_eq!(words("'#'"), ["#"]);
    assert_eq!(words::split("é 'x'").expect("splits")[1].0, 3..6);
    assert!(words::split("a 'b").is_err() && words::split("a \\").is_err());
}

#[test]
fn mistakes_have_places_and_hints() {
    for (text, expected) in [
        ("[web]\nrs1 x\n", "hosts:2:5: `x` is not a variable (write `name=value`"),
        ("rs1 x='a\n", "hosts:1:1: a single quote is not closed"),
        ("[web:var]\n", "`var` is not what a section can hold (did you mean `vars`?)"),
        ("[a b]\n", "hosts:1:1: `[a b]` is not a section"),
        ("[a:f]\n", "`f` is not what a section can hold"),
        (
            "[web]\n[wbe:vars]\nx=1\n",
            "hosts:2:2: `wbe` has variables, but nothing declares this group (did you mean `web`?)",
        ),
        ("[top:children]\nwebs\n", "hosts:2:1: `webs` is inside `top`, but nothing declares"),
        ("[web:vars]\nx\n[web]\n", "hosts:2:1: `x` is not a variable (write `name = value`)"),
        ("[top:children]\na=b c\n", "hosts:2:1: `a=b c` is not the name of a group"),
        ("rs1:\n", "hosts:1:1: a colon behind the host `rs1`"),
        ("  rs[1:0]\n", "hosts:1:3: `rs[1:0]` is not a range of hosts"),
    ] {
        let error = ini(text).expect_err(text).to_string();
        assert!(error.contains(expected), "{text}: {error}");
    }
    let several = ini("rs1 x\nrs2 y\n").expect_err("two");
    assert_eq!(several.0.len(), 2);
}
