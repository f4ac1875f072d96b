use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::*;
use crate::contract::SCHEMA;

/// Serves one scripted answer per connection and gives back the requests it got.
async fn registry_that_answers(script: Vec<(u16, &'static str)>) -> (String, JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let requests = tokio::spawn(async move {
        let mut requests = Vec::new();
        for (status, body) in script {
            let (mut stream, _) = listener.accept().await.unwrap();
            requests.push(read_request(&mut stream).await);
            let length = body.len();
            let answer =
                format!("HTTP/1.1 {status} X\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}");
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
        requests
    });
    (url, requests)
}

async fn read_request(stream: &mut tokio::net::TcpStream) -> String {
    let mut bytes = Vec::new();
    loop {
        stream.read_buf(&mut bytes).await.unwrap();
        let text = String::from_utf8(bytes.clone()).unwrap();
        let Some((head, body)) = text.split_once("\r\n\r\n") else {
            continue;
        };
        let length = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length: "))
            .unwrap();
        if body.len() == length.parse::<usize>().unwrap() {
            return text;
        }
    }
}

fn settings(url: String) -> RegistrySettings {
    RegistrySettings {
        url,
        attempts: 3,
        backoff_ms: 1,
        ..RegistrySettings::default()
    }
}

#[tokio::test]
async fn a_registry_in_trouble_is_asked_again() {
    let (url, requests) = registry_that_answers(vec![(503, "starting"), (200, r#"{"id": 42}"#)]).await;
    let registry = Registry::new(settings(url)).unwrap();
    assert_eq!(registry.id_for("orders/a-value", SCHEMA).await, Ok(42));
    let requests = requests.await.unwrap();
    assert_eq!(requests.len(), 2);
    assert!(
        requests[1].starts_with("POST /subjects/orders%2Fa-value/versions HTTP/1.1"),
        "{}",
        requests[1]
    );
    assert!(
        requests[1].contains("content-type: application/vnd.schemaregistry.v1+json"),
        "{}",
        requests[1]
    );
    let body: serde_json::Value =
        serde_json::from_str(requests[1].split_once("\r\n\r\n").unwrap().1).unwrap();
    assert_eq!(body, serde_json::json!({ "schema": SCHEMA }));
}

#[tokio::test]
async fn a_refusal_is_final_and_keeps_the_registrys_words() {
    let answer = r#"{"error_code": 409, "message": "Schema being registered is incompatible"}"#;
    let (url, requests) = registry_that_answers(vec![(409, answer)]).await;
    let registry = Registry::new(settings(url.clone())).unwrap();
    let error = registry.id_for("t-value", SCHEMA).await.unwrap_err();
    let expected = SchemaIdError::Refused {
        url: format!("{url}/"),
        subject: "t-value".to_owned(),
        status: 409,
        message: "Schema being registered is incompatible".to_owned(),
    };
    assert_eq!(error, expected);
    assert_eq!(requests.await.unwrap().len(), 1);
}

#[tokio::test]
async fn credentials_are_sent_and_looking_up_registers_nothing() {
    let (url, requests) = registry_that_answers(vec![(200, r#"{"id": 7, "version": 2}"#)]).await;
    let mut settings = settings(format!("{url}/api/"));
    settings.register = false;
    settings.username = Some("order".to_owned());
    settings.password = Some("secret".to_owned());
    assert!(
        !format!("{settings:?}").contains("secret"),
        "the password shows in {settings:?}"
    );
    let registry = Registry::new(settings).unwrap();
    assert_eq!(registry.id_for("t-value", SCHEMA).await, Ok(7));
    let request = &requests.await.unwrap()[0];
    assert!(
        request.starts_with("POST /api/subjects/t-value HTTP/1.1"),
        "{request}"
    );
    assert!(
        request.contains("authorization: Basic b3JkZXI6c2VjcmV0"),
        "{request}"
    );
}

#[tokio::test]
async fn nobody_there_is_an_error_after_the_last_attempt() {
    let free = TcpListener::bind("127.0.0.1:0")
        .await
        .unwrap()
        .local_addr()
        .unwrap();
    let registry = Registry::new(settings(format!("http://{free}"))).unwrap();
    let error = registry.id_for("t-value", SCHEMA).await.unwrap_err();
    let SchemaIdError::Unreachable { attempts, reason, .. } = error else {
        panic!("{error:?}")
    };
    assert_eq!(attempts, 3);
    assert!(reason.contains("refused"), "{reason}");
}

#[tokio::test]
async fn the_next_registry_of_several_is_asked_when_one_is_gone() {
    let free = TcpListener::bind("127.0.0.1:0")
        .await
        .unwrap()
        .local_addr()
        .unwrap();
    let (url, _requests) = registry_that_answers(vec![(200, r#"{"id": 3}"#)]).await;
    let registry = Registry::new(settings(format!("http://{free}, {url}"))).unwrap();
    assert_eq!(registry.id_for("t-value", SCHEMA).await, Ok(3));
}

#[test]
fn an_address_that_is_none_is_refused_by_name() {
    let error = Registry::new(settings("localhost:8081".to_owned())).unwrap_err();
    assert_eq!(
        error.to_string(),
        r#"schema registry address "localhost:8081" is not an http or https URL"#
    );
}
