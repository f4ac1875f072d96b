//! What the handle promises, on a store in memory, on a folder, and on addresses where nobody is.

use super::*;

fn run<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
        .block_on(work)
}

fn folder() -> (tempfile::TempDir, Objects) {
    let directory = tempfile::tempdir().unwrap();
    let settings = ObjectsSettings {
        url: Some(format!("file://{}", directory.path().display())),
        ..ObjectsSettings::default()
    };
    let objects = open(&settings).unwrap();
    (directory, objects)
}

async fn behaves(objects: &Objects) {
    assert_eq!(objects.get("a/1").await.unwrap(), None);
    assert!(objects.list("a").await.unwrap().is_empty());
    assert_eq!(
        objects.put_if_absent("a/1", b"one".to_vec()).await.unwrap(),
        Put::Created
    );
    assert_eq!(
        objects.put_if_absent("a/1", b"two".to_vec()).await.unwrap(),
        Put::Existed
    );
    assert_eq!(objects.get("a/1").await.unwrap().unwrap(), b"one");
    objects.put("a/1", b"three".to_vec()).await.unwrap();
    objects.put("a/deeper/2", b"x".to_vec()).await.unwrap();
    assert_eq!(objects.head("a/1").await.unwrap().unwrap().size, 5);
    assert_eq!(objects.get_range("a/1", 1..4).await.unwrap(), b"hre");
    assert!(objects.get_range("a/1", 1..40).await.is_err());
    let names: Vec<_> = objects
        .list("a")
        .await
        .unwrap()
        .into_iter()
        .map(|o| o.location.to_string())
        .collect();
    assert_eq!(names, ["a/1"]);
    assert_eq!(objects.under("a").get("1").await.unwrap().unwrap(), b"three");
    for pieces in 0..4_usize {
        let mut writer = objects.writer("large");
        for piece in 0..pieces {
            writer.piece(vec![piece as u8; PIECE_BYTES]).await.unwrap();
        }
        writer.piece(b"end".to_vec()).await.unwrap();
        writer.finish().await.unwrap();
        let size = (pieces * PIECE_BYTES) as u64;
        assert_eq!(objects.head("large").await.unwrap().unwrap().size, size + 3);
        assert_eq!(objects.get_range("large", size..size + 3).await.unwrap(), b"end");
    }
    let size = objects.get("a/1").await.unwrap().unwrap().len() as u64;
    assert!(objects.get_at_most("a/1", size).await.unwrap().is_some());
    let larger = objects.get_at_most("a/1", size - 1).await.unwrap_err();
    assert!(larger.to_string().contains("accepted are at most"), "{larger}");
    objects.delete("a/1").await.unwrap();
    assert_eq!(objects.get_at_most("a/1", 1).await.unwrap(), None);
    objects.delete("a/1").await.unwrap();
    assert!(matches!(
        objects.get_range("a/1", 0..1).await,
        Err(ObjectsError::Missing { .. })
    ));
}

#[test]
fn a_store_in_memory_behaves() {
    run(behaves(&Objects::in_memory().under("some/prefix")));
}

#[test]
fn a_folder_behaves() {
    let (_directory, objects) = folder();
    run(behaves(&objects));
}

#[test]
fn a_folder_that_is_not_there_is_not_created() {
    let directory = tempfile::tempdir().unwrap();
    let missing = directory.path().join("not-mounted");
    let settings = ObjectsSettings {
        url: Some(format!("file://{}", missing.display())),
        ..ObjectsSettings::default()
    };
    let told = open(&settings).unwrap_err().to_string();
    assert!(
        told.contains("objects.url") && told.contains("not a directory"),
        "{told}"
    );
    assert!(!missing.exists());
}

#[test]
fn a_wrong_address_names_the_option_and_what_is_accepted() {
    let told = |url: &str| {
        let settings = ObjectsSettings {
            url: Some(url.to_owned()),
            ..ObjectsSettings::default()
        };
        open(&settings).unwrap_err().to_string()
    };
    assert!(told("").contains("objects.url is not set"));
    for url in [
        "bucket/prefix",
        "ftp://bucket",
        "s3:///prefix",
        "s3://key:secret@bucket",
    ] {
        let told = told(url);
        assert!(told.starts_with("objects.url"), "{told}");
        assert!(!told.contains("secret@"), "{told}");
    }
}

#[test]
fn nobody_at_the_endpoint_is_unreachable_and_named() {
    let settings = ObjectsSettings {
        url: Some("s3://bucket/prefix".into()),
        endpoint: Some("http://127.0.0.1:9".into()),
        access_key: Some("key".into()),
        secret_key: Some("hunter2".into()),
        allow_http: true,
        retries: 1,
        connect_timeout_seconds: 1,
        ..ObjectsSettings::default()
    };
    let objects = open(&settings).unwrap();
    let error = run(objects.check()).unwrap_err();
    assert!(
        matches!(
            error,
            ObjectsError::Unreachable {
                option: "objects.endpoint",
                ..
            }
        ),
        "{error}"
    );
    assert!(error.is_transient());
    assert!(!format!("{error} {settings:?}").contains("hunter2"));
}

#[test]
fn what_a_provider_cannot_be_asked_with_names_the_option() {
    let directory = tempfile::tempdir().unwrap();
    let torn = directory.path().join("torn.json");
    std::fs::write(&torn, "{\"client_email\": \"saga-tracker@example.com\"").unwrap();
    let google = |file: &std::path::Path| ObjectsSettings {
        url: Some("gs://bucket".into()),
        google_credentials_file: Some(file.to_owned()),
        ..ObjectsSettings::default()
    };
    let azure = |account: Option<&str>, key: &str| ObjectsSettings {
        url: Some("az://container".into()),
        access_key: account.map(str::to_owned),
        secret_key: Some(key.into()),
        ..ObjectsSettings::default()
    };
    for (settings, option) in [
        (google(&torn), "objects.google_credentials_file"),
        (
            google(&directory.path().join("none.json")),
            "objects.google_credentials_file",
        ),
        (azure(None, "aHVudGVyMg=="), "objects.access_key"),
        (azure(Some("account"), "hunter2!"), "objects.secret_key"),
    ] {
        let error = open(&settings).unwrap_err();
        assert!(
            matches!(error, ObjectsError::Setting { option: named, .. } if named == option),
            "{error}"
        );
        assert!(!error.to_string().contains("hunter2"), "{error}");
    }
}

#[test]
fn who_is_refused_is_told_of_the_options_that_the_provider_knows() {
    let unauthenticated = object_store::Error::Unauthenticated {
        path: "x".into(),
        source: "401".into(),
    };
    // As the list of Azure and of Google says it.
    let generic = object_store::Error::Generic {
        store: "any",
        source: "Server returned non-2xx status code: 403 Forbidden: <Error/>".into(),
    };
    for error in [unauthenticated, generic] {
        let refused = |place: &str| {
            let error = ObjectsError::of(place, &error);
            assert!(!error.is_transient(), "{error}");
            error.to_string()
        };
        assert!(refused("s3://bucket").contains("objects.secret_key"));
        assert!(refused("az://container").contains("objects.secret_key"));
        let google = refused("gs://bucket/prefix");
        assert!(google.contains("objects.google_credentials_file") && !google.contains("secret_key"));
    }
}

/// Answers every request with a part of a hundred bytes that goes on for 64 MiB.
fn endless() -> std::net::SocketAddr {
    use std::io::{Read as _, Write as _};
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for connection in listener.incoming() {
            let mut connection = connection.unwrap();
            let _ = connection.read(&mut [0; 4096]);
            let head = "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 0-99/100\r\nETag: \"e\"\r\n\
                        Last-Modified: Wed, 21 Oct 2015 07:28:00 GMT\r\nContent-Length: 67108864\r\n\r\n";
            let mut going = connection.write_all(head.as_bytes()).is_ok();
            for _ in 0..1_024 {
                going = going && connection.write_all(&[7; 0x1_0000]).is_ok();
            }
        }
    });
    address
}

#[test]
fn more_than_was_asked_for_is_not_read_to_its_end() {
    let settings = ObjectsSettings {
        url: Some("s3://bucket".into()),
        endpoint: Some(format!("http://{}", endless())),
        access_key: Some("key".into()),
        secret_key: Some("hunter2".into()),
        allow_http: true,
        retries: 0,
        ..ObjectsSettings::default()
    };
    let objects = open(&settings).unwrap();
    let told = run(objects.get_part("x", 0..100)).unwrap_err().to_string();
    let bytes = told.split("x: ").nth(1).and_then(|rest| rest.split(' ').next());
    let bytes: usize = bytes
        .and_then(|bytes| bytes.parse().ok())
        .unwrap_or_else(|| panic!("{told}"));
    assert!(told.contains("or more came, 100 were asked for"), "{told}");
    assert!(bytes < 16 << 20, "{told}");
}
