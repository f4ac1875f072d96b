use super::*;

fn unfit(schema: &str, metadata: &str) -> Option<String> {
    Schema::read(schema).unwrap().unfit(Some(metadata))
}

fn refused(schema: &str) -> String {
    Schema::read(schema).unwrap_err()
}

const PAYMENT: &str = r##"{
    "type": "object",
    "required": ["amount"],
    "properties": {"amount": {"$ref": "#/$defs/money"}, "card": {"type": "string", "pattern": "^(x+x+)+y$"}},
    "$defs": {"money": {"type": "number", "minimum": 0}}
}"##;

#[test]
fn what_does_not_fit_is_told_without_its_value() {
    assert_eq!(unfit(PAYMENT, r#"{"amount": 3.5, "other": 1}"#), None);
    for (metadata, told) in [
        ("{}", r#"/required: "amount" is missing"#),
        (r#"{"amount": "4111"}"#, "/$defs/money/type is not kept"),
        (r#"{"amount": -1}"#, "/$defs/money/minimum is not kept"),
        ("[1]", "/type is not kept"),
        ("{amount: 1}", "it cannot be read as JSON"),
    ] {
        assert_eq!(unfit(PAYMENT, metadata).as_deref(), Some(told), "{metadata}");
    }
    let none = Schema::read(PAYMENT).unwrap().unfit(None);
    assert_eq!(none.as_deref(), Some("there is no metadata"));
    assert_eq!(Schema::read("true").unwrap().unfit(None), None);
    assert_eq!(Schema::default().unfit(Some("{")), None);
}

#[test]
fn what_is_told_is_bounded() {
    let schema = format!(r#"{{"required": ["{}"]}}"#, "é".repeat(1_000));
    let told = unfit(&schema, "{}").unwrap();
    assert_eq!(told.chars().count(), TOLD_CHARS);
}

#[test]
fn an_expression_that_would_never_end_elsewhere_ends_at_once() {
    let of = |length| format!(r#"{{"amount": 1, "card": "{}"}}"#, "x".repeat(length));
    let told = unfit(PAYMENT, &of(5_000)).unwrap();
    assert_eq!(told, "/properties/card/pattern is not kept");
    let told = unfit(PAYMENT, &of(50_000)).unwrap();
    assert_eq!(told, "it is too long to tell what does not fit");
    let told = unfit("true", &of(100_000)).unwrap();
    assert_eq!(told, "it has more than the 65536 bytes that are judged");
}

#[test]
fn what_is_no_schema_or_leads_elsewhere_is_refused() {
    for (schema, told) in [
        ("{", "is not JSON"),
        ("3", r#"at "": 3 is not of types "boolean", "object""#),
        (r#"{"type": "objekt"}"#, r#"at "/type""#),
        (r#"{"pattern": "(?=x)"}"#, r#"at "/pattern""#),
        (
            r#"{"$schema": "http://example.com/own"}"#,
            "$schema names another draft",
        ),
        (
            r#"{"$schema": "http://json-schema.org/draft-04/schema#"}"#,
            "$schema names another draft",
        ),
        (
            r#"{"not": {"$schema": "http://json-schema.org/draft-04/schema#"}}"#,
            "$schema stands inside",
        ),
        (
            r##"{"%24defs": {"a": true}, "$defs": {"a": false}, "$ref": "#/%24defs/a"}"##,
            "leads nowhere in the schema",
        ),
        (
            r#"{"unevaluatedProperties": {"type": "number"}}"#,
            "unevaluatedProperties is not supported",
        ),
        (
            r#"{"unevaluatedItems": false}"#,
            "unevaluatedItems is not supported",
        ),
        (r#"{"pattern": "\\p{L}{50}"}"#, r#"at "/pattern""#),
        (
            r#"{"$ref": "http://127.0.0.1/schema.json"}"#,
            "leads nowhere in the schema",
        ),
        (r#"{"$ref": "file:///etc/passwd"}"#, "leads nowhere in the schema"),
        (r##"{"$ref": "#/$defs/none"}"##, "leads nowhere in the schema"),
        (r##"{"$ref": "#"}"##, "is recursive"),
        (
            r##"{"$defs": {"a": {"items": {"$ref": "#/$defs/b"}}, "b": {"not": {"$ref": "#/$defs/a"}}}}"##,
            "is recursive",
        ),
        (r#"{"$id": "http://example.com/own"}"#, "$id is not supported"),
        (r##"{"$dynamicRef": "#x"}"##, "$dynamicRef is not supported"),
    ] {
        let why = refused(schema);
        assert!(why.contains(told), "{schema}: {why}");
    }
    let long = format!(r#"{{"description": "{}"}}"#, "x".repeat(MAX_BYTES));
    assert!(refused(&long).contains("accepted: up to 16384"));
}

#[test]
fn names_that_only_the_metadata_has_are_not_told() {
    for schema in [
        r#"{"additionalProperties": false}"#,
        r#"{"propertyNames": {"maxLength": 3}}"#,
        r#"{"additionalProperties": {"type": "number"}}"#,
    ] {
        let told = unfit(schema, r#"{"kim@example.com": "secret"}"#).unwrap();
        assert!(!told.contains("kim") && !told.contains("secret"), "{told}");
    }
}

#[test]
fn formats_are_checked() {
    let schema = r#"{"properties": {"at": {"format": "date-time"}}}"#;
    assert_eq!(unfit(schema, r#"{"at": "2025-01-01T00:00:00Z"}"#), None);
    assert!(unfit(schema, r#"{"at": "yesterday"}"#).is_some());
}

#[test]
fn there_are_no_more_expressions_and_levels_than_are_accepted() {
    let expressions = |number: usize| {
        let one: Vec<String> = (0..number).map(|n| format!(r#"{{"pattern": "a{n}"}}"#)).collect();
        format!(r#"{{"allOf": [{}]}}"#, one.join(","))
    };
    assert!(Schema::read(&expressions(MAX_EXPRESSIONS)).is_ok());
    assert!(refused(&expressions(MAX_EXPRESSIONS + 1)).contains("too many expressions"));
    let deep = |levels: usize| format!("{}{{}}{}", r#"{"not":"#.repeat(levels), "}".repeat(levels));
    assert!(Schema::read(&deep(MAX_DEPTH - 1)).is_ok());
    assert!(refused(&deep(MAX_DEPTH)).contains("nested too deeply"));
}

#[test]
fn parts_that_double_each_other_are_refused_before_anything_is_judged_by_them() {
    let mut parts: Vec<String> = (0..12)
        .map(|n| {
            let next = format!(r##"{{"$ref": "#/$defs/p{}"}}"##, n + 1);
            format!(r#""p{n}": {{"anyOf": [{next}, {next}]}}"#)
        })
        .collect();
    parts.push(r#""p12": {"type": "string"}"#.to_owned());
    let schema = format!(r##"{{"$defs": {{{}}}, "$ref": "#/$defs/p0"}}"##, parts.join(", "));
    assert!(refused(&schema).contains("too many values"));
}
