use super::*;

#[test]
fn a_completed_step_completes_the_saga_only_where_its_type_says_so() {
    let definitions = SagaDefinitions::default();
    let effective =
        |saga_type: &str, step: &str, status| definitions.effective(&saga_type.into(), step, status);
    use SagaStatus::{Completed, Failed, InProgress};
    assert_eq!(
        effective("ORDER_CREATION", "ORDER_CONFIRMED", Completed),
        Completed
    );
    assert_eq!(
        effective("ORDER_CREATION", "STOCK_RESERVED", Completed),
        InProgress
    );
    assert_eq!(
        effective("PAYMENT_COMPLETION", "PAYMENT_COMPLETED", Completed),
        Completed
    );
    assert_eq!(effective("PAYMENT_COMPLETION", "PAYMENT_FAILED", Failed), Failed);
    assert_eq!(effective("REFUND", "ANY_STEP", Completed), Completed);
}

#[test]
fn the_rules_of_the_fold_are_read_back_as_they_were_written() {
    let mut definitions = SagaDefinitions::default();
    let order = definitions.types.get_mut("ORDER_CREATION").unwrap();
    order.completing_steps.insert("A \"quoted\" step\n속".to_owned());
    order.deadline_seconds = 1;
    let rules = definitions.fold_rules();
    let read = SagaDefinitions::of_fold_rules(&rules).unwrap();
    assert_eq!(read.fold_rules(), rules);
    for step in ["ORDER_CONFIRMED", "A \"quoted\" step\n속", "STOCK_RESERVED"] {
        let effective = |definitions: &SagaDefinitions| {
            definitions.effective(&"ORDER_CREATION".into(), step, SagaStatus::Completed)
        };
        assert_eq!(effective(&read), effective(&definitions), "{step}");
    }
    assert!(SagaDefinitions::of_fold_rules("\"ORDER\" completes by \"X\"").is_err());
}

#[test]
fn a_definitions_file_is_read_and_its_faults_are_named() {
    let read = SagaDefinitions::from_toml("[types.REFUND]\ncompleting_steps = [\"REFUNDED\"]\n").unwrap();
    assert!(read.knows(&"REFUND".into()) && !read.knows(&"ORDER_CREATION".into()));
    assert_eq!(read.types["REFUND"].deadline_seconds, 1_800);

    let unknown = SagaDefinitions::from_toml("[types.REFUND]\ncompleting_step = []\n").unwrap_err();
    assert!(unknown.to_string().contains("completing_step"), "{unknown}");
    assert_eq!(
        SagaDefinitions::from_toml("[types.REFUND]\ncompleting_steps = []\n"),
        Err(DefinitionError::NoCompletingStep("REFUND".into()))
    );
    let days = "[types.REFUND]\ncompleting_steps = [\"REFUNDED\"]\n[types.REFUND.retention_days]\n";
    let read = SagaDefinitions::from_toml(&format!("{days}COMPLETED = 30\n")).unwrap();
    assert_eq!(read.types["REFUND"].retention_days["COMPLETED"], 30);
    let unknown = SagaDefinitions::from_toml(&format!("{days}DONE = 30\n")).unwrap_err();
    assert!(unknown.to_string().contains("\"DONE\""), "{unknown}");
}

#[test]
fn another_name_of_a_step_that_completes_completes() {
    let definitions = SagaDefinitions::default();
    for (saga_type, step) in [
        ("ORDER_CREATION", "ORDER_CONFIRMATION"),
        ("PAYMENT_COMPLETION", "PAYMENT_COMPLETION"),
    ] {
        let effective = definitions.effective(&saga_type.into(), step, SagaStatus::Completed);
        assert_eq!(effective, SagaStatus::Completed, "{step}");
    }
    let of_another = definitions.effective(
        &"ORDER_CREATION".into(),
        "PAYMENT_COMPLETION",
        SagaStatus::Completed,
    );
    assert_eq!(of_another, SagaStatus::InProgress);
}

/// A definition of one type `T` with these lines.
fn defined(lines: &str) -> SagaDefinition {
    let text = format!("[types.T]\ncompleting_steps = [\"DONE\"]\n{lines}\n");
    let mut read = SagaDefinitions::from_toml(&text).unwrap();
    read.types.remove("T").unwrap()
}

#[test]
fn a_pattern_stands_for_every_end_and_what_is_more_exact_goes_first() {
    let definition = defined(
        r#"
        known_steps = ["CHECKED_*"]
        [types.T.compensates]
        "UNDO_*" = []
        "UNDO_STOCK_*" = "STOCK_*"
        UNDO_STOCK_LATE = ["LATE_STOCK"]
        "#,
    );
    let roles = definition.roles();
    let counted_as = |step: &str| roles.role(step).counted.map(|counted| roles.name(counted));
    for (step, pattern) in [
        ("UNDO_STOCK_LATE", Some("UNDO_STOCK_LATE")),
        ("UNDO_STOCK_LATER", Some("UNDO_STOCK_*")),
        ("UNDO_STOCK_", Some("UNDO_STOCK_*")),
        ("UNDO_STOCK", Some("UNDO_*")),
        ("STOCK_RESERVED", Some("STOCK_*")),
        ("CHECKED_TWICE", None),
        ("OTHER", None),
    ] {
        assert_eq!(counted_as(step), pattern, "{step}");
        assert_eq!(roles.role(step).known, step != "OTHER", "{step}");
    }
    let stock = roles
        .targets
        .iter()
        .find(|target| target.name == "STOCK_*")
        .unwrap();
    let names: Vec<&str> = stock.undone_by.iter().map(|step| roles.name(*step)).collect();
    assert_eq!(names, ["UNDO_STOCK_*"]);
}

#[test]
fn a_pattern_of_completing_steps_completes() {
    let text = "[types.T]\ncompleting_steps = [\"PAID_*\"]\n";
    let definitions = SagaDefinitions::from_toml(text).unwrap();
    let effective = |step| definitions.effective(&"T".into(), step, SagaStatus::Completed);
    assert_eq!(effective("PAID_BY_CARD"), SagaStatus::Completed);
    assert_eq!(effective("UNPAID"), SagaStatus::InProgress);
}

#[test]
fn one_step_or_a_list_pairs_or_a_list_in_order_are_understood() {
    let list = defined("order = [\"A\", \"B\", \"C\"]\n[types.T.compensates]\nUNDO = [\"A\"]");
    let pairs = defined("order = [[\"A\", \"B\"], [\"B\", \"C\"]]\n[types.T.compensates]\nUNDO = \"A\"");
    assert_eq!(list, pairs);
    let pair = |before: &str, after: &str| (before.to_owned(), after.to_owned());
    assert_eq!(list.order.0, [pair("A", "B"), pair("B", "C")]);
}

#[test]
fn every_fault_is_told_with_its_key() {
    let text = r#"
        [services.payment]
        owner = " "
        [types.T]
        completing_steps = ["A*B", "OTHER_NAME"]
        failing_steps = [""]
        order = [["A", "B"], ["B", "A"]]
        owner = ""
        aliases = { OTHER_NAME = "DONE", LOOP = "LOOP", "P*" = "DONE" }
        [types.T.compensates]
        UNDO = "UNDO"
        [types.U]
        completing_steps = []
    "#;
    let told: Vec<String> = SagaDefinitions::faults(text)
        .iter()
        .map(ToString::to_string)
        .collect();
    for fault in [
        "types.T.completing_steps: \"A*B\" has a `*` that is not at its end",
        "types.T.completing_steps: \"OTHER_NAME\" is another name of \"DONE\"",
        "types.T.failing_steps: \"\" names no step",
        "types.T.order: \"A\" must come before \"B\" and",
        "types.T.owner: is blank",
        "types.T.aliases: \"LOOP\", which \"LOOP\" stands for, is an alias itself",
        "types.T.aliases: \"P*\" is a pattern",
        "types.T.compensates: \"UNDO\" compensates itself",
        "types.U.completing_steps is empty",
        "services.payment.owner: is blank",
    ] {
        assert!(
            told.iter().any(|line| line.starts_with(fault)),
            "{fault}\n{told:#?}"
        );
    }
    assert_eq!(told.len(), 10, "{told:#?}");
    for (text, word) in [
        ("order = [[\"A\"]]", "[before, after]"),
        ("compensates = { UNDO = 7 }", "a list of steps"),
        ("expected_step = []", "expected_step"),
    ] {
        let text = format!("[types.T]\ncompleting_steps = [\"DONE\"]\n{text}\n");
        let told = SagaDefinitions::faults(&text)[0].to_string();
        assert!(told.contains(word), "{told}");
    }
}

#[test]
fn so_many_steps_are_refused_that_states_would_grow_large() {
    let of = |number: usize| {
        let steps: Vec<String> = (0..number).map(|number| format!("\"S{number}\"")).collect();
        let text = format!("[types.T]\ncompleting_steps = [{}]\n", steps.join(","));
        SagaDefinitions::from_toml(&text)
    };
    assert!(of(grammar::MAX_STEPS).is_ok());
    let refused = of(grammar::MAX_STEPS + 1).unwrap_err().to_string();
    assert!(refused.starts_with("types.T: 201 different steps"), "{refused}");
}

#[test]
fn whatever_states_depend_on_is_a_rule_of_the_fold_and_nothing_else() {
    let of = |lines: &str| {
        let types = BTreeMap::from([("T".to_owned(), defined(lines))]);
        let services = BTreeMap::new();
        SagaDefinitions { types, services }
    };
    let plain = of("");
    for lines in [
        "failing_steps = [\"A\"]",
        "aliases = { A = \"DONE\" }",
        "expected_steps = [\"A\"]",
        "order = [\"A\", \"B\"]",
        "known_steps = []",
        "compensates = { A = \"B\" }",
    ] {
        let other = of(lines);
        assert_ne!(other.fold_rules(), plain.fold_rules(), "{lines}");
        let read = SagaDefinitions::of_fold_rules(&other.fold_rules()).unwrap();
        assert_eq!(read, other, "{lines}");
    }
    for lines in [
        "owner = \"shop\"",
        "deadline_seconds = 1",
        "compensation_seconds = 1",
        "retention_days = { FAILED = 1 }",
    ] {
        let other = of(lines);
        assert_eq!(other.fold_rules(), plain.fold_rules(), "{lines}");
        assert_ne!(other.hash(), plain.hash(), "{lines}");
        let read = SagaDefinitions::of_fold_rules(&plain.fold_rules()).unwrap();
        assert_eq!(read.with_rest_of(&other), other, "{lines}");
    }
}

#[test]
fn a_definition_that_is_changed_as_a_copy_has_roles_of_its_own() {
    let first = defined("");
    assert!(!first.roles().role("OTHER").completes);
    let mut copy = first.clone();
    copy.completing_steps.insert("OTHER".to_owned());
    assert!(copy.roles().role("OTHER").completes);
    assert_ne!(first, copy);
}

#[test]
fn the_file_in_the_documents_says_what_is_built_in() {
    let text = include_str!("../../../docs/configure.md");
    let (_, behind) = text
        .split_once("The built-in definitions, to start a file from")
        .unwrap();
    let (_, behind) = behind.split_once("```toml\n").unwrap();
    let (file, _) = behind.split_once("```").unwrap();
    assert_eq!(
        SagaDefinitions::from_toml(file).unwrap(),
        SagaDefinitions::default()
    );
    let (_, behind) = text.split_once("## Saga definitions").unwrap();
    let (_, behind) = behind.split_once("```toml\n").unwrap();
    let (example, _) = behind.split_once("```").unwrap();
    assert_eq!(SagaDefinitions::faults(example), []);
}

#[test]
fn the_built_in_definitions_have_no_fault_and_read_back_from_their_rules() {
    let built_in = SagaDefinitions::default();
    assert_eq!(
        SagaDefinitions::of_fold_rules(&built_in.fold_rules()).unwrap(),
        built_in
    );
    let text = toml::to_string(&built_in).unwrap();
    assert_eq!(SagaDefinitions::from_toml(&text).unwrap(), built_in);
}

#[test]
fn pairs_of_steps_to_measure_are_read_and_are_rules_of_the_fold() {
    let of = |edges: &str| {
        let text = format!("[types.T]\ncompleting_steps = [\"DONE\"]\nedges = {edges}\n");
        SagaDefinitions::from_toml(&text)
    };
    let measured = of("[[\"A\", \"B\"], [\"B\", \"C*\"]]").unwrap();
    assert_eq!(of("[\"A\", \"B\", \"C*\"]").unwrap(), measured);
    let rules = measured.fold_rules();
    assert_eq!(
        SagaDefinitions::of_fold_rules(&rules).unwrap().fold_rules(),
        rules
    );
    let without = SagaDefinitions::from_toml("[types.T]\ncompleting_steps = [\"DONE\"]\n").unwrap();
    assert_ne!(rules, without.fold_rules());
    assert!(
        !without.fold_rules().contains("edges"),
        "stores in use need no rebuild"
    );
    for (wrong, told) in [
        ("[[\"A\", \"A\"]]", "types.T.edges: from \"A\" to \"A\""),
        ("[[\"A*\", \"AB\"]]", "accepted: two different steps"),
        ("[[\"\", \"A\"]]", "types.T.edges: \"\" names no step"),
        ("\"A>B\"", "accepted: a list of steps"),
    ] {
        let refused = of(wrong).unwrap_err().to_string();
        assert!(refused.contains(told), "{wrong}: {refused}");
    }
    let pairs: Vec<String> = (0..51).map(|n| format!("[\"A{n}\", \"B{n}\"]")).collect();
    let refused = of(&format!("[{}]", pairs.join(", "))).unwrap_err().to_string();
    assert!(
        refused.contains("51 pairs of steps; accepted: up to 50"),
        "{refused}"
    );
}

#[test]
fn tables_however_deep_are_refused_and_take_no_process_with_them() {
    let deep: String = (0..78).map(|_| format!("{{{}=", ["a"; 70].join("."))).collect();
    for key in ["order", "edges", "compensates", "completing_steps", "owner"] {
        let text = format!(
            "[types.T]\ncompleting_steps=[\"A\"]\n{key}={deep}1{}\n",
            "}".repeat(78)
        );
        let refused = SagaDefinitions::from_toml(&text);
        assert!(matches!(refused, Err(DefinitionError::Form(_))), "{key}");
    }
}

#[test]
fn of_a_file_that_is_all_faults_a_bounded_part_is_told() {
    let long = "T".repeat(100_000);
    for text in [
        format!(
            "[types.{long}]\ncompleting_steps=[\"A\"]\nexpected_steps=[{}]\n",
            "\"\",".repeat(40_000)
        ),
        format!(
            "[types.T]\ncompleting_steps=[\"A\"]\nexpected_steps=[{}]\n",
            "\"\",".repeat(40_000)
        ),
        format!(
            "[types.T]\ncompleting_steps=[\"{long}\"]\nexpected_steps=[{}]\n",
            "\"\",".repeat(190)
        ),
        (0..5_000)
            .map(|n| format!("[types.T{n}]\ncompleting_steps=[]\n"))
            .collect(),
        (0..150)
            .map(|n| format!("[types.T{n}]\ncompleting_steps=[]\n"))
            .collect(),
        format!("[types.T]\ncompleting_steps=[\"A\"]\nretention_days={{{long}=1}}\n"),
        format!("[types.T]\ncompleting_steps=[\"A\"]\n[services.{long}]\nowner=\"me\"\n"),
    ] {
        let faults = SagaDefinitions::faults(&text);
        let told: usize = faults.iter().map(|fault| fault.to_string().len()).sum();
        assert!(
            !faults.is_empty() && faults.len() <= grammar::MAX_FAULTS && told < 50_000,
            "{told}"
        );
    }
}

#[test]
fn there_is_no_more_of_anything_than_is_looked_through_at_every_event() {
    let of = |key: &str, value: String| {
        let text = format!("[types.T]\ncompleting_steps=[\"A\"]\n{key}={value}\n");
        SagaDefinitions::from_toml(&text)
            .map(drop)
            .map_err(|fault| fault.to_string())
    };
    let list = |number: usize| {
        format!(
            "[{}]",
            (0..number)
                .map(|n| format!("\"S{n}\""))
                .collect::<Vec<_>>()
                .join(",")
        )
    };
    assert_eq!(of("order", list(150)), Ok(()));
    let refused = of("order", list(20_000)).unwrap_err();
    assert!(
        refused.contains("different steps are named; accepted: up to 200"),
        "{refused}"
    );
    let pairs = |number: usize| format!("[{}]", vec!["[\"A\",\"B\"]"; number].join(","));
    assert_eq!(of("order", pairs(grammar::MAX_PAIRS)), Ok(()));
    let refused = of("order", pairs(grammar::MAX_PAIRS + 1)).unwrap_err();
    assert!(
        refused.contains("types.T.order: 401 pairs of steps; accepted: up to 400"),
        "{refused}"
    );
    let refused = of("expected_steps", "[\"A\",\"A\"]".to_owned()).unwrap_err();
    assert!(
        refused.contains("types.T.expected_steps: \"A\" stands there twice"),
        "{refused}"
    );
    let circle = of("order", "[[\"A\",\"B\"],[\"B\",\"C\"],[\"C\",\"A\"]]".to_owned()).unwrap_err();
    assert!(circle.contains("must come before"), "{circle}");
}

#[test]
fn schemas_are_rules_of_the_fold_and_a_wrong_one_is_told_with_its_step() {
    let of = |step: &str, schema: &str| {
        let key = "completing_steps = [\"DONE\"]\n[types.T.metadata_schemas]";
        SagaDefinitions::from_toml(&format!("[types.T]\n{key}\n{step} = '{schema}'\n"))
    };
    let one = of("PAID", r#"{"required": ["amount"]}"#).unwrap();
    let other = of("PAID", r#"{"required": ["sum"]}"#).unwrap();
    assert_ne!(one.fold_rules(), other.fold_rules());
    let again = SagaDefinitions::of_fold_rules(&one.fold_rules()).unwrap();
    let roles = again.types["T"].roles();
    let told = roles.unfit(roles.role("PAID"), Some("{}"));
    assert_eq!(told.as_deref(), Some("/required: \"amount\" is missing"));
    assert_eq!(roles.unfit(roles.role("DONE"), Some("{}")), None);
    assert!(roles.role("PAID").known);

    for (step, schema, told) in [
        ("PAID", "[", "types.T.metadata_schemas: of \"PAID\": is not JSON"),
        ("PAID", r#"{"type": "money"}"#, "accepted: a JSON Schema"),
        ("\"P*D\"", "{}", "types.T.metadata_schemas: \"P*D\" has a `*`"),
    ] {
        let refused = of(step, schema).unwrap_err().to_string();
        assert!(refused.contains(told), "{refused}");
    }
}

#[test]
fn all_schemas_of_a_file_are_bounded_before_any_is_read() {
    let of = |number: usize| -> String {
        let schema = format!(r#"{{"description": "{}"}}"#, "x".repeat(4_000));
        let steps: Vec<String> = (0..number).map(|n| format!("S{n} = '{schema}'\n")).collect();
        let key = "completing_steps = [\"DONE\"]\n[types.T.metadata_schemas]";
        format!("[types.T]\n{key}\n{}", steps.concat())
    };
    assert!(SagaDefinitions::from_toml(&of(16)).is_ok());
    let refused = SagaDefinitions::from_toml(&of(17)).unwrap_err().to_string();
    assert!(
        refused.contains("bytes of metadata_schemas in all; accepted: up to 65536"),
        "{refused}"
    );
}
