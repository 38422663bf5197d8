//! Errors at their places, limits, and that no text makes it panic. What expressions come to is
//! held against ansible-core in `tests/jinja.rs`.

use std::sync::Arc;
use std::time::{Duration, Instant};

use proptest::prelude::*;
use rstest::rstest;
use serde_json::{Map, Value, json};

use crate::diagnostic::{Diagnostic, Source, Span};
use crate::template::Renderer;
use crate::yaml::{Kind, Node};

fn variables() -> Map<String, Value> {
    let Value::Object(map) = json!({
        "port": 80, "word": "web", "list": [1, 2], "web": {"address": "10.0.0.1"},
        "broken": "{{ nope }}", "itself": "{{ itself }}",
    }) else {
        unreachable!("it is written as a mapping")
    };
    map
}

fn render(text: &str) -> Result<Value, Diagnostic> {
    let source = Arc::new(Source { name: "t.yml".into(), text: text.into() });
    let span = Span { start: 0, end: text.len(), source };
    let node = Node { kind: Kind::String(text.into()), span };
    Renderer::new(&variables()).node(&node).map(|node| node.to_json())
}

fn file(text: &str) -> Result<String, Diagnostic> {
    let source = Source { name: "t.j2".into(), text: text.into() };
    Renderer::new(&variables()).file(&Arc::new(source))
}

fn error(text: &str) -> String {
    render(text).expect_err("must fail").to_string()
}

#[rstest]
// What is not there.
#[case("a {{ portt }}", "1:6: undefined variable `portt` (did you mean `port`?)")]
#[case("{{ port + portt }}", "1:11: undefined variable `portt` (did you mean `port`?)")]
#[case(
    "{{ web.adress }}",
    "1:4: `web.adress` is undefined, though `web` is there (did you mean `address`?)"
)]
#[case("{{ list[7] }}", "1:4: `list[7]` is undefined, though `list` is there")]
#[case(
    "{% if port %}\n{{ [1, portt] }}{% endif %}",
    "2:8: undefined variable `portt` (did you mean `port`?)"
)]
#[case(
    "{% for x in wordd %}{% endfor %}",
    "1:13: undefined variable `wordd` (did you mean `word`?)"
)]
#[case(
    "{{ word | replace('a', portt) }}",
    "1:24: undefined variable `portt` (did you mean `port`?)"
)]
#[case("{{ [] | first }}", "1:4: `[] | first` is undefined")]
#[case(
    "{{ broken }}",
    "1:1: in the variable `broken`: undefined variable `nope` (declare it in group_vars, host_vars or `vars:`, or pass it with -e)"
)]
#[case(
    "{{ itself }}",
    "1:1: in the variable `itself`: the variable `itself` is defined by itself (itself -> itself)"
)]
// What is not in the table.
#[case("{{ word | uper }}", "1:11: there is no filter `uper` (did you mean `upper`?)")]
#[case("{{ list | map('uper') }}", "1:15: there is no filter `uper` (did you mean `upper`?)")]
#[case("{{ word is strin }}", "1:12: there is no test `strin` (did you mean `string`?)")]
#[case("{{ rnage(3) }}", "1:4: there is no function `rnage` (did you mean `range`?)")]
#[case(
    "{{ word.startwith('w') }}",
    "1:9: there is no method `startwith` (did you mean `startswith`?)"
)]
#[case(
    "{{ list | random }}",
    "1:11: there is no filter `random` (a template must give the same every time; choose by `inventory_hostname`)"
)]
#[case(
    "{{ word | startswith('w') }}",
    "1:11: there is no filter `startswith` (`startswith` is a method)"
)]
// Arguments.
#[case("{{ word | upper(1) }}", "1:11: `upper` takes at most no argument (it is `upper()`)")]
#[case(
    "{{ word | replace('a') }}",
    "1:11: `replace` needs the argument `new` (it is `replace(old, new, count?)`)"
)]
#[case(
    "{{ word | replace('a', nwe='b') }}",
    "1:24: `replace` has no argument `nwe` (did you mean `new`?)"
)]
#[case("{{ lookup('fiel', 'x') }}", "1:4: there is no lookup `fiel` (did you mean `file`?)")]
#[case(
    "{{ lookup('file', 'no') }}",
    "1:4: there is no file `no` (it is looked for in `files`, and beside the file that asks)"
)]
// What cannot be done.
#[case("{{ word + port }}", "1:4: `+` is not for `str` and `int`")]
#[case("{{ port / 0 }}", "1:4: division by zero")]
#[case("{{ 1 < word }}", "1:4: a value of type `int` cannot be compared with one of type `str`")]
#[case("{{ 10 ** 40 }}", "1:4: the number has more than 64 bits")]
#[case("{{ port.split('.') }}", "1:4: a value of type `int` has no method `split`")]
#[case("{{ word | regex_search('(?=a)') }}", "1:11: `(?=a)` is no regular expression:")]
#[case("{% for a, b in [[1]] %}{% endfor %}", "1:16: 2 names are given a value of 1 parts")]
// Grammar.
#[case("{{ port", "1:1: `{{` is not closed (close it with `}}`)")]
#[case("{{ (port }}", "1:10: `}` closes no `(`")]
#[case("{{ port + }}", "1:11: expected a value, found `}}`")]
#[case("{{ port port }}", "1:9: expected `}}` or an operator, found `port`")]
#[case("{{ 'port }}", "1:4: the text has no end (close it with a quote)")]
#[case("{{ a ? b }}", "1:6: `?` means nothing here")]
#[case("{% if port %}", "1:4: there is no `{% endif %}` to this")]
#[case("{% endif %}", "1:4: `endif` belongs to nothing that is open here")]
#[case("{% fro x in list %}", "1:4: there is no statement `fro` (did you mean `for`?)")]
#[case(
    "{% macro m() %}{% endmacro %}",
    "1:4: `macro` is not supported (put the text into a file of its own and `{% include %}` it)"
)]
#[case(
    "{% for x in list %}{{ loop.cycle('a') }}{% endfor %}",
    "1:23: `loop.cycle()` is not supported (choose by `loop.index0`: `list[loop.index0 % (list | length)]`)"
)]
#[case("{# port", "1:1: the comment has no end (close it with `#}`)")]
#[case("{% raw %}port", "1:1: the `raw` block has no end (close it with `{% endraw %}`)")]
#[case(
    "{% include 'no.j2' %}",
    "1:12: there is no template `no.j2` (it is looked for in `templates` and beside this file)"
)]
fn errors_point_into_the_original(#[case] text: &str, #[case] expected: &str) {
    let error = error(text);
    assert!(error.starts_with(&format!("t.yml:{expected}")), "{error}");
}

#[test]
fn a_caret_stands_under_what_is_wrong() {
    let drawn =
        file("a\n{% for x in list %}\n  {{ x.nope }}\n{% endfor %}\n").expect_err("must fail");
    insta::assert_snapshot!(drawn.render(false), @r"
    error: `x.nope` is undefined
     --> t.j2:3:6
      |
    3 |   {{ x.nope }}
      |      ^^^^^^
    ");
}

#[test]
fn teras_own_arguments_still_work() {
    assert_eq!(render("{{ nope | default(value=1) }}"), Ok(json!(1)));
    assert_eq!(render("{{ list | join(sep='-') }}"), Ok(json!("1-2")));
    assert_eq!(render("{{ 'a b' | split(pat=' ') }}"), Ok(json!(["a", "b"])));
    assert_eq!(render("{{ word | replace(from='w', to='v') }}"), Ok(json!("veb")));
    let extract = "{{ ['web'] | extract(from={'web': {'a': 1}}, attribute='a') }}";
    assert_eq!(render(extract), Ok(json!([1])));
}

#[test]
fn what_is_omitted_is_left_out() {
    assert_eq!(render("{{ {'a': 1, 'b': omit} }}"), Ok(json!({"a": 1})));
    assert_eq!(render("{{ [1, nope | default(omit)] }}"), Ok(json!([1])));
    assert_eq!(render("{{ omit }}"), Ok(json!(null)));
}

#[test]
fn variables_that_ask_for_what_is_not_there_are_undefined() {
    assert_eq!(render("{{ broken is defined }}"), Ok(json!(false)));
    assert_eq!(render("{{ broken | default('d') }}"), Ok(json!("d")));
}

/// As the collection ansible.utils documents them; ansible-core alone has none of these.
#[rstest]
#[case("'192.168.32.1/24' | ipaddr('address')", json!("192.168.32.1"))]
#[case("'192.168.32.1/24' | ipaddr('network')", json!("192.168.32.0"))]
#[case("'192.168.32.1/24' | ipaddr('netmask')", json!("255.255.255.0"))]
#[case("'192.168.32.1/24' | ipaddr('prefix')", json!(24))]
#[case("'192.168.32.1/24' | ipaddr('broadcast')", json!("192.168.32.255"))]
#[case("'192.168.32.1/24' | ipaddr('size')", json!(256))]
#[case("'192.168.32.1/24' | ipaddr('subnet')", json!("192.168.32.0/24"))]
#[case("'192.168.32.0/24' | ipaddr('net')", json!("192.168.32.0/24"))]
#[case("'192.168.32.0/24' | ipaddr('1')", json!("192.168.32.1/24"))]
#[case("'192.168.32.0/24' | ipaddr('-1')", json!("192.168.32.255/24"))]
#[case("'192.168.32.0/24' | ipaddr('first_usable')", json!("192.168.32.1"))]
#[case("'192.168.32.7' | ipaddr('192.168.32.0/24')", json!("192.168.32.7"))]
#[case("'10.0.0.7' | ipaddr('192.168.32.0/24')", json!(null))]
#[case("'nonsense' | ipaddr", json!(false))]
#[case("['10.0.0.1', 'x', 'fd00::1'] | ipaddr", json!(["10.0.0.1", "fd00::1"]))]
#[case("['10.0.0.1', 'x', 'fd00::1'] | ipv4", json!(["10.0.0.1"]))]
#[case("['10.0.0.1', 'x', 'fd00::1'] | ipv6", json!(["fd00::1"]))]
#[case("'fd00::1' | ipwrap", json!("[fd00::1]"))]
#[case("'fd00::1/64' | ipwrap", json!("[fd00::1]/64"))]
#[case("'rs1' | ipwrap", json!("rs1"))]
#[case("'10.0.0.0/8' | nthhost(305)", json!("10.0.1.49"))]
#[case("'10.0.0.0/30' | nthhost(4)", json!(false))]
#[case("'fd00::/64' | nthhost(-1)", json!("fd00::ffff:ffff:ffff:ffff"))]
#[case("'10.0.0.1' | ipaddr('revdns')", json!("1.0.0.10.in-addr.arpa."))]
#[case("'10.0.0.1' | ansible.utils.ipaddr('version')", json!(4))]
fn addresses(#[case] expression: &str, #[case] expected: Value) {
    assert_eq!(render(&format!("{{{{ {expression} }}}}")), Ok(expected));
}

#[test]
fn files_are_included_and_looked_up() {
    let folder = tempfile::tempdir().expect("a folder");
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        #[expect(clippy::disallowed_methods, reason = "templates to include")]
        std::fs::write(&path, text).expect("written");
        path
    };
    let path = write("main.j2", "");
    write("part.j2", "{{ word }}:{{ x }}\n");
    write("wrong.j2", "a\n{{ word }} {{ nope }}\n");
    write("itself.j2", "{% include 'itself.j2' %}");
    write("looked.j2", "{{ lookup('template', 'looked.j2') }}");
    let rendered = |text: &str| {
        let source = Source { name: path.display().to_string(), text: text.into() };
        Renderer::new(&variables()).file(&Arc::new(source))
    };
    assert_eq!(
        rendered("{% for x in list %}{% include 'part.j2' %} {% endfor %}"),
        Ok("web:1 web:2 ".into())
    );
    assert_eq!(rendered("{% include 'no.j2' ignore missing %}!"), Ok("!".into()));
    let first = "{{ lookup('first_found', ['no.j2', 'part.j2']) | basename }}";
    assert_eq!(rendered(first), Ok("part.j2".into()));
    let error = |text: &str| rendered(text).expect_err("must fail").to_string();
    assert!(error("{% include 'wrong.j2' %}").contains("wrong.j2:2:15: undefined variable `nope`"));
    let itself = error("{% include 'itself.j2' %}");
    assert!(itself.contains("itself.j2:1:12: `itself.j2` includes itself"), "{itself}");
    let looked = error("{{ lookup('template', 'looked.j2') }}");
    assert!(looked.contains("asks for itself"), "{looked}");
}

#[test]
fn what_is_too_deep_or_too_long_ends_in_an_error() {
    let nested = |open: &str, close: &str, times: usize| {
        format!("{{{{ {}1{} }}}}", open.repeat(times), close.repeat(times))
    };
    for text in [
        nested("(", ")", 20_000),
        nested("[", "]", 20_000),
        nested("{'a': ", "}", 20_000),
        nested("not ", "", 20_000),
        nested("-", "", 20_000),
        nested("1 + ", "", 20_000),
        nested("1 if 1 else ", "", 20_000),
        nested("", " | string", 20_000),
        nested("", ".a", 20_000),
        nested("", "[0]", 20_000),
        nested("", " if 1", 20_000),
        nested("1 or ", "", 20_000),
        nested("1 < ", "", 20_000),
        nested("range(", ")", 100),
        "{% if 1 %}".repeat(20_000),
        "{% for x in list %}".repeat(20_000),
        format!("{{% if 1 %}}{}{{% endif %}}", "{% elif 1 %}".repeat(20_000)),
    ] {
        let error = error(&text);
        let known =
            ["too deep", "too long", "there is no `{%"].iter().any(|word| error.contains(word));
        assert!(known, "{:.60}: {error}", text);
    }
    assert_eq!(render(&nested("(", ")", 15)), Ok(json!(1)));
    assert_eq!(render(&nested("[", "]", 15)).map(|value| value.is_array()), Ok(true));
}

#[test]
fn what_does_too_much_ends_in_an_error_and_soon() {
    let start = Instant::now();
    for text in [
        "{% for a in range(100000) %}{% for b in range(100000) %}{% endfor %}{% endfor %}",
        "{{ range(1000000000) | list }}",
        "{{ 'a' * 1000000000 }}",
        "{{ range(1000) | product(range(1000), range(1000)) | list }}",
        "{% set ns = namespace(x='aaaaaaaa') %}{% for i in range(64) %}{% set ns.x = ns.x ~ ns.x %}{% endfor %}",
        "{{ 9 ** 9 ** 9 }}",
        "{{ '%99999999d' % 1 }}",
    ] {
        assert!(render(text).is_err(), "{text}");
    }
    assert!(start.elapsed() < Duration::from_secs(30), "{:?}", start.elapsed());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn no_text_makes_it_panic(text in "[ -~\n\u{e9}]{0,60}") {
        let _ = render(&text);
        let _ = render(&format!("{{{{ {text} }}}}"));
        let _ = file(&format!("{{% {text} %}}"));
    }

    #[test]
    fn no_mix_of_words_makes_it_panic(words in proptest::collection::vec(prop_oneof![
        Just("{{"), Just("}}"), Just("{%"), Just("%}"), Just("{%-"), Just("-%}"), Just("{#"), Just("#}"),
        Just("if"), Just("else"), Just("endif"), Just("for"), Just("in"), Just("endfor"), Just("set"),
        Just("raw %}"), Just("{% endraw"), Just("is"), Just("not"), Just("and"), Just("or"), Just("|"),
        Just("port"), Just("word"), Just("list"), Just("x"), Just("1"), Just("-"), Just("'a'"), Just("("),
        Just(")"), Just("["), Just("]"), Just(","), Just(":"), Just("."), Just("="), Just("=="), Just("~"),
        Just("default"), Just("join"), Just("map"), Just("defined"), Just("loop.index"), Just("é"), Just("\n"),
    ], 0..24)) {
        let _ = render(&words.join(" "));
        let _ = file(&words.concat());
    }
}
