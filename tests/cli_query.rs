//! The commands that ask a running server: what they ask, what they print, how they end.

mod cli_server;
mod cli_support;

use cli_server::{Server, closed_port};
use cli_support::{command, run};
use saga_tracker::domain::clock::{Clock as _, SystemClock};
use std::io::Read;
use std::process::Stdio;

const SAGA: &str = r#"{"sagaId":"order-1","sagaType":"ORDER_CREATION","orderId":"ORD-1","currentStatus":"FAILED","status":"FAILED","statusSince":"2025-01-02T03:05:00Z","lastStep":"PAYMENT_FAILED","lastTraceId":null,"traceIds":[],"failedStep":"PAYMENT_FAILED","failureReason":"CARD_DECLINED","startedAt":"2025-01-02T03:04:05.006Z","updatedAt":"2025-01-02T03:05:00Z","stepCount":4}"#;
const STEPS: &str = r#"{"sagaId":"order-1","steps":[
 {"id":1,"eventId":"e1","step":"ORDER_CREATED","status":"STARTED","producerService":"order-service","traceId":"t1","metadata":{"orderAmount":10},"recordedAt":"2025-01-02T03:04:05.006Z"},
 {"id":2,"eventId":"e2","step":"PAYMENT\u001b[31m","status":"FAILED","producerService":null,"traceId":null,"metadata":null,"recordedAt":"2025-01-02T03:05:00Z"}]}"#;
const HISTORY: &str = r#"{"sagaId":"order-1","cursor":{"0":7},"definitions":"d1","states":[
 {"number":1,"status":"STARTED","from":"2025-01-02T03:04:05.006Z","until":"2025-01-02T03:05:00Z","durationMillis":54994,"events":2,"remarkableCount":3,
  "cause":{"eventId":"e1","step":"ORDER_CREATED","status":"STARTED","producerService":"order-service","traceId":null,"recordedAt":"2025-01-02T03:04:05.006Z","arrivedAt":"2025-01-02T03:04:13.206Z","partition":0,"offset":4,"lateMillis":8200},
  "remarkable":[
   {"eventId":"e3","step":"OPERATOR_STATUS_CHANGE","status":"COMPLETED","producerService":null,"traceId":null,"recordedAt":"2025-01-02T03:04:30Z","arrivedAt":"2025-01-02T03:04:30Z","partition":0,"offset":5,"anomalies":["OPERATOR_CHANGE_REFUSED"],"operatorChange":{"operator":"kim","reason":"by hand\u001b[31m","expectedStatus":"FAILED","refused":true}},
   {"eventId":"e1","step":"ORDER_CREATED","status":"STARTED","producerService":null,"traceId":null,"recordedAt":"2025-01-02T03:04:05.006Z","arrivedAt":"2025-01-02T03:04:40Z","partition":0,"offset":6,"duplicate":true}]},
 {"number":2,"status":"FAILED","from":"2025-01-02T03:05:00Z","until":null,"durationMillis":null,"events":1,"remarkableCount":0,"remarkable":[],
  "cause":{"eventId":"e2","step":"PAYMENT_FAILED","status":"FAILED","producerService":"payment-service","traceId":null,"recordedAt":"2025-01-02T03:05:00Z","arrivedAt":"2025-01-02T03:05:00Z","partition":0,"offset":3}}]}"#;
const DIFF: &str = r#"{"sagaId":"order-1","from":{"asOf":null,"knownAt":"2025-01-02T03:04:06Z","saga":null,"onlyHereCount":0,"onlyHere":[]},
 "to":{"asOf":null,"knownAt":null,"saga":null,"onlyHereCount":102,"onlyHere":[
  {"eventId":"e2","step":"PAYMENT_FAILED","status":"FAILED","producerService":"payment-service","traceId":null,"recordedAt":"2025-01-02T03:05:00Z","arrivedAt":"2025-01-02T03:05:00Z","partition":0,"offset":3}]},
 "fields":[{"field":"currentStatus","from":"STARTED","to":"FAILED"},{"field":"traceIds","from":[],"to":["t1"]}],"cursor":{"0":7},"definitions":"d1"}"#;
const STATISTICS: &str = r#"{"period":{"from":"2025-01-01T00:00:00Z","to":null},"total":4,"byStatus":{"STARTED":0,"IN_PROGRESS":1,"COMPLETED":2,"FAILED":1,"COMPENSATED":0},"byType":{"ORDER_CREATION":4},"failureRate":0.25,"compensationRate":0.0,"everFailed":2,"everFailedRate":0.5,"compensatedOfFailed":0.5,"successRate":0.6666666666666666,"avgDurationSeconds":1.5}"#;
const NOT_FOUND: &str = r#"{"error":"NOT_FOUND","message":"no saga \"order-2\"","timestamp":"2025-01-02T03:04:05Z","path":"/api/v1/sagas/order-2","details":{}}"#;

fn page(sagas: &[&str], next: Option<&str>) -> String {
    let next = next.map_or("null".to_owned(), |cursor| format!("{cursor:?}"));
    let page = r#"{"number":0,"size":20,"totalElements":45,"totalPages":3}"#;
    format!(
        r#"{{"content":[{}],"page":{page},"nextCursor":{next}}}"#,
        sagas.join(",")
    )
}

#[test]
fn get_prints_a_saga_and_its_json_unchanged() {
    let server = Server::start(&[("GET /api/v1/sagas/order-1", 200, SAGA)]);
    insta::assert_snapshot!("get", run(&["get", "order-1", "--url", &server.url], &[]).stdout);
    let json = run(
        &["get", "order-1", "--json"],
        &[("SAGA_TRACKER_URL", &server.url)],
    );
    assert_eq!(json.json()["sagaId"], "order-1");
    assert_eq!(
        (json.code, json.stdout.as_str()),
        (0, format!("{SAGA}\n").as_str())
    );
}

#[test]
fn get_says_what_is_owed_and_since_when_a_saga_is_stuck() {
    let judged = SAGA.replace(
        "\"stepCount\":4",
        r#""stepCount":4,
 "conformance":[{"rule":"NEVER_COMPENSATED","message":"it failed, and nothing has undone PAID","at":"2025-01-02T03:05:00Z","stepId":3}],
 "compensation":{"state":"OWED","owed":[{"step":"PAID","by":["REFUNDED"]}]},
 "stuck":{"since":"2025-01-02T03:10:00Z","rule":"COMPENSATION_OVERDUE","awaited":["REFUNDED"]}"#,
    );
    let server = Server::start(&[("GET /api/v1/sagas/order-1", 200, &judged)]);
    let ran = run(&["get", "order-1", "--url", &server.url], &[]);
    for line in [
        "compensation   OWED PAID",
        "stuck          COMPENSATION_OVERDUE since 2025-01-02T03:10:00Z, awaited: REFUNDED",
        "violation      NEVER_COMPENSATED at 2025-01-02T03:05:00Z: it failed, and nothing has undone PAID",
    ] {
        assert!(
            ran.stdout.lines().any(|told| told.trim_end() == line),
            "{line}\n{}",
            ran.stdout
        );
    }
}

#[test]
fn conformance_asks_for_a_rule_and_a_time_and_prints_counts_and_what_happened() {
    let answer = format!(
        r#"{{"counts":[{{"sagaType":"ORDER_CREATION","rule":"COMPENSATION_FAILED","sagas":3}}],
 "content":[{{"rule":"COMPENSATION_FAILED","at":"2025-01-02T03:05:00Z",
  "violations":[{{"rule":"COMPENSATION_FAILED","message":"the compensating step STOCK_RELEASED reported FAILED","at":"2025-01-02T03:05:00Z","stepId":4}}],"saga":{SAGA}}}],
 "page":{{"number":0,"size":20,"totalElements":3,"totalPages":1}},"cursor":{{"0":7}},"definitions":"d1"}}"#
    );
    let path = "GET /api/v1/conformance?sagaType=ORDER_CREATION&rule=COMPENSATION_FAILED&from=2025-01-01&page=0&size=20";
    let server = Server::start(&[(path, 200, &answer)]);
    let args = [
        "conformance",
        "--type",
        "ORDER_CREATION",
        "--rule",
        "compensation_failed",
        "--from",
        "2025-01-01",
    ];
    let ran = run(&[&args[..], &["--url", &server.url]].concat(), &[]);
    assert_eq!(ran.code, 0, "{ran:?} {:?}", server.requests());
    for words in [
        "COMPENSATION_FAILED  3",
        "order-1",
        "STOCK_RELEASED reported FAILED",
        "2025-01-02T03:05:00Z",
    ] {
        assert!(ran.stdout.contains(words), "{words}\n{}", ran.stdout);
    }
    let json = run(&[&args[..], &["--json", "--url", &server.url]].concat(), &[]);
    assert_eq!(json.json()["counts"][0]["sagas"], 3);
}

#[test]
fn stuck_asks_for_the_moment_the_rule_and_the_page() {
    let judged = SAGA.replace(
        "\"stepCount\":4",
        r#""stepCount":4,"stuck":{"since":"2025-01-02T03:10:00Z","rule":"COMPENSATION_OVERDUE","awaited":["REFUNDED","RELEASED"]}"#,
    );
    let answer = format!(
        r#"{{"asOf":"2025-01-02T03:20:00Z","knownAt":"2025-01-02T23:59:59.999Z","content":[{judged}],
 "page":{{"number":1,"size":5,"totalElements":6,"totalPages":2}},"cursor":{{"0":7}},"definitions":"d1"}}"#
    );
    let whole = "GET /api/v1/sagas/stuck?sagaType=ORDER_CREATION&rule=COMPENSATION_OVERDUE&fromDate=2025-01-01\
                 &asOf=2025-01-02T03%3A20%3A00Z&knownAt=2025-01-02T23%3A59%3A59.999Z&page=1&size=5";
    let plain = "GET /api/v1/sagas/stuck?page=0&size=20";
    let server = Server::start(&[(whole, 200, &answer), (plain, 200, &answer)]);
    let flags = [
        "stuck",
        "--type",
        "ORDER_CREATION",
        "--rule",
        "compensation_overdue",
        "--from",
        "2025-01-01",
        "--as-of",
        "2025-01-02T03:20:00Z",
        "--known-at",
        "2025-01-02",
        "--page",
        "1",
        "--size",
        "5",
    ];
    let ran = run(&[&flags[..], &["--url", &server.url]].concat(), &[]);
    assert_eq!(ran.code, 0, "{ran:?} {:?}", server.requests());
    let row = ran.stdout.lines().find(|line| line.starts_with("order-1"));
    let cells: Vec<&str> = row.unwrap().split_whitespace().collect();
    let expected = "order-1 ORDER_CREATION FAILED COMPENSATION_OVERDUE 2025-01-02T03:10:00Z PAYMENT_FAILED REFUNDED, RELEASED";
    assert_eq!(cells.join(" "), expected);
    let json = run(&["stuck", "--json", "--url", &server.url], &[]);
    assert_eq!(json.json()["page"]["totalElements"], 6);
    assert_eq!(server.requests(), [whole, plain]);
    for wrong in [["--rule", "late"], ["--as-of", "soon"], ["--known-at", "never"]] {
        let ran = run(&[&["stuck", "--url", &server.url], &wrong[..]].concat(), &[]);
        assert_eq!(ran.code, 2, "{wrong:?}");
    }
}

#[test]
fn a_rule_is_a_filter_of_search_and_export() {
    let server = Server::start(&[]);
    run(&["search", "--rule", "unknown_step", "--url", &server.url], &[]);
    run(
        &[
            "export",
            "csv",
            "--of",
            "sagas",
            "--rule",
            "UNKNOWN_STEP",
            "--url",
            &server.url,
        ],
        &[],
    );
    let requests = server.requests();
    assert_eq!(requests.len(), 2, "{requests:?}");
    for request in requests {
        assert!(
            format!("{request:?}").contains("rule=UNKNOWN_STEP"),
            "{request:?}"
        );
    }
}

#[test]
fn stuck_is_a_filter_of_search_and_export_by_any_rule_or_by_one() {
    let server = Server::start(&[]);
    let asked = |args: &[&str]| {
        run(&[args, &["--url", &server.url]].concat(), &[]);
        format!("{:?}", server.requests().last().unwrap())
    };
    let any = asked(&["search", "--stuck"]);
    assert!(any.contains("stuck=true&"), "{any}");
    let one = asked(&["search", "--stuck", "past_deadline", "--as-of", "2026-01-01"]);
    assert!(one.contains("stuck=PAST_DEADLINE&asOf=2026-01-01"), "{one}");
    let export = asked(&[
        "export",
        "csv",
        "--of",
        "sagas",
        "--stuck",
        "COMPENSATION_OVERDUE",
    ]);
    assert!(export.contains("stuck=COMPENSATION_OVERDUE"), "{export}");
}

#[test]
fn compensation_is_a_filter_of_search() {
    let server = Server::start(&[]);
    let args = [
        "search",
        "--compensation",
        "nothing_to_compensate",
        "--url",
        &server.url,
    ];
    run(&args, &[]);
    let asked = format!("{:?}", server.requests());
    assert!(asked.contains("compensation=NOTHING_TO_COMPENSATE"), "{asked}");
}

#[test]
fn definitions_are_shown_with_their_hash_and_what_they_do_not_name() {
    let answer = r#"{"hash":"abc","types":{"REFUND":{"completing_steps":["DONE"],"compensates":{"UNDO":["PAID"],"C_*":[]},"deadline_seconds":60,"compensation_seconds":5,"owner":"shop"}},"services":{},"version":3,"decided":{"version":3,"hash":"abc","decision":9,"at":"2026-01-31T09:30:00Z","by":"kim","reason":"ticket 8"},"configured":{"hash":"def","differs":true},"rebuildDue":true,"unknownSteps":[{"step":"GIFT","events":3}],"otherUnknownEvents":0}"#;
    let server = Server::start(&[("GET /api/v1/definitions", 200, answer)]);
    let ran = run(&["definitions", "show", "--url", &server.url], &[]);
    for words in [
        "REFUND",
        "DONE",
        "UNDO (PAID)",
        "60 s",
        "shop",
        "hash abc",
        "version 3, applied by kim at 2026-01-31T09:30:00Z: ticket 8",
        "the file that is configured says something else",
        "others are in force",
        "GIFT, which 3 events have",
    ] {
        assert!(ran.stdout.contains(words), "{words}\n{}", ran.stdout);
    }
    let json = run(&["definitions", "show", "--json", "--url", &server.url], &[]);
    assert_eq!(json.json()["hash"], "abc");
}

#[test]
fn a_definitions_file_is_checked_without_a_server() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("sagas.toml");
    let path = file.to_str().unwrap();
    std::fs::write(
        &file,
        "[types.REFUND]\ncompleting_steps = []\norder = [\"A\", \"A\"]\n",
    )
    .unwrap();
    let ran = run(&["definitions", "check", path], &[]);
    assert_eq!(ran.code, 1);
    assert!(
        ran.stdout.contains("types.REFUND.completing_steps is empty"),
        "{}",
        ran.stdout
    );
    assert!(
        ran.stdout.contains("types.REFUND.order: \"A\" must come before"),
        "{}",
        ran.stdout
    );
    std::fs::write(&file, "[types.REFUND]\ncompleting_steps = [\"DONE\"]\n").unwrap();
    let ran = run(&["definitions", "check", path], &[]);
    assert_eq!(
        (ran.code, ran.stdout.contains("no fault; saga types: 1, hash ")),
        (0, true),
        "{}",
        ran.stdout
    );
    let ran = run(&["definitions", "check", "/nowhere/sagas.toml"], &[]);
    assert_eq!(ran.code, 5);
}

#[test]
fn versions_of_the_definitions_are_listed_and_their_files_printed_as_they_were() {
    let list = r#"{"content":[{"version":2,"hash":"h2","decision":9,"at":"2026-01-31T09:30:00Z","by":"kim","reason":"ticket 8"}],"nextCursor":2}"#;
    let file = r##"{"version":2,"hash":"h2","decision":9,"at":"2026-01-31T09:30:00Z","by":"kim","reason":"ticket 8","definitions":"# mine\n[types.A]\ncompleting_steps = [\"B\"]\n"}"##;
    let server = Server::start(&[
        ("GET /api/v1/definitions/versions?size=20", 200, list),
        ("GET /api/v1/definitions/versions?size=5&cursor=7", 200, list),
        ("GET /api/v1/definitions/versions/2", 200, file),
    ]);
    let show = |args: &[&str]| {
        let all = [&["definitions", "show", "--url", server.url.as_str()], args].concat();
        run(&all, &[])
    };
    for args in [
        &["--versions"][..],
        &["--versions", "--size", "5", "--cursor", "7"],
    ] {
        let ran = show(args);
        for words in ["VERSION", "ticket 8", "h2", "older versions: --cursor 2"] {
            assert!(ran.stdout.contains(words), "{words}\n{}", ran.stdout);
        }
    }
    let ran = show(&["--file", "2"]);
    assert_eq!(ran.stdout, "# mine\n[types.A]\ncompleting_steps = [\"B\"]\n");
    assert_eq!(show(&["--file", "0"]).code, 2);
    assert_eq!(show(&["--size", "5"]).code, 2);
    assert_eq!(show(&["--file", "3"]).code, 4, "a 404 without a body");
}

#[test]
fn a_trial_adds_its_parts_up_and_applying_names_the_version() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("sagas.toml");
    let path = file.to_str().unwrap();
    std::fs::write(&file, "[types.ORDER_CREATION]\ncompleting_steps = [\"B\"]\n").unwrap();
    let change = r#"{"sagaId":"order-1","sagaType":"ORDER_CREATION","before":{"status":"IN_PROGRESS","conformance":[],"stuck":null},"after":{"status":"COMPLETED","conformance":[],"stuck":null},"reason":"COMPLETED of B makes it COMPLETED instead of IN_PROGRESS","from":null}"#;
    let part = |sagas: u64, next: &str| {
        format!(
            r#"{{"hash":"abc","types":{{"ORDER_CREATION":["completing_steps"]}},"sagas":{sagas},"before":{{"ORDER_CREATION":{{"IN_PROGRESS":{sagas}}}}},"after":{{"ORDER_CREATION":{{"COMPLETED":{sagas}}}}},"changing":{sagas},"changes":[{change}],"shorterRetention":[{{"sagaType":"REFUND","status":"FAILED","currentDays":90,"newDays":7}}],"nextCursor":{next},"cursor":{{"0":7}}}}"#
        )
    };
    let (first, last) = (part(20_000, "\"more\""), part(345, "null"));
    let applied = r#"{"version":4,"hash":"abc","decision":12,"at":"2026-01-31T09:30:00Z","by":"kim","reason":"ticket 8","shorterRetention":[{"sagaType":"REFUND","status":"FAILED","currentDays":90,"newDays":7}]}"#;
    let server = Server::start(&[
        ("POST /api/v1/definitions/try", 200, &first),
        ("POST /api/v1/definitions/try", 200, &last),
        ("POST /api/v1/definitions", 200, applied),
    ]);
    let url = ["--url", server.url.as_str()];
    let ran = run(&[&["definitions", "try", path], &url[..]].concat(), &[]);
    for words in [
        "ORDER_CREATION: completing_steps",
        "20345",
        "order-1",
        "COMPLETED of B makes it COMPLETED instead of IN_PROGRESS",
        "20345 of 20345 sagas would change",
        "sagas of REFUND in FAILED would be kept for 7 days instead of 90, and purged sooner",
        "nothing was changed",
    ] {
        assert!(ran.stdout.contains(words), "{words}\n{}", ran.stdout);
    }
    let ran = run(
        &[
            &[
                "definitions",
                "apply",
                path,
                "--reason",
                "ticket 8",
                "--allow-shorter-retention",
            ],
            &url[..],
        ]
        .concat(),
        &[],
    );
    let told = "sagas of REFUND in FAILED are kept for 7 days instead of 90, and purged sooner";
    assert!(ran.stdout.contains(told), "{}", ran.stdout);
    assert!(ran.stdout.contains("version 4 is in force"), "{}", ran.stdout);
    let ran = run(&[&["definitions", "apply", path], &url[..]].concat(), &[]);
    assert_eq!(ran.code, 2, "a reason is needed");
}

#[test]
fn an_id_of_any_characters_reaches_the_server_as_one_segment() {
    let server = Server::start(&[("GET /api/v1/sagas/a%2Fb%3F%20%EC%A3%BC/steps", 200, STEPS)]);
    let ran = run(&["steps", "a/b? 주", "--url", &server.url], &[]);
    assert_eq!(ran.code, 0, "{ran:?} {:?}", server.requests());
}

#[test]
fn steps_are_printed_in_order_and_cannot_drive_the_terminal() {
    let server = Server::start(&[("GET /api/v1/sagas/order-1/steps", 200, STEPS)]);
    insta::assert_snapshot!(
        "steps",
        run(&["steps", "order-1", "--url", &server.url], &[]).stdout
    );
}

#[test]
fn a_moment_is_asked_for_by_exact_instants() {
    let at = "2025-01-02T03:04:05.006Z";
    let asked = "GET /api/v1/sagas/order-1?asOf=2025-01-31T23%3A59%3A59.999Z\
                 &knownAt=2025-01-02T03%3A04%3A05.006Z&archive=true";
    let told = SAGA.trim_end_matches('}').to_owned()
        + r#","asOf":"2025-01-31T23:59:59.999Z","knownAt":"2025-01-02T03:04:05.006Z","cursor":{"0":7},"definitions":"d1"}"#;
    let server = Server::start(&[(asked, 200, &told)]);
    let flags = [
        "get",
        "order-1",
        "--as-of",
        "2025-01-31",
        "--known-at",
        at,
        "--archive",
        "--url",
        &server.url,
    ];
    let ran = run(&flags, &[]);
    assert_eq!(server.requests(), [asked]);
    insta::assert_snapshot!("get_at_a_moment", ran.stdout);
}

#[test]
fn so_long_ago_is_an_instant_before_now_and_nonsense_is_refused() {
    let server = Server::start(&[("GET /api/v1/sagas/order-1", 404, NOT_FOUND)]);
    let _ran = run(
        &[
            "get",
            "order-1",
            "--known-at",
            "2 hours ago",
            "--url",
            &server.url,
        ],
        &[],
    );
    let asked = server.requests().concat();
    let (path, at) = asked.split_once("?knownAt=").unwrap();
    assert_eq!(path, "GET /api/v1/sagas/order-1");
    let at: jiff::Timestamp = at.replace("%3A", ":").parse().unwrap();
    let ago = (SystemClock.now().0 - at.as_millisecond()) / 1_000;
    assert!((7_200..7_260).contains(&ago), "{ago}");
    for command in ["get", "steps", "history"] {
        let ran = run(
            &[command, "order-1", "--as-of", "soon", "--url", &server.url],
            &[],
        );
        assert_eq!(ran.code, 2, "{ran:?}");
        assert!(
            ran.stderr.contains("--as-of") && ran.stderr.contains("2 hours ago"),
            "{ran:?}"
        );
    }
}

#[test]
fn a_history_is_printed_with_what_is_worth_a_look() {
    let server = Server::start(&[("GET /api/v1/sagas/order-1/history", 200, HISTORY)]);
    let ran = run(&["history", "order-1", "--url", &server.url], &[]);
    insta::assert_snapshot!("history", ran.stdout);
}

#[test]
fn a_difference_is_printed_by_field_and_by_event() {
    let asked = "GET /api/v1/sagas/order-1/diff?from=2025-01-02T03%3A04%3A05Z\
                 &fromKnownAt=2025-01-02T03%3A04%3A06Z&to=2025-01-03T00%3A00%3A00Z&toKnownAt=2025-01-04T00%3A00%3A00Z";
    let server = Server::start(&[(asked, 200, DIFF)]);
    let flags = [
        "diff",
        "order-1",
        "--from",
        "2025-01-02T03:04:05Z",
        "--from-known-at",
        "2025-01-02T03:04:06Z",
        "--to",
        "2025-01-03T00:00:00Z",
        "--to-known-at",
        "2025-01-04T00:00:00Z",
        "--url",
        &server.url,
    ];
    let ran = run(&flags, &[]);
    assert_eq!(server.requests(), [asked]);
    insta::assert_snapshot!("diff", ran.stdout);
}

#[test]
fn statistics_are_printed_by_status_and_type() {
    let asked = "GET /api/v1/sagas/statistics?sagaType=ORDER_CREATION&fromDate=2025-01-01";
    let server = Server::start(&[(asked, 200, STATISTICS)]);
    let ran = run(
        &[
            "stats",
            "--type",
            "ORDER_CREATION",
            "--from",
            "2025-01-01",
            "--url",
            &server.url,
        ],
        &[],
    );
    assert_eq!(server.requests(), [asked]);
    insta::assert_snapshot!("stats", ran.stdout);
}

#[test]
fn details_of_statistics_are_asked_for_and_printed_by_time_step_service_and_reason() {
    let times =
        |count: u64| format!(r#"{{"count":{count},"p50Seconds":1.5,"p95Seconds":2.5,"p99Seconds":3.5}}"#);
    let details = format!(
        r#"{{"sagas":4,"events":9,"duration":{},"compensation":{},
 "byStep":[{{"step":"PAYMENT_FAILED\u001b","sagas":2,"events":3,"after":{}}}],"otherSteps":0,
 "byProducerService":[{{"producerService":"order-service","sagas":4,"events":6}}],
 "failureReasons":[{{"failureReason":"CARD_DECLINED","sagas":2}}]}}"#,
        times(2),
        times(1),
        times(3)
    );
    let answer = STATISTICS.replace("\"total\":4", &format!("\"total\":4,\"details\":{details}"));
    let asked = "GET /api/v1/sagas/statistics?sagaType=ORDER_CREATION&include=details";
    let server = Server::start(&[(asked, 200, &answer)]);
    let flags = [
        "stats",
        "--type",
        "ORDER_CREATION",
        "--details",
        "--url",
        &server.url,
    ];
    let ran = run(&flags, &[]);
    assert_eq!(server.requests(), [asked]);
    let rows: Vec<String> = ran
        .stdout
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
        .collect();
    for row in [
        "completed 2 1.5 2.5 3.5",
        "compensated 1 1.5 2.5 3.5",
        "PAYMENT_FAILED\\u{1b} 2 3 1.5 2.5 3.5",
        "order-service 4 6",
        "CARD_DECLINED 2",
    ] {
        assert!(rows.iter().any(|told| told == row), "{row}\n{}", ran.stdout);
    }
}

#[test]
fn search_asks_for_what_the_flags_say_and_tells_the_page() {
    let asked = "GET /api/v1/sagas?orderId=ORD-1&sagaType=ORDER_CREATION&status=FAILED&fromDate=2025-01-01\
                 &toDate=2025-01-31T00%3A00%3A00Z&sort=updatedAt%2Casc&page=0&size=20";
    let server = Server::start(&[(asked, 200, &page(&[SAGA], Some("c1")))]);
    let flags = [
        "search",
        "--order",
        "ORD-1",
        "--type",
        "ORDER_CREATION",
        "--status",
        "failed",
        "--from",
        "2025-01-01",
        "--to",
        "2025-01-31T00:00:00Z",
        "--sort",
        "updatedAt,asc",
        "--url",
        &server.url,
    ];
    let ran = run(&flags, &[]);
    assert_eq!(server.requests(), [asked]);
    insta::assert_snapshot!("search", ran.stdout);
}

#[test]
fn search_and_export_ask_for_what_happened_inside() {
    let inside = "step=PAYMENT_COMPLETED&step=A%26B&withoutStep=ORDER_CONFIRMED&producerService=payment-service\
                  &traceId=t-1";
    let search =
        format!("GET /api/v1/sagas?fromDate=2025-01-01&{inside}&sort=startedAt%2Cdesc&page=0&size=20");
    let export = format!("GET /api/v1/export/sagas?format=csv&{inside}");
    let server = Server::start(&[(&search, 200, &page(&[SAGA], None)), (&export, 200, "sagaId\r\n")]);
    let flags = "--step PAYMENT_COMPLETED --step A&B --without-step ORDER_CONFIRMED --producer-service payment-service \
                 --trace-id t-1 --url";
    for start in ["search --from 2025-01-01", "export csv --of sagas"] {
        let arguments = start.split(' ').chain(flags.split(' ')).chain([&*server.url]);
        let ran = run(&arguments.collect::<Vec<_>>(), &[]);
        assert_eq!(ran.code, 0, "{ran:?}");
    }
    assert_eq!(server.requests(), [search, export]);
}

#[test]
fn search_from_so_long_ago_asks_from_an_instant() {
    let server = Server::start(&[]);
    let _found_nothing = run(&["search", "--from", "1 hour ago", "--url", &server.url], &[]);
    let asked = server.requests().remove(0);
    let (_, from) = asked.split_once("fromDate=").unwrap();
    let (instant, _) = from.split_once('&').unwrap();
    assert!(instant.len() >= 24 && instant.ends_with('Z'), "{asked}");
}

#[test]
fn census_asks_for_the_moment_and_shows_each_type() {
    let sums =
        r#""total":3,"byStatus":{"STARTED":0,"IN_PROGRESS":1,"COMPLETED":1,"FAILED":1,"COMPENSATED":0}"#;
    let census = format!(
        r#"{{"asOf":"2025-01-02T03:04:05Z","knownAt":null,"cursor":{{"0":9}},"definitions":"d1",{sums},"purged":{{{sums}}},"byType":[{{"sagaType":"REFUND",{sums}}}]}}"#
    );
    let asked = "GET /api/v1/census?asOf=2025-01-02T03%3A04%3A05Z&sagaType=REFUND";
    let server = Server::start(&[(asked, 200, &census)]);
    let ran = run(
        &[
            "census",
            "--as-of",
            "2025-01-02T03:04:05Z",
            "--type",
            "REFUND",
            "--url",
            &server.url,
        ],
        &[],
    );
    assert_eq!(server.requests(), [asked]);
    insta::assert_snapshot!("census", ran.stdout);
}

#[test]
fn ledger_shows_each_class_and_fails_when_anything_is_unexplained() {
    let classes = |unexplained: u64| {
        format!(
            r#""offsets":9,"applied":6,"duplicate":1,"operator":0,"purged":0,"pending":0,"deadLetter":1,"gap":{{"transactionMarker":1,"compaction":0,"expired":0,"unexplained":{unexplained}}}"#
        )
    };
    let ledger = |unexplained: u64| {
        let classes = classes(unexplained);
        let complete = unexplained == 0;
        format!(
            r#"{{"complete":{complete},"unexplained":{unexplained},"total":{{{classes}}},"partitions":[{{"partition":0,"start":0,"next":9,"complete":{complete},{classes},"days":[{{"day":"2025-01-02",{classes}}}]}}],"cursor":{{"0":9}}}}"#
        )
    };
    let asked = [
        "GET /api/v1/ledger?partition=0&fromDay=2025-01-02",
        "GET /api/v1/ledger",
    ];
    let server = Server::start(&[(asked[0], 200, &ledger(0)), (asked[1], 200, &ledger(2))]);
    let days = ["--partition", "0", "--from-day", "2025-01-02"];
    let ran = run(&[&["ledger"], &days[..], &["--url", &server.url]].concat(), &[]);
    assert_eq!(ran.code, 0);
    let day = ran.stdout.lines().find(|line| line.contains("2025-01-02"));
    let cells: Vec<&str> = day.unwrap().split_whitespace().collect();
    assert_eq!(
        cells,
        [
            "0",
            "2025-01-02",
            "6",
            "1",
            "0",
            "0",
            "0",
            "1",
            "1",
            "0",
            "0",
            "0"
        ]
    );
    let ran = run(&["ledger", "--json", "--url", &server.url], &[]);
    assert_eq!(ran.code, 1);
    assert_eq!(ran.stdout.trim_end(), ledger(2));
    assert_eq!(server.requests(), asked);
}

#[test]
fn census_diff_and_series_show_what_changed() {
    let none = r#"{"STARTED":0,"IN_PROGRESS":0,"COMPLETED":0,"FAILED":0,"COMPENSATED":0}"#;
    let one = none.replace("\"FAILED\":0", "\"FAILED\":1");
    let moment = r#"{"asOf":null,"knownAt":null,"cursor":{},"definitions":"d1"}"#;
    let diff = format!(
        r#"{{"from":{moment},"to":{moment},"changes":[{{"sagaType":"REFUND","before":{none},"after":{one},"entered":{one},"left":{none}}}],"purged":{{"before":{none},"after":{one},"entered":{one},"left":{none}}}}}"#
    );
    let series = format!(
        r#"{{"asOf":null,"knownAt":null,"cursor":{{}},"definitions":"d1","points":[{{"from":"2025-01-02T03:00:00Z","until":"2025-01-02T04:00:00Z","entered":{one},"left":{none},"byStatus":{one},"purged":{{"entered":{none},"left":{none},"byStatus":{one}}}}}]}}"#
    );
    let asked = [
        "GET /api/v1/census/diff?fromKnownAt=2025-01-02T23%3A59%3A59.999Z",
        "GET /api/v1/census/series?every=day",
    ];
    let server = Server::start(&[(asked[0], 200, &diff), (asked[1], 200, &series)]);
    let changes = run(
        &[
            "census",
            "diff",
            "--from-known-at",
            "2025-01-02",
            "--url",
            &server.url,
        ],
        &[],
    );
    insta::assert_snapshot!("census_diff", changes.stdout);
    let points = run(&["census", "series", "--every", "day", "--url", &server.url], &[]);
    insta::assert_snapshot!("census_series", points.stdout);
    assert_eq!(server.requests(), asked);
}

#[test]
fn search_all_follows_the_cursors_and_prints_one_saga_per_line() {
    let first = "GET /api/v1/sagas?sort=startedAt%2Cdesc&size=100";
    let second = "GET /api/v1/sagas?sort=startedAt%2Cdesc&size=100&cursor=c%2F1";
    let other = SAGA.replace("order-1", "order-2");
    let server = Server::start(&[
        (first, 200, &page(&[SAGA], Some("c/1"))),
        (second, 200, &page(&[&other], None)),
    ]);
    let ran = run(&["search", "--all", "--json", "--url", &server.url], &[]);
    assert_eq!(ran.code, 0, "{ran:?}");
    let ids: Vec<_> = ran
        .stdout
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()["sagaId"].clone())
        .collect();
    assert_eq!(ids, ["order-1", "order-2"]);
    assert_eq!(server.requests(), [first, second]);
}

#[test]
fn exit_codes_tell_what_went_wrong() {
    let bad = NOT_FOUND.replace("NOT_FOUND", "BAD_REQUEST");
    let broken = NOT_FOUND.replace("NOT_FOUND", "INTERNAL_ERROR");
    for (status, body, code) in [
        (404, NOT_FOUND, 1),
        (400, bad.as_str(), 2),
        (500, broken.as_str(), 4),
        // Answers that no saga tracker gives.
        (404, "<html>", 4),
        (200, "<html>", 4),
    ] {
        let server = Server::start(&[("GET /api/v1/sagas/order-2", status, body)]);
        let ran = run(&["get", "order-2", "--url", &server.url], &[]);
        assert_eq!(ran.code, code, "{status} {body}: {ran:?}");
        assert_eq!(ran.stderr.lines().count(), 1, "{ran:?}");
        assert_eq!(ran.stdout, "");
    }
    let server = Server::start(&[("GET /api/v1/sagas/order-2", 404, NOT_FOUND)]);
    let told = run(&["get", "order-2", "--url", &server.url], &[]).stderr;
    assert_eq!(told, "saga-tracker: NOT_FOUND: no saga \"order-2\"\n");
}

#[test]
fn a_server_that_is_not_there_or_says_nothing_is_exit_code_3() {
    let nobody = run(&["stats", "--url", &format!("http://{}", closed_port())], &[]);
    assert_eq!(nobody.code, 3, "{nobody:?}");
    assert!(nobody.stderr.contains("saga-tracker serve"), "{nobody:?}");

    // Connections are accepted by the kernel; nobody ever answers.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", silent.local_addr().unwrap());
    let ran = run(&["stats", "--timeout", "1", "--url", &url], &[]);
    assert_eq!(ran.code, 3, "{ran:?}");
    assert!(ran.stderr.contains("--timeout"), "{ran:?}");
}

#[test]
fn an_address_that_is_none_is_exit_code_2() {
    for url in ["localhost:8086", "nonsense", "ftp://host"] {
        let ran = run(&["stats", "--url", url], &[]);
        assert_eq!(ran.code, 2, "{ran:?}");
    }
}

#[test]
fn a_reader_that_leaves_early_is_no_error() {
    let server = Server::start(&[("GET /api/v1/sagas/order-1", 200, SAGA)]);
    let mut child = command(&["get", "order-1", "--url", &server.url], &[])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let mut told = String::new();
    child.stderr.take().unwrap().read_to_string(&mut told).unwrap();
    assert_eq!((child.wait().unwrap().code(), told.as_str()), (Some(0), ""));
}

#[test]
fn an_online_rebuild_is_followed_to_its_end() {
    let state = |running: bool, done: u64, error: &str| {
        format!(
            r#"{{"running":{running},"phase":"folding","done":{done},"total":10,"generation":"a","error":{error}}}"#
        )
    };
    let path = "/internal/v1/rebuild";
    let (post, get) = (format!("POST {path}"), format!("GET {path}"));
    let server = Server::start(&[
        (&post, 202, &state(true, 0, "null")),
        (&get, 200, &state(true, 5, "null")),
        (&get, 200, &state(false, 10, "null")),
    ]);
    let ran = run(&["rebuild", "--url", &server.url], &[]);
    assert_eq!(
        (ran.code, ran.stdout.as_str()),
        (0, "rebuilt the projections from 10 events; the new ones serve\n")
    );
    assert_eq!(server.requests(), [post.as_str(), &get, &get]);

    let server = Server::start(&[
        (&post, 202, &state(true, 0, "null")),
        (&get, 200, &state(false, 3, "\"the disk is full\"")),
    ]);
    let ran = run(&["rebuild", "--url", &server.url], &[]);
    assert_eq!(ran.code, 4, "{ran:?}");
    assert!(ran.stderr.contains("the disk is full"), "{ran:?}");
}

#[test]
fn the_digest_of_a_running_server_is_printed_with_its_offsets() {
    let body = r#"{"at":{"0":12,"1":7},"topics":{"ops":{"0":3}},"applied":2,"rules":{"ORDER":["DONE"]},"total":"00112233445566778899aabbccddeeff","tables":{"log":"0123456789abcdef"}}"#;
    let server = Server::start(&[("GET /internal/v1/digest", 200, body)]);
    insta::assert_snapshot!("digest", run(&["digest", "--url", &server.url], &[]).stdout);
}

#[test]
fn export_passes_on_what_the_server_sends() {
    let events = "GET /api/v1/export/events?format=xes&sagaType=ORDER_CREATION&fromDate=2025-01-01\
                  &toDate=2025-01-31&asOf=2025-02-01T00%3A00%3A00Z";
    let steps = "GET /api/v1/export/sagas/a%2Fb/steps?format=csv&cursor=1.0.2&archive=true";
    let letters = "GET /api/v1/export/dead-letters?format=ndjson&limit=5&reason=unknown_status&step=a%3Db";
    let sagas = "GET /api/v1/export/sagas?format=parquet&status=FAILED";
    let days = "GET /api/v1/export/ledger?format=csv&fromDay=2025-01-01&toDay=2025-01-31";
    let offsets = "GET /api/v1/export/ledger?format=ndjson&offsets=true&cursor=1-5&partition=1";
    let server = Server::start(&[
        (events, 200, "<log>\u{1b}</log>\n"),
        (steps, 200, "id\r\n1\r\n"),
        (letters, 200, ""),
        (sagas, 200, "PAR1\u{0}PAR1"),
        (days, 200, "topic\r\n"),
        (offsets, 200, "{}\n"),
    ]);
    for (arguments, printed) in [
        (
            "xes --type ORDER_CREATION --from 2025-01-01 --to 2025-01-31 --as-of 2025-02-01T00:00:00Z",
            "<log>\u{1b}</log>\n",
        ),
        (
            "csv --of steps --saga a/b --cursor 1.0.2 --archive",
            "id\r\n1\r\n",
        ),
        (
            "ndjson --of dead-letters --limit 5 --where reason=unknown_status --where step=a=b",
            "",
        ),
        ("parquet --of sagas --status failed", "PAR1\u{0}PAR1"),
        ("csv --of ledger --from 2025-01-01 --to 2025-01-31", "topic\r\n"),
        (
            "ndjson --of ledger-offsets --where partition=1 --cursor 1-5",
            "{}\n",
        ),
    ] {
        let arguments = ["export"]
            .into_iter()
            .chain(arguments.split(' '))
            .chain(["--url", &server.url]);
        let ran = run(&arguments.collect::<Vec<_>>(), &[]);
        assert_eq!((ran.code, ran.stdout.as_str()), (0, printed), "{}", ran.stderr);
    }
}

#[test]
fn an_export_that_is_refused_or_makes_no_sense_says_so() {
    let refusal = NOT_FOUND.replace("NOT_FOUND", "BAD_REQUEST");
    let server = Server::start(&[("GET /api/v1/export/sagas?format=ocel", 400, &refusal)]);
    let ran = run(&["export", "ocel", "--of", "sagas", "--url", &server.url], &[]);
    assert_eq!((ran.code, ran.stdout.as_str()), (2, ""));
    assert!(ran.stderr.contains("BAD_REQUEST"), "{}", ran.stderr);
    for arguments in [
        ["export", "pdf"].as_slice(),
        &["export", "csv", "--of", "steps"],
        &["export", "csv", "--where", "reason"],
    ] {
        assert_eq!(run(arguments, &[]).code, 2, "{arguments:?}");
    }
}

const FLOW: &str = r#"{"sagaType":"T","period":{"from":null,"to":null},"sagas":2,"events":5,"steps":[],"edges":[],"cycles":[{"services":["order","stock\u001b"],"edges":[{"from":"order","to":"stock\u001b","count":2},{"from":"stock\u001b","to":"order","count":1}]}]}"#;

#[test]
fn flow_names_the_services_that_lead_to_each_other() {
    let without = FLOW.replace("cycles", "other");
    let server = Server::start(&[
        ("GET /api/v1/flow?sagaType=T", 200, FLOW),
        ("GET /api/v1/flow?sagaType=U", 200, &without),
    ]);
    let ran = run(&["flow", "--type", "T", "--url", &server.url], &[]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let lines: Vec<Vec<&str>> = ran
        .stdout
        .lines()
        .map(|line| line.split_whitespace().collect())
        .collect();
    assert!(
        lines.contains(&vec!["1", "order", "stock\\u{1b}", "2"]),
        "{}",
        ran.stdout
    );
    assert!(
        lines.contains(&vec!["1", "stock\\u{1b}", "order", "1"]),
        "{}",
        ran.stdout
    );
    let ran = run(&["flow", "--type", "U", "--url", &server.url], &[]);
    assert!(!ran.stdout.contains("CYCLE"), "{}", ran.stdout);
    assert_eq!(
        run(&["flow", "--url", &server.url], &[]).code,
        2,
        "a flow is of one type"
    );
}

#[test]
fn flow_is_a_graph_for_graphviz_or_mermaid_with_names_in_labels_alone() {
    let flow = r#"{"sagaType":"T","period":{"from":null,"to":null},"sagas":2,"events":5,
 "steps":[{"step":"PAID"},{"step":"SAY \"so\" <b>"}],
 "edges":[{"from":"SAY \"so\" <b>","to":"PAID","count":3,"p50Seconds":1.5,"p95Seconds":2,"p99Seconds":2}],"cycles":[]}"#;
    let asked = "GET /api/v1/flow?sagaType=T&fromDate=2025-01-01";
    let server = Server::start(&[(asked, 200, flow)]);
    let graph = |form: &str| {
        let from = ["--from", "2025-01-01", "--url", &server.url];
        let ran = run(&[&["flow", "--type", "T", form], &from[..]].concat(), &[]);
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        ran.stdout
    };
    let dot = "digraph flow {\n  rankdir=LR;\n  node [shape=box];\n  n0 [label=\"PAID\"];\n  \
               n1 [label=\"SAY \\\"so\\\" <b>\"];\n  n1 -> n0 [label=\"3 × 1.500 s\"];\n}\n";
    assert_eq!(graph("--dot"), dot);
    let mermaid =
        "flowchart LR\n  n0[\"PAID\"]\n  n1[\"SAY #34;so#34; #60;b#62;\"]\n  n1 -->|\"3 × 1.500 s\"| n0\n";
    assert_eq!(graph("--mermaid"), mermaid);
    assert_eq!(server.requests(), [asked, asked]);
    for more in ["--mermaid", "--json"] {
        let ran = run(&["flow", "--type", "T", "--dot", more, "--url", &server.url], &[]);
        assert_eq!(ran.code, 2, "--dot and {more}");
    }
}

#[test]
fn flow_catalogue_is_a_table_json_or_markdown() {
    let json = r#"{"sagas":2,"events":3,"firstSeen":"2025-01-01T00:00:00Z","lastSeen":"2025-01-01T02:00:00Z","entries":[{"sagaType":"T","step":"A","service":null,"status":"FAILED","events":3,"eventsPerHour":1.5,"firstSeen":"2025-01-01T00:00:00Z","lastSeen":"2025-01-01T02:00:00Z","typeOwner":"team-a","serviceOwner":"team-a","documented":false}]}"#;
    let asked = "GET /api/v1/flow/catalogue?sagaType=T&fromDate=2025-01-01";
    let server = Server::start(&[
        (asked, 200, json),
        ("GET /api/v1/flow/catalogue?format=markdown", 200, "# Events\n"),
    ]);
    let of = [
        "flow",
        "catalogue",
        "--type",
        "T",
        "--from",
        "2025-01-01",
        "--url",
        &server.url,
    ];
    let ran = run(&of, &[]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let last: Vec<&str> = ran.stdout.lines().last().unwrap().split_whitespace().collect();
    let expected = [
        "T",
        "A",
        "-",
        "FAILED",
        "3",
        "1.50",
        "2025-01-01T02:00:00Z",
        "team-a",
        "no",
    ];
    assert_eq!(last, expected, "{}", ran.stdout);
    let ran = run(&[&of[..], &["--json"]].concat(), &[]);
    assert_eq!(ran.stdout, format!("{json}\n"));
    let ran = run(&["flow", "catalogue", "--markdown", "--url", &server.url], &[]);
    assert_eq!((ran.code, ran.stdout.as_str()), (0, "# Events\n"));
}
