use super::*;
use crate::domain::{Event, SagaDefinitions, SagaId, evidence, fold};
use crate::testkit::traffic;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use std::collections::BTreeMap;

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().build().unwrap()
}

fn sagas(events: Vec<Event>) -> Vec<ArchivedSaga> {
    let mut by_saga: BTreeMap<SagaId, Vec<Event>> = BTreeMap::new();
    for event in events {
        by_saga.entry(event.saga_id.clone()).or_default().push(event);
    }
    by_saga
        .into_iter()
        .map(|(saga, events)| ArchivedSaga {
            state: fold(&events, &SagaDefinitions::default()).unwrap(),
            saga,
            events,
        })
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn every_saga_comes_back_as_it_was(events in traffic(60), texts in prop::collection::vec(any::<Option<String>>(), 60)) {
        let mut events = events;
        for (event, text) in events.iter_mut().zip(texts) {
            event.metadata = text.clone().map(Into::into);
            event.producer_service = text.map(Into::into);
        }
        let mut sagas = sagas(events);
        let file = write(&mut sagas).unwrap();
        let objects = Objects::in_memory();
        runtime().block_on(async {
            upload(&objects, "a", &file).await.unwrap();
            for (saga, group) in sagas.iter().zip(&file.row_groups) {
                let found = read_saga(&objects, "a", file.bytes.len() as u64, *group, (&saga.saga, u32::MAX)).await.unwrap();
                assert_eq!(evidence(&found.events), evidence(&saga.events));
                assert_eq!(found.reads, 1);
            }
        });
    }
}

/// A day of many sagas in one file.
fn large() -> Vec<ArchivedSaga> {
    let sample = traffic(40)
        .new_tree(&mut TestRunner::deterministic())
        .unwrap()
        .current();
    let mut events = Vec::new();
    for number in 0..2_000u64 {
        for (at, event) in (0..).zip(&sample[..sample.len().min(8)]) {
            let mut event = event.clone();
            event.saga_id = format!("saga-{number}").into();
            event.position.offset = number * 8 + at;
            event.event_id = blake3::hash(&event.position.offset.to_be_bytes())
                .to_hex()
                .as_str()
                .into();
            event.metadata = Some(format!("{{\"traceId\":\"{}\"}}", event.event_id).into());
            events.push(event);
        }
    }
    sagas(events)
}

#[test]
fn a_saga_of_a_large_file_takes_two_small_reads() {
    let mut sagas = large();
    let file = write(&mut sagas).unwrap();
    assert!(file.bytes.len() > 256 << 10, "{}", file.bytes.len());
    assert!(*file.row_groups.last().unwrap() > 3);
    let objects = Objects::in_memory();
    runtime().block_on(async {
        upload(&objects, "a", &file).await.unwrap();
        for index in [0, 777, sagas.len() - 1] {
            let (saga, group) = (&sagas[index], file.row_groups[index]);
            let found = read_saga(
                &objects,
                "a",
                file.bytes.len() as u64,
                group,
                (&saga.saga, u32::MAX),
            )
            .await
            .unwrap();
            assert_eq!(evidence(&found.events), evidence(&saga.events));
            assert_eq!(found.reads, 2);
        }
    });
}

#[test]
fn damage_is_reported_never_read() {
    let mut sagas = large();
    sagas.truncate(50);
    let file = write(&mut sagas).unwrap();
    let objects = Objects::in_memory();
    let size = file.bytes.len() as u64;
    runtime().block_on(async {
        let wanted = (&sagas[0].saga, u32::MAX);
        let read = |size| read_saga(&objects, "a", size, 0, wanted);
        assert!(read(size).await.is_err());
        objects
            .put("a", file.bytes[..file.bytes.len() - 9].to_vec())
            .await
            .unwrap();
        assert!(read(size).await.is_err());
        assert!(read(size - 9).await.is_err());
        objects.put("a", vec![0; file.bytes.len()]).await.unwrap();
        assert!(read(size).await.is_err());
        objects.put("a", file.bytes.clone()).await.unwrap();
        let none = read_saga(&objects, "a", size, 9, wanted).await;
        assert!(matches!(none, Err(ArchiveError::Damaged { .. })), "{none:?}");
        assert!(read(size).await.is_ok());
    });
}

#[test]
fn sizes_that_are_named_take_no_memory_and_no_more_deliveries_come_than_were_removed() {
    let mut sagas = large();
    let file = write(&mut sagas).unwrap();
    let objects = Objects::in_memory();
    let (first, group) = (&sagas[0], file.row_groups[0]);
    let deliveries = u32::try_from(first.events.len()).unwrap();
    let whole = file.bytes.len() as u64;
    runtime().block_on(async {
        upload(&objects, "a", &file).await.unwrap();
        // A decision once named 2^45 bytes, and whoever read the object was gone.
        for size in [1 << 45, u64::MAX, whole + 1, whole - 1, 0] {
            let told = read_saga(&objects, "a", size, group, (&first.saga, deliveries)).await;
            assert!(
                matches!(&told, Err(ArchiveError::Damaged { .. })),
                "{size}: {told:?}"
            );
        }
        let fewer = read_saga(&objects, "a", whole, group, (&first.saga, deliveries - 1)).await;
        assert!(matches!(&fewer, Err(ArchiveError::Damaged { .. })), "{fewer:?}");
        let found = read_saga(&objects, "a", whole, group, (&first.saga, deliveries)).await;
        assert_eq!(found.unwrap().events.len(), first.events.len());
        // An index that says it is as long as a u32 can.
        let mut bytes = file.bytes.clone();
        let at = bytes.len() - 8;
        bytes[at..at + 4].copy_from_slice(&u32::MAX.to_le_bytes());
        objects.put("b", bytes).await.unwrap();
        let told = read_saga(&objects, "b", whole, group, (&first.saga, deliveries)).await;
        assert!(matches!(&told, Err(ArchiveError::Damaged { .. })), "{told:?}");
    });
}

#[test]
fn names_are_partitions_that_every_reader_of_hives_layout_knows() {
    assert_eq!(
        object_name("ORDER_CREATION", "2025-11-20", &[0xab; 32]),
        "archive/saga_type=ORDER_CREATION/day=2025-11-20/abababababababababababababababab.parquet"
    );
    assert_eq!(
        object_name("a/b=주", "2025-11-20", &[0; 32]),
        "archive/saga_type=a_b__/day=2025-11-20/00000000000000000000000000000000.parquet"
    );
}
