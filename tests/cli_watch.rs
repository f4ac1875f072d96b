//! The commands that go on until somebody stops them: what they ask, what they print, how they end.

mod cli_server;
mod cli_support;

use cli_server::{Server, closed_port};
use cli_support::{command, run};
use std::process::Stdio;

const FRAME: &str = r#"{"at":"2025-01-02T03:04:05Z","lag":0,"offsets":7,"accounted":7,"unexplained":0,"total":3,"byStatus":{"STARTED":1,"IN_PROGRESS":0,"COMPLETED":2,"FAILED":0,"COMPENSATED":0},"failedPerHour":0,"stuck":0,"deadLettersOpen":0,"incidents":0,"edges":[]}"#;

fn stream(frames: usize) -> String {
    let frames = (1..=frames).map(|number| format!("event: frame\nid: {number}\ndata: {FRAME}\n\n"));
    format!(
        "retry: 2000\n\n{}event: end\ndata: {{}}\n\n",
        frames.collect::<String>()
    )
}

#[test]
fn watch_prints_a_frame_a_line_and_ends_after_as_many_as_are_wanted() {
    let stream = stream(3);
    let server = Server::start(&[("GET /api/v1/live", 200, &stream)]);
    let ran = run(&["watch", "--json", "--frames", "2", "--url", &server.url], &[]);
    assert_eq!(
        (ran.code, ran.stdout),
        (0, format!("{FRAME}\n{FRAME}\n")),
        "{}",
        ran.stderr
    );
    let ran = run(&["watch", "--json", "--frames", "1", "--url", &server.url], &[]);
    assert_eq!(ran.json()["byStatus"]["COMPLETED"], 2);
    let ran = run(&["watch", "--frames", "1", "--url", &server.url], &[]);
    let wanted = "2025-01-02T03:04:05Z STARTED 1 IN_PROGRESS 0 COMPLETED 2 FAILED 0 COMPENSATED 0 failed/h 0 stuck 0 \
                  dead letters 0 unexplained 0 lag 0\n";
    assert_eq!((ran.code, ran.stdout.as_str()), (0, wanted));
}

#[test]
fn watch_comes_again_when_the_server_ends_the_stream() {
    let stream = stream(1);
    let asked = "GET /api/v1/live?sagaType=T";
    let server = Server::start(&[(asked, 200, &stream)]);
    let ran = run(
        &[
            "watch",
            "--type",
            "T",
            "--json",
            "--frames",
            "2",
            "--url",
            &server.url,
        ],
        &[],
    );
    assert_eq!((ran.code, server.requests()), (0, vec![asked.to_owned(); 2]));
    assert!(ran.stderr.contains("trying again in 1 s"), "{}", ran.stderr);
}

#[test]
fn watch_says_why_it_cannot_begin() {
    let away = format!("http://{}", closed_port());
    let ran = run(&["watch", "--url", &away], &[]);
    assert_eq!(ran.code, 3, "{}", ran.stderr);
    assert!(ran.stderr.contains("no answer from"), "{}", ran.stderr);
}

const EVENTS: &str = r#"{"events":[{"sagaId":"s","sagaType":"T","orderId":"o","eventId":"e","step":"PAID","status":"COMPLETED","effectiveStatus":"IN_PROGRESS","producerService":"pay","traceId":null,"recordedAt":"2025-01-02T03:04:05Z","arrivedAt":"2025-01-02T03:04:06Z","partition":0,"offset":7}],"next":"0@8","more":false}"#;

#[test]
fn tail_asks_on_with_what_it_was_told_and_passes_its_filters() {
    let filter = "sagaType=T&step=PAID&status=FAILED&producerService=pay";
    let first = format!("GET /api/v1/events?{filter}&after=0%400&size=1000");
    let more = EVENTS.replace("\"more\":false", "\"more\":true");
    let second = format!("GET /api/v1/events?{filter}&after=0%408&size=1000");
    let server = Server::start(&[(&first, 200, &more), (&second, 200, EVENTS)]);
    let ran = run(
        &[
            "tail",
            "--type",
            "T",
            "--step",
            "PAID",
            "--status",
            "failed",
            "--service",
            "pay",
            "--from-start",
            "--no-follow",
            "--url",
            &server.url,
        ],
        &[],
    );
    let line = "2025-01-02T03:04:06Z  s  PAID  COMPLETED (IN_PROGRESS)  pay  0@7\n";
    assert_eq!((ran.code, ran.stdout), (0, line.repeat(2)), "{}", ran.stderr);
    assert_eq!(server.requests(), [first, second]);
}

#[test]
fn tail_ends_when_nobody_reads_any_more() {
    let asked = "GET /api/v1/events?after=0%408&size=1000&wait=20";
    let server = Server::start(&[
        ("GET /api/v1/events?size=1000", 200, EVENTS),
        (asked, 200, EVENTS),
    ]);
    let mut child = command(&["tail", "--json", "--url", &server.url], &[])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    assert_eq!(child.wait().unwrap().code(), Some(0));
}
