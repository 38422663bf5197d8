//! Reading, held against `serde_yaml`, and what it refuses.

use super::*;

fn node(text: &str) -> Result<Node, Diagnostic> {
    read(&Arc::new(Source { name: "t.yml".into(), text: text.into() }))
}

fn json(text: &str) -> String {
    node(text).expect("reads").to_json().to_string()
}

fn error(text: &str) -> String {
    node(text).expect_err("must fail").to_string()
}

#[test]
fn every_node_knows_its_place() {
    let root = node("a:\n  - é: x\n    port: 80\n").expect("reads");
    let item = &root.get("a").expect("a").sequence().expect("list")[0];
    let port = item.get("port").expect("port");
    assert_eq!(port.span.to_string(), "t.yml:3:11");
    assert_eq!(&root.span.source.text[port.span.start..port.span.end], "80");
    assert_eq!(item.mapping().expect("map")[0].0.span.to_string(), "t.yml:2:5");
}

#[test]
fn reads_what_ansible_reads() {
    assert_eq!(
        json("[yes, 'yes', off, 0644, 1.5, ~, 10.0.0.1]"),
        r#"[true,"yes",false,"0644",1.5,null,"10.0.0.1"]"#
    );
    assert_eq!(json(""), "null");
    assert_eq!(json("# only a comment\n"), "null");
    assert_eq!(json("80: web"), r#"{"80":"web"}"#);
}

#[test]
fn merges_and_repeats() {
    let text = "base: &b {port: 80, weight: 1}\nweb:\n  <<: *b\n  weight: 2\n";
    assert_eq!(json(text), r#"{"base":{"port":80,"weight":1},"web":{"weight":2,"port":80}}"#);
}

#[test]
fn mistakes_are_shown_where_they_are() {
    assert_eq!(
        error("a: 1\nb: 2\na: 3\n"),
        "t.yml:3:1: duplicate key `a` (it stands on line 1 already; keep one of the two)"
    );
    assert_eq!(
        error("a:\n\t- b\n"),
        "t.yml:2:1: a tab in the indentation (YAML is indented with spaces)"
    );
    assert!(error("a: b: c").starts_with("t.yml:1:5: not valid YAML"), "{}", error("a: b: c"));
    assert!(error("--- a\n--- b\n").contains("second document"));
    assert!(error("a: {{ b }}").contains("must stand in quotes"), "{}", error("a: {{ b }}"));
    assert!(error("a: !vault x").contains("tag"), "{}", error("a: !vault x"));
}

#[test]
fn deep_and_explosive_texts_end_in_an_error() {
    assert!(error(&"[".repeat(20_000)).contains("nested"), "{}", error(&"[".repeat(20_000)));
    let deep = (0..200).map(|n| format!("{}a:\n", " ".repeat(n))).collect::<String>();
    assert!(error(&deep).contains("nested deeper than 128"), "{}", error(&deep));
    let mut text = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    for level in 1..10 {
        let before = format!("*a{}, ", level - 1).repeat(10);
        text.push_str(&format!("a{level}: &a{level} [{before}]\n"));
    }
    assert!(error(&text).contains("repetition limit"), "{}", error(&text));
}

#[test]
fn depth_counts_behind_aliases_too() {
    let mut text = String::from("a0: &a0 [x]\n");
    for level in 1..130 {
        text.push_str(&format!("a{level}: &a{level} [*a{}]\n", level - 1));
    }
    assert!(error(&text).contains("nested deeper than 128"), "{}", error(&text));
}

#[test]
fn ends_a_block_where_the_text_ends() {
    for (text, value) in [
        ("c: |\n  a\n", "a\n"),
        ("c: |\n  a", "a"),
        ("c: |\n  a\n  ", "a\n"),
        ("c: |+\n  a\n\n  ", "a\n\n"),
        ("c: !!str >\n  a\n  b", "a b"),
        ("c: |\n  a\n# b", "a\n"),
    ] {
        let node = node(text).expect(text);
        assert_eq!(node.get("c").and_then(Node::as_str), Some(value), "{text:?}");
    }
}

#[test]
fn refuses_keys_and_numbers_that_are_none() {
    for (text, message) in [
        (": 1", "t.yml:1:1: there is no key before the colon"),
        ("a: 1\n: 2", "t.yml:2:1: there is no key before the colon"),
        (
            "True: 1\ntrue: 2",
            "t.yml:2:1: duplicate key `true` (it stands on line 1 already; keep one of the two)",
        ),
        ("a: .inf", "t.yml:1:4: `.inf` is not a number that can be used (in quotes it is a text)"),
        (
            "a: -9223372036854775809",
            "t.yml:1:4: `-9223372036854775809` is not a number that can be used (in quotes it is a text)",
        ),
        ("a: !!int x", "t.yml:1:4: `x` is not an integer"),
    ] {
        assert_eq!(error(text), message);
    }
}

/// What `serde_yaml` makes of a text; merge keys and the words of YAML 1.1 are unknown to it.
fn reference(text: &str) -> serde_json::Value {
    use serde_yaml::Value;
    fn json(value: Value) -> serde_json::Value {
        match value {
            Value::Mapping(entries) => {
                let entry = |(key, value)| match json(key) {
                    serde_json::Value::String(key) => (key, json(value)),
                    key => (key.to_string(), json(value)),
                };
                entries.into_iter().map(entry).collect()
            }
            Value::Sequence(items) => items.into_iter().map(json).collect(),
            other => serde_json::to_value(other).expect("a scalar"),
        }
    }
    json(serde_yaml::from_str(text).unwrap_or_else(|error| panic!("{text:?}: {error}")))
}

#[test]
fn means_what_serde_yaml_says() {
    let values = [
        "~",
        "null",
        "''",
        "x y",
        "'it''s'",
        r#""\x41\u00e9\n\
  b""#,
        "x\n  y\n\n  z",
        "\"x\n  y\n\n  z\"",
        "x#y #z",
        "10.0.0.1",
        "12:30",
        "2001-01-01",
        "a:b",
        "True",
        "FALSE",
        "0",
        "-0",
        "+1",
        "-5",
        "007",
        "-00",
        "0x1f",
        "-0x1f",
        "0o17",
        "0b11",
        "0x",
        "0xg",
        "0o9",
        "+-5",
        "1_000",
        "1.5",
        ".5",
        "5.",
        "1e3",
        "1.e-3",
        "1e400",
        ".",
        "-.",
        "+",
        "--5",
        "18446744073709551615",
        "-9223372036854775808",
        "!!str 5",
        "!!int '5'",
        "!!float 5",
        "!!bool 'true'",
        "!!null ~",
        "!!binary aGk=",
        "!<tag:yaml.org,2002:str> 5",
        "[]",
        "{}",
        "[a, [b], {c: d}]",
        "[a: b, c]",
        "{a: 1, b, 'c': }",
        "!!seq [a]",
        "!!map {a: b}",
        "&x 5\nb: *x",
        "&x {c: [1]}\nb: *x",
        "\n- b\n- c",
        "\n  - - b\n    - c\n  - d",
        "\n  b: c\n  d:",
        "|\n  b\n   c\n\n  d\n\n",
        "|-\n  b\n",
        "|+\n  b\n\n",
        "|2\n    b\n",
        "|\n  b",
        ">\n  b\n  c\n\n  d\n   e\n  f\n",
        ">-\n  b\n  c\n# d",
        ">+\n  b\n\n  \n",
        "|\n  b\n  ",
        "",
        "# b",
    ];
    for value in values {
        let text = format!("a: {value}");
        assert_eq!(node(&text).expect(&text).to_json(), reference(&text), "{text:?}");
    }
    let texts = [
        "- a: 1\n  b:\n  - c\n- d",
        "? a\n: b\n? c",
        "1: a\n0x10: b\n~: c\ntrue: d\n'e' : f",
        "\u{feff}a: é\n",
        "%YAML 1.2\n--- # b\na: 1\n...\n",
        "a: 'b\n  c'\r\nd: |\r\n  e\r\n  f\r\n",
        "--- |\n  a\n",
        "a",
    ];
    for text in texts {
        assert_eq!(node(text).expect(text).to_json(), reference(text), "{text:?}");
    }
}

#[test]
fn reads_every_file_of_the_project_as_serde_yaml_does() {
    let mut folders = vec![std::path::PathBuf::from(env!("CARGO_MANIFEST_DIR"))];
    let mut count = 0;
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap();
            if path.is_dir() && !path.is_symlink() && name != "target" && !name.starts_with('.') {
                folders.push(path);
            } else if name.ends_with(".yml") || name.ends_with(".yaml") {
                let text = std::fs::read_to_string(&path).unwrap();
                let Ok(read) = node(&text) else { continue };
                let words = regex_lite::Regex::new(r"(?m): (yes|no|on|off)\b").unwrap();
                if !text.contains("<<:") && !words.is_match(&text) {
                    assert_eq!(read.to_json(), reference(&text), "{}", path.display());
                    count += 1;
                }
            }
        }
    }
    assert!(count > 20, "{count}");
}
