//! Against a registry that says what the test tells it to, over real HTTP on the loopback.

use super::*;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Mutex;
use std::thread::JoinHandle;

/// (method and path, status, body); asked for anything else it answers as a proxy would.
type Script = Vec<(&'static str, u16, String)>;
/// Path and credentials of each request.
type Asked = Vec<(String, Option<String>)>;

struct FakeRegistry {
    address: String,
    script: Arc<Mutex<Script>>,
    asked: Arc<Mutex<Asked>>,
    thread: Option<JoinHandle<()>>,
}

impl FakeRegistry {
    fn start(script: Script) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let script = Arc::new(Mutex::new(script));
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (says, hears) = (Arc::clone(&script), Arc::clone(&asked));
        let thread = std::thread::spawn(move || {
            while let Ok((stream, _)) = listener.accept() {
                if !Self::answer(stream, &says, &hears) {
                    return;
                }
            }
        });
        Self {
            address,
            script,
            asked,
            thread: Some(thread),
        }
    }

    fn answer(mut stream: TcpStream, script: &Mutex<Script>, asked: &Mutex<Asked>) -> bool {
        let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
        let Some(Ok(first)) = lines.next() else {
            return true;
        };
        let mut authorization = None;
        for line in lines.map_while(Result::ok).take_while(|line| !line.is_empty()) {
            if let Some(value) = line.to_ascii_lowercase().strip_prefix("authorization: ") {
                authorization = Some(line[line.len() - value.len()..].to_owned());
            }
        }
        let path = first.split(' ').nth(1).unwrap_or_default().to_owned();
        if path == "/stop" {
            return false;
        }
        asked.lock().unwrap().push((path.clone(), authorization));
        let script = script.lock().unwrap();
        let (status, body) = script.iter().find(|(known, _, _)| *known == path).map_or(
            (404, "<html>no such page</html>".to_owned()),
            |(_, status, body)| (*status, body.clone()),
        );
        let head = format!(
            "HTTP/1.1 {status} X\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
            body.len()
        );
        stream
            .write_all(head.as_bytes())
            .and_then(|()| stream.write_all(body.as_bytes()))
            .unwrap();
        true
    }

    fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    fn says(&self, script: Script) {
        *self.script.lock().unwrap() = script;
    }

    fn asked(&self) -> Asked {
        self.asked.lock().unwrap().clone()
    }
}

impl Drop for FakeRegistry {
    fn drop(&mut self) {
        if let Ok(mut stream) = TcpStream::connect(&self.address) {
            stream.write_all(b"GET /stop HTTP/1.1\r\n\r\n").unwrap();
        }
        self.thread.take().unwrap().join().unwrap();
    }
}

fn contract() -> String {
    serde_json::json!({ "schema": BUNDLED_SCHEMA }).to_string()
}

fn not_found(code: u32) -> String {
    serde_json::json!({ "error_code": code, "message": "Schema 8 not found" }).to_string()
}

fn client_of(url: impl Into<String>) -> RegistryClient {
    RegistryClient::new(&RegistrySettings {
        url: Some(url.into()),
        timeout_seconds: 5,
        ..Default::default()
    })
    .unwrap()
}

fn unavailable(answer: Result<Arc<DecodePlan>, SchemaError>) -> String {
    match answer {
        Err(SchemaError::Unavailable(detail)) => detail,
        other => panic!("expected the registry to be unavailable, got {other:?}"),
    }
}

/// A port that nothing listens on.
fn nobody() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    format!("http://{}", listener.local_addr().unwrap())
}

#[test]
fn a_schema_is_asked_for_once() {
    let registry = FakeRegistry::start(vec![("/schemas/ids/7", 200, contract())]);
    let client = client_of(registry.url());
    let first = client.plan(7).unwrap();
    assert!(Arc::ptr_eq(&first, &client.plan(7).unwrap()));
    registry.says(vec![]);
    assert!(Arc::ptr_eq(&first, &client.plan(7).unwrap()));
    assert_eq!(registry.asked().len(), 1);
}

#[test]
fn only_the_registrys_own_404_makes_an_id_unknown() {
    let registry = FakeRegistry::start(vec![("/schemas/ids/8", 404, not_found(40_403))]);
    let client = client_of(registry.url());
    assert_eq!(client.plan(8).unwrap_err(), SchemaError::Unknown);
    assert_eq!(client.plan(8).unwrap_err(), SchemaError::Unknown);
    assert_eq!(registry.asked().len(), 1, "remembered for a while");
    assert!(unavailable(client.plan(9)).contains("is this its URL?"));
    registry.says(vec![("/schemas/ids/9", 404, not_found(404))]);
    assert!(unavailable(client.plan(9)).contains("is this its URL?"));
}

#[test]
fn an_unknown_id_is_asked_for_again_later() {
    let registry = FakeRegistry::start(vec![("/schemas/ids/8", 404, not_found(40_403))]);
    let settings = RegistrySettings {
        url: Some(registry.url()),
        unknown_id_seconds: 0,
        ..Default::default()
    };
    let client = RegistryClient::new(&settings).unwrap();
    assert_eq!(client.plan(8).unwrap_err(), SchemaError::Unknown);
    registry.says(vec![("/schemas/ids/8", 200, contract())]);
    assert!(client.plan(8).is_ok());
}

#[test]
fn whatever_the_registry_says_is_cut() {
    let long = "x".repeat(100_000);
    let said = serde_json::json!({ "error_code": 50_001, "message": long }).to_string();
    let other = serde_json::json!({ "schema": "{}", "schemaType": long }).to_string();
    let part =
        serde_json::json!({ "schema": "{}", "references": [{ "name": "n", "subject": long, "version": 1 }] });
    let registry = FakeRegistry::start(vec![]);
    for (status, body) in [(500, said), (200, long), (200, other), (200, part.to_string())] {
        registry.says(vec![("/schemas/ids/7", status, body)]);
        let found = client_of(registry.url()).plan(7).unwrap_err().to_string();
        assert!(found.len() < 1_200, "{} bytes", found.len());
    }
}

#[test]
fn trouble_of_the_registry_is_no_answer_and_is_not_remembered() {
    let registry = FakeRegistry::start(vec![]);
    let client = client_of(registry.url());
    for status in [301, 400, 401, 403, 408, 422, 429, 500, 502, 503, 504] {
        let body = serde_json::json!({ "error_code": 50_001, "message": "not now" }).to_string();
        registry.says(vec![("/schemas/ids/7", status, body)]);
        let detail = unavailable(client.plan(7));
        assert!(
            detail.contains(&status.to_string()) && detail.contains("not now"),
            "{status}: {detail}"
        );
    }
    registry.says(vec![("/schemas/ids/7", 200, "<html>please log in</html>".into())]);
    assert!(unavailable(client.plan(7)).contains("something other than a schema"));
    registry.says(vec![("/schemas/ids/7", 200, contract())]);
    assert!(client.plan(7).is_ok());
    unavailable(client_of(nobody()).plan(7));
}

#[test]
fn a_registry_that_never_answers_is_given_up_in_time() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", silent.local_addr().unwrap());
    let client = RegistryClient::new(&RegistrySettings {
        url: Some(url),
        timeout_seconds: 1,
        ..Default::default()
    })
    .unwrap();
    let begun = Instant::now();
    assert!(unavailable(client.plan(7)).contains("does not answer"));
    assert!(begun.elapsed() < Duration::from_secs(10));
}

#[test]
fn several_registries_are_tried_in_turn() {
    let lagging = FakeRegistry::start(vec![("/schemas/ids/7", 404, not_found(40_403))]);
    let leading = FakeRegistry::start(vec![("/schemas/ids/7", 200, contract())]);
    assert!(
        client_of(format!("{},{},{}", nobody(), lagging.url(), leading.url()))
            .plan(7)
            .is_ok()
    );
    // The one that is away may be the one that knows.
    unavailable(client_of(format!("{},{}", nobody(), lagging.url())).plan(7));
    let other = FakeRegistry::start(vec![("/schemas/ids/7", 404, not_found(40_403))]);
    let unknown = client_of(format!("{},{}", other.url(), lagging.url())).plan(7);
    assert_eq!(unknown.unwrap_err(), SchemaError::Unknown);
    assert!(unavailable(client_of(format!("{},{}", nobody(), nobody())).plan(7)).contains("; "));
}

#[test]
fn a_path_in_the_url_is_kept() {
    let registry = FakeRegistry::start(vec![("/apis/ccompat/v7/schemas/ids/7", 200, contract())]);
    assert!(
        client_of(format!("{}/apis/ccompat/v7/", registry.url()))
            .plan(7)
            .is_ok()
    );
}

#[test]
fn credentials_are_sent_and_never_told() {
    let registry = FakeRegistry::start(vec![]);
    let settings = |url: String| RegistrySettings {
        url: Some(url),
        ..Default::default()
    };
    let basic = RegistrySettings {
        username: Some("me".into()),
        password: Some("pw".into()),
        ..settings(registry.url())
    };
    let bearer = RegistrySettings {
        token: Some("tok".into()),
        ..basic.clone()
    };
    let in_url = settings(format!("http://us%40er:p%3Aw@{}", registry.address));
    for (made, expected) in [
        (basic, "Basic bWU6cHc="),
        (bearer, "Bearer tok"),
        (in_url, "Basic dXNAZXI6cDp3"),
    ] {
        let detail = unavailable(RegistryClient::new(&made).unwrap().plan(7));
        assert_eq!(registry.asked().last().unwrap().1.as_deref(), Some(expected));
        assert!(
            !detail.contains("pw") && !detail.contains("p%3Aw") && !detail.contains("tok"),
            "{detail}"
        );
    }
}

#[test]
fn a_schema_that_is_not_the_contract_is_unreadable_for_good() {
    let registry = FakeRegistry::start(vec![
        (
            "/schemas/ids/1",
            200,
            serde_json::json!({ "schema": "\"string\"" }).to_string(),
        ),
        (
            "/schemas/ids/2",
            200,
            serde_json::json!({ "schema": "syntax = 3", "schemaType": "PROTOBUF" }).to_string(),
        ),
        (
            "/schemas/ids/3",
            200,
            serde_json::json!({ "schema": "{" }).to_string(),
        ),
        ("/schemas/ids/4", 200, contract().replace("step", "stage")),
    ]);
    let client = client_of(registry.url());
    for (id, said) in [
        (1, "of type string"),
        (2, "PROTOBUF; accepted: AVRO"),
        (3, "not an Avro schema"),
        (
            4,
            "field step is missing from the writer schema and has no default",
        ),
    ] {
        for _ in 0..2 {
            let Err(SchemaError::Unreadable(detail)) = client.plan(id) else {
                panic!("schema {id} was read")
            };
            assert!(detail.contains(said), "{id}: {detail}");
        }
    }
    assert_eq!(registry.asked().len(), 4);
}

#[test]
fn references_are_followed() {
    let status = r#"{"type":"enum","name":"Status","namespace":"shared","symbols":["FAILED","STARTED"]}"#;
    let extra = r#"{"type":"record","name":"Extra","namespace":"shared","fields":[{"name":"was","type":"shared.Status"}]}"#;
    let main = r#"{"type":"record","name":"E","fields":[
        {"name":"extra","type":"shared.Extra"},
        {"name":"eventId","type":"string"},{"name":"eventTimestamp","type":"long"},
        {"name":"sagaId","type":"string"},{"name":"sagaType","type":"string"},
        {"name":"step","type":"string"},{"name":"status","type":"shared.Status"},
        {"name":"orderId","type":"string"},{"name":"recordedAt","type":"long"}]}"#;
    let refer = |subject: &str| serde_json::json!({ "name": subject, "subject": subject, "version": 2 });
    let registry = FakeRegistry::start(vec![
        (
            "/schemas/ids/7",
            200,
            serde_json::json!({ "schema": main, "references": [refer("a/b"), refer("extra")] }).to_string(),
        ),
        (
            "/subjects/a%2Fb/versions/2",
            200,
            serde_json::json!({ "schema": status }).to_string(),
        ),
        (
            "/subjects/extra/versions/2",
            200,
            serde_json::json!({ "schema": extra, "references": [refer("a/b")] }).to_string(),
        ),
    ]);
    let plan = client_of(registry.url()).plan(7).unwrap();
    let body = [&[2u8][..], b"\x02e\x02\x02s\x02t\x02p", &[0], b"\x02o\x02"].concat();
    let decoded = plan.decode(&body).unwrap();
    assert_eq!(
        (decoded.status, decoded.step, decoded.order_id),
        ("FAILED", "p", "o")
    );
    assert_eq!(registry.asked().len(), 3);

    registry.says(vec![
        (
            "/schemas/ids/8",
            200,
            serde_json::json!({ "schema": main, "references": [refer("gone")] }).to_string(),
        ),
        ("/subjects/gone/versions/2", 404, not_found(40_401)),
    ]);
    let client = client_of(registry.url());
    let Err(SchemaError::Incomplete(detail)) = client.plan(8) else {
        panic!("read")
    };
    assert!(detail.contains("version 2 of subject \"gone\""), "{detail}");

    // It comes a moment later: asked again, the schema is readable, without a restart.
    let gone = serde_json::json!({ "schema": r#"{"type":"fixed","name":"Gone","size":1}"# }).to_string();
    let mut script = vec![("/subjects/gone/versions/2", 200, gone)];
    script.push((
        "/schemas/ids/8",
        200,
        serde_json::json!({
        "schema": BUNDLED_SCHEMA, "references": [refer("gone")] })
        .to_string(),
    ));
    registry.says(script);
    assert!(
        matches!(client.plan(8), Err(SchemaError::Incomplete(_))),
        "remembered for a while"
    );
    assert!(client.known(8).is_none());
    assert!(client.plan_now(8).is_ok());
    assert!(client.plan(8).is_ok() && client.known(8).is_some());
}

#[test]
fn doctor_hears_from_each_registry() {
    let registry = FakeRegistry::start(vec![("/subjects", 200, "[\"a\",\"b\"]".into())]);
    let pings = client_of(format!("{},{}", registry.url(), nobody())).ping();
    assert_eq!(
        pings[0],
        RegistryPing {
            url: registry.url(),
            subjects: Ok(2)
        }
    );
    assert!(
        pings[1]
            .subjects
            .as_ref()
            .unwrap_err()
            .contains("does not answer")
    );
}

#[test]
fn settings_that_cannot_work_are_refused_by_name() {
    let refused = |settings: RegistrySettings| RegistryClient::new(&settings).err().unwrap().to_string();
    let with_url = |url: &str| RegistrySettings {
        url: Some(url.into()),
        ..Default::default()
    };
    assert!(refused(with_url("registry:8081")).contains("registry.url"));
    assert!(refused(with_url("ftp://me:pw@registry")).contains("\"ftp://registry\""));
    let ca_file = Some("/nonexistent/ca.pem".into());
    assert!(
        refused(RegistrySettings {
            ca_file,
            ..with_url("https://a")
        })
        .contains("registry.ca_file")
    );
    let empty = tempfile::NamedTempFile::new().unwrap();
    let ca_file = Some(empty.path().to_owned());
    assert!(
        refused(RegistrySettings {
            ca_file,
            ..with_url("https://a")
        })
        .contains("no certificate")
    );
}

#[test]
fn a_redirect_is_not_followed() {
    let elsewhere = FakeRegistry::start(vec![("/schemas/ids/1", 200, contract())]);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let location = format!("{}/schemas/ids/1", elsewhere.url());
    let thread = std::thread::spawn(move || {
        let (stream, _) = listener.accept().unwrap();
        let lines = BufReader::new(stream.try_clone().unwrap()).lines();
        lines
            .map_while(Result::ok)
            .take_while(|line| !line.is_empty())
            .for_each(drop);
        let answer = format!(
            "HTTP/1.1 302 Found\r\nlocation: {location}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
        );
        (&stream).write_all(answer.as_bytes()).unwrap();
    });
    let said = unavailable(client_of(url).plan(1));
    thread.join().unwrap();
    assert!(said.contains("302 Found; redirects are not followed"), "{said}");
    assert_eq!(elsewhere.asked(), []);
}

#[test]
fn a_schema_that_refers_to_others_without_end_is_unreadable() {
    let version = |number: usize| {
        let next = serde_json::json!({
            "schema": format!("{{\"type\":\"record\",\"name\":\"R{number}\",\"fields\":[]}}"),
            "references": [{"name": "n", "subject": "s", "version": number + 1}],
        });
        next.to_string()
    };
    let mut script: Script = vec![("/schemas/ids/1", 200, version(0))];
    for number in 1..100 {
        let path: &'static str = format!("/subjects/s/versions/{number}").leak();
        script.push((path, 200, version(number)));
    }
    let registry = FakeRegistry::start(script);
    match client_of(registry.url()).plan(1) {
        Err(SchemaError::Unreadable(detail)) => assert!(detail.contains("more than 32 steps"), "{detail}"),
        other => panic!("{:?}", other.map(|_| ())),
    }
    assert_eq!(registry.asked().len(), 33);
}

#[test]
fn garbage_does_not_make_a_question_of_every_record() {
    let missing = (0..200).map(|id: u32| {
        let path: &'static str = format!("/schemas/ids/{id}").leak();
        (path, 404, not_found(40_403))
    });
    let known = [("/schemas/ids/900", 200, contract())];
    let registry = FakeRegistry::start(missing.chain(known).collect());
    // The time stands still.
    static BEGUN: std::sync::LazyLock<Instant> = std::sync::LazyLock::new(Instant::now);
    let mut client = client_of(registry.url());
    client.now = || *BEGUN;
    for id in 0..200 {
        assert_eq!(client.plan(id).unwrap_err(), SchemaError::Unknown);
    }
    assert_eq!(registry.asked().len(), 64);
    // Who reads letters again, or waits, asks all the same.
    client.plan_now(900).unwrap();
    client.now = || *BEGUN + Duration::from_millis(100);
    for id in 0..200 {
        assert_eq!(client.plan(id).unwrap_err(), SchemaError::Unknown);
    }
    assert_eq!(registry.asked().len(), 64 + 1 + 2);
}
