//! Values, conditions, and mistakes at their places, by way of the renderer.

use serde_json::json;

use super::*;

fn span(text: &str) -> Span {
    let source = Arc::new(Source { name: "t.yml".into(), text: text.into() });
    Span { start: 0, end: text.len(), source }
}

fn render(text: &str, variables: Value) -> Result<Value, Diagnostic> {
    let Value::Object(map) = variables else { panic!("not a map") };
    let span = span(text);
    let node = Node { kind: Kind::String(text.into()), span };
    Renderer::new(&map).node(&node).map(|node| node.to_json())
}

fn condition(text: &str, variables: Value) -> Result<bool, Diagnostic> {
    let Value::Object(map) = variables else { panic!("not a map") };
    Renderer::new(&map).condition(&Node { kind: Kind::String(text.into()), span: span(text) })
}

#[test]
fn a_lone_expression_keeps_its_type() {
    assert_eq!(render("{{ n }}", json!({"n": 80})), Ok(json!(80)));
    assert_eq!(render("{{ [1, 'a'] }}", json!({})), Ok(json!([1, "a"])));
    assert_eq!(render("{{ {'a': {'b': 1}} }}", json!({})), Ok(json!({"a": {"b": 1}})));
    assert_eq!(render("{{ '}}' }}", json!({})), Ok(json!("}}")));
    assert_eq!(render("{{ n }}:{{ n }}", json!({"n": 80})), Ok(json!("80:80")));
}

#[test]
fn variables_are_rendered_when_asked_for() {
    let variables = json!({"a": "{{ b }}", "b": ["{{ c }}", 2], "c": "x", "broken": "{{ nope }}"});
    assert_eq!(render("{{ a }}", variables.clone()), Ok(json!(["x", 2])));
    assert_eq!(render("{{ a | join(sep='-') }}!", variables), Ok(json!("x-2!")));
}

#[test]
fn conditions_are_bare_expressions() {
    let variables = || json!({"groups": {"lb": ["lb1"]}, "me": "lb1", "r": {"changed": true}});
    assert_eq!(condition("me in groups['lb']", variables()), Ok(true));
    assert_eq!(condition("r is changed and not (me == 'x')", variables()), Ok(true));
    assert_eq!(condition("nope is defined", variables()), Ok(false));
    assert_eq!(condition("'no'", variables()), Ok(false));
}

#[test]
fn a_text_is_no_condition() {
    for (text, hint) in [
        ("{{ me }} == 'x'", "without `{{ }}`"),
        ("{{ me }} == {{ me }}", "without `{{ }}`"),
        ("me", "compare it"),
    ] {
        let error = condition(text, json!({"me": "lb1"})).unwrap_err();
        assert!(error.hint.is_some_and(|said| said.contains(hint)), "{text}");
    }
    assert_eq!(condition("{{ me == 'x' }}", json!({"me": "lb1"})), Ok(false));
    let map = serde_json::Map::new();
    let wrapped = |text: &str| Node { kind: Kind::String(text.into()), span: span(text) };
    let found = Renderer::new(&map).grammar_of_condition(&wrapped("'{{ me }}' == 'x'"));
    assert_eq!(found.len(), 1, "seen before a run");
}

#[test]
fn undefined_variables_are_named_at_their_place() {
    let error = render("port {{ portt }}", json!({"port": 1})).expect_err("must fail");
    assert_eq!(error.to_string(), "t.yml:1:9: undefined variable `portt` (did you mean `port`?)");
    // Jinja takes the newline at the end, and Ansible gives it back to texts only.
    assert_eq!(render("{{ n }}\n", json!({"n": 1})), Ok(json!(1)));
    assert_eq!(render("{{ n }}!\n", json!({"n": 1})), Ok(json!("1!\n")));
    let error = render("{{ portt }}", json!({"port": 1})).expect_err("must fail");
    assert_eq!(error.to_string(), "t.yml:1:4: undefined variable `portt` (did you mean `port`?)");
    let error = render("{{ web.port }}", json!({})).expect_err("must fail");
    assert!(error.to_string().starts_with("t.yml:1:4: undefined variable `web`"), "{error}");
}

#[test]
fn mistakes_in_a_template_stay_mistakes() {
    let error = render("{{ a | nofilter }}", json!({"a": 1})).expect_err("must fail");
    assert!(error.to_string().contains("nofilter"), "{error}");
    let error = render("{{ a + }}", json!({"a": 1})).expect_err("must fail");
    assert!(error.to_string().starts_with("t.yml:1:"), "{error}");
    let error = render("{{ a }}", json!({"a": "{{ b }}", "b": "{{ a }}"})).expect_err("must fail");
    assert!(error.to_string().contains("a -> b -> a"), "{error}");
}
