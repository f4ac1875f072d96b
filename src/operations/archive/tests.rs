use super::*;
use crate::domain::{Event, RowGroups, SagaDefinitions, SagaId, SagaState, deduplicate, evidence, fold};
use crate::operations::objects::Objects;
use crate::testkit::traffic;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use std::collections::BTreeMap;
use std::io::Write as _;
use std::ops::ControlFlow;

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().build().unwrap()
}

struct ArchivedSaga {
    saga: SagaId,
    state: SagaState,
    events: Vec<Event>,
}

struct File {
    bytes: Vec<u8>,
    row_groups: Vec<RowGroups>,
}

#[derive(Debug)]
struct Found {
    events: Vec<Event>,
    /// Those that stand.
    timeline: Vec<Event>,
    reads: u32,
    max_bytes: usize,
}

/// What is recorded of a file.
fn stored(bytes: &[u8]) -> Stored {
    Stored {
        size: bytes.len() as u64,
        hash: *blake3::hash(bytes).as_bytes(),
    }
}

/// Objects of any size are read in parts.
const IN_PARTS: u64 = 0;

/// Adds a saga as whoever decides that it goes does.
fn add<W: io::Write + Send>(file: &mut Writer<W>, saga: &ArchivedSaga) -> RowGroups {
    let standing = deduplicate(&saga.events).timeline;
    let standing: Vec<_> = standing.iter().map(|event| event.position).collect();
    let mut own = saga.events.clone();
    own.sort_by_key(Event::timeline_key);
    file.begin(&saga.state).unwrap();
    for event in own {
        let stands = standing.contains(&event.position);
        file.add(&event, stands).unwrap();
    }
    file.end()
}

fn write(sagas: &[ArchivedSaga]) -> File {
    let mut file = Writer::new(Vec::new()).unwrap();
    let row_groups = sagas.iter().map(|saga| add(&mut file, saga)).collect();
    let bytes = file.finish().unwrap();
    File { bytes, row_groups }
}

async fn read_saga(
    whole: u64,
    objects: &Objects,
    object: (&str, &Stored),
    groups: RowGroups,
    wanted: (&SagaId, u32),
) -> Result<Found, ArchiveError> {
    let mut reader = SagaReader::open_up_to(whole, objects, object, groups, wanted).await?;
    let (mut events, mut timeline, mut max_bytes) = (Vec::new(), Vec::new(), 0);
    while reader.load_next().await? {
        max_bytes = max_bytes.max(reader.held_bytes());
        reader.each(&mut |event, stands| {
            timeline.extend(stands.then(|| event.clone()));
            events.push(event);
            ControlFlow::Continue(())
        })?;
    }
    let reads = reader.reads();
    Ok(Found {
        events,
        timeline,
        reads,
        max_bytes,
    })
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
        let sagas = sagas(events);
        let file = write(&sagas);
        let objects = Objects::in_memory();
        runtime().block_on(async {
            objects.put("a", file.bytes.clone()).await.unwrap();
            let object = ("a", &stored(&file.bytes));
            for (saga, group) in sagas.iter().zip(&file.row_groups) {
                let standing: Vec<_> = deduplicate(&saga.events).timeline.into_iter().cloned().collect();
                for (whole, reads) in [(reading_objects::WHOLE, 1), (IN_PARTS, 2)] {
                    let found = read_saga(whole, &objects, object, *group, (&saga.saga, u32::MAX)).await.unwrap();
                    assert_eq!(evidence(&found.events), evidence(&saga.events));
                    assert_eq!(found.timeline, standing);
                    assert_eq!(found.reads, reads);
                }
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
    let sagas = large();
    let file = write(&sagas);
    assert!(file.bytes.len() > 256 << 10, "{}", file.bytes.len());
    assert!(file.row_groups.last().unwrap().first > 3);
    assert!(file.row_groups.iter().all(|groups| groups.count == 1));
    let objects = Objects::in_memory();
    runtime().block_on(async {
        objects.put("a", file.bytes.clone()).await.unwrap();
        for index in [0, 777, sagas.len() - 1] {
            let (saga, group) = (&sagas[index], file.row_groups[index]);
            let (object, wanted) = (("a", &stored(&file.bytes)), (&saga.saga, u32::MAX));
            let found = read_saga(IN_PARTS, &objects, object, group, wanted)
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
    let file = write(&sagas);
    for whole in [reading_objects::WHOLE, IN_PARTS] {
        let objects = Objects::in_memory();
        let written = stored(&file.bytes);
        let shorter = stored(&file.bytes[..file.bytes.len() - 9]);
        runtime().block_on(async {
            let wanted = (&sagas[0].saga, u32::MAX);
            let of = async |written: &Stored, groups| {
                read_saga(whole, &objects, ("a", written), groups, wanted).await
            };
            let own = file.row_groups[0];
            assert!(of(&written, own).await.is_err());
            let cut = file.bytes[..file.bytes.len() - 9].to_vec();
            objects.put("a", cut).await.unwrap();
            assert!(of(&written, own).await.is_err());
            assert!(of(&shorter, own).await.is_err());
            objects.put("a", vec![0; file.bytes.len()]).await.unwrap();
            assert!(of(&written, own).await.is_err());
            objects.put("a", file.bytes.clone()).await.unwrap();
            for (first, count) in [(9, 1), (0, 2), (0, u32::MAX), (u32::MAX, 1)] {
                let none = of(&written, RowGroups { first, count }).await;
                assert!(matches!(none, Err(ArchiveError::Damaged { .. })), "{none:?}");
            }
            assert!(of(&written, own).await.is_ok());
        });
    }
}

#[test]
fn an_object_whose_bytes_were_changed_is_refused_by_name_before_it_is_parsed() {
    let sagas = large();
    let file = write(&sagas);
    let objects = Objects::in_memory();
    let (first, last) = (&sagas[0], sagas.last().unwrap());
    let written = stored(&file.bytes);
    let ask = |bytes: Vec<u8>, saga: &ArchivedSaga, groups| {
        runtime().block_on(async {
            objects.put("archive/a.parquet", bytes).await.unwrap();
            let wanted = (&saga.saga, u32::MAX);
            SagaReader::open(&objects, ("archive/a.parquet", &written), groups, wanted)
                .await
                .map(|reader| reader.reads())
        })
    };
    let (near, far) = (file.row_groups[0], *file.row_groups.last().unwrap());
    assert!(matches!(ask(file.bytes.clone(), first, near), Ok(1)));
    // In what is never parsed for this saga, in what is, in the index, and all of it.
    let at = |place: usize| {
        let mut bytes = file.bytes.clone();
        bytes[place] ^= 1;
        bytes
    };
    let size = file.bytes.len();
    for (bytes, saga, groups) in [
        (at(9), last, far),
        (at(9), first, near),
        (at(size - 20), first, near),
        (at(size - 6), first, near),
        (vec![b'x'; size], first, near),
    ] {
        let told = ask(bytes, saga, groups).unwrap_err().to_string();
        assert!(
            told.contains("archive/a.parquet is damaged") && told.contains("BLAKE3"),
            "{told}"
        );
    }
}

#[test]
fn sizes_that_are_named_take_no_memory_and_no_more_deliveries_come_than_were_removed() {
    let sagas = large();
    let file = write(&sagas);
    let objects = Objects::in_memory();
    let (first, group) = (&sagas[0], file.row_groups[0]);
    let deliveries = u32::try_from(first.events.len()).unwrap();
    let written = stored(&file.bytes);
    let length = written.size;
    runtime().block_on(async {
        objects.put("a", file.bytes.clone()).await.unwrap();
        for whole in [reading_objects::WHOLE, IN_PARTS] {
            let of = async |object: &str, written: &Stored, deliveries| {
                let wanted = (&first.saga, deliveries);
                read_saga(whole, &objects, (object, written), group, wanted).await
            };
            // A decision once named 2^45 bytes, and whoever read the object was gone.
            for size in [1 << 45, u64::MAX, length + 1, length - 1, 0] {
                let hash = written.hash;
                let told = of("a", &Stored { size, hash }, deliveries).await;
                assert!(
                    matches!(&told, Err(ArchiveError::Damaged { .. })),
                    "{size}: {told:?}"
                );
            }
            let fewer = of("a", &written, deliveries - 1).await;
            assert!(matches!(&fewer, Err(ArchiveError::Damaged { .. })), "{fewer:?}");
            let found = of("a", &written, deliveries).await;
            assert_eq!(found.unwrap().events.len(), first.events.len());
            // An index that says it is as long as a u32 can.
            let mut bytes = file.bytes.clone();
            let at = bytes.len() - 8;
            bytes[at..at + 4].copy_from_slice(&u32::MAX.to_le_bytes());
            let recorded = stored(&bytes);
            objects.put("b", bytes).await.unwrap();
            let told = of("b", &recorded, deliveries).await;
            assert!(matches!(&told, Err(ArchiveError::Damaged { .. })), "{told:?}");
        }
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

/// A saga of so many deliveries, every seventh of which does not stand, between two small ones.
fn one_large(deliveries: u64) -> Vec<ArchivedSaga> {
    let mut all = large();
    all.truncate(2);
    let sample = all[0].events[0].clone();
    let events = (0..deliveries).map(|at| {
        let mut event = sample.clone();
        event.saga_id = "saga-00".into();
        event.position.offset = 1_000_000 + at;
        let random = blake3::hash(&at.to_be_bytes()).to_hex();
        event.event_id = if at % 7 == 3 {
            "again".into()
        } else {
            random.as_str().into()
        };
        event.metadata = Some(format!("{{\"traceId\":\"{random}\"}}").into());
        event
    });
    let events: Vec<Event> = events.collect();
    let state = all[0].state.clone();
    let saga = SagaId::from("saga-00");
    all.insert(1, ArchivedSaga { saga, state, events });
    all
}

#[test]
fn a_large_saga_is_written_and_read_one_row_group_at_a_time() {
    let sagas = one_large(13_000);
    let mut out = Writer::new(Vec::new()).unwrap();
    let mut most_rows = 0;
    for event in &sagas[1].events {
        if most_rows == 0 {
            out.begin(&sagas[1].state).unwrap();
        }
        out.add(event, true).unwrap();
        most_rows = most_rows.max(out.held_rows());
    }
    assert_eq!(most_rows, 4_096);
    let file = write(&sagas);
    assert_eq!(file.row_groups[0], RowGroups { first: 0, count: 1 });
    assert_eq!(file.row_groups[1], RowGroups { first: 0, count: 4 });
    let objects = Objects::in_memory();
    let object = ("a", &stored(&file.bytes));
    runtime().block_on(async {
        objects.put("a", file.bytes.clone()).await.unwrap();
        for (saga, groups) in sagas.iter().zip(&file.row_groups) {
            let deliveries = u32::try_from(saga.events.len()).unwrap();
            let wanted = (&saga.saga, deliveries);
            let found = read_saga(IN_PARTS, &objects, object, *groups, wanted)
                .await
                .unwrap();
            let mut own = saga.events.clone();
            own.sort_by_key(Event::timeline_key);
            assert_eq!(found.events, own, "in the order of the timeline");
            assert_eq!(found.reads, 1 + groups.count);
            assert!(
                found.max_bytes < file.bytes.len() / 2,
                "{} bytes",
                found.max_bytes
            );
            let fewer = (&saga.saga, deliveries - 1);
            let told = read_saga(IN_PARTS, &objects, object, *groups, fewer).await;
            assert!(matches!(&told, Err(ArchiveError::Damaged { .. })), "{told:?}");
        }
    });
}

#[test]
fn much_metadata_ends_a_row_group_too() {
    let mut file = Writer::new(Vec::new()).unwrap();
    let saga = &one_large(1)[1];
    file.begin(&saga.state).unwrap();
    for _ in 0..9 {
        let mut event = saga.events[0].clone();
        event.metadata = Some("x".repeat(1 << 20).into());
        file.add(&event, true).unwrap();
        assert!(file.held_rows() <= 4);
    }
    assert_eq!(file.end(), RowGroups { first: 0, count: 3 });
}

#[test]
fn what_is_uploaded_piece_by_piece_is_there_as_it_was_made_or_it_is_told() {
    let (objects, runtime) = (Objects::in_memory(), runtime());
    let file = write(&one_large(500));
    let mut upload = Upload::new(&objects, runtime.handle().clone(), "a");
    // More than a piece.
    let mut all = Vec::new();
    while all.len() <= crate::operations::objects::PIECE_BYTES {
        upload.write_all(&file.bytes).unwrap();
        all.extend_from_slice(&file.bytes);
    }
    let stored = upload.finish().unwrap();
    assert_eq!(
        (stored.size, stored.hash),
        (all.len() as u64, *blake3::hash(&all).as_bytes())
    );
    assert_eq!(runtime.block_on(objects.get("a")).unwrap(), Some(all.clone()));
    let other = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = all.clone();
        change(&mut bytes);
        runtime.block_on(objects.put("a", bytes)).unwrap();
        runtime.block_on(stored::verify(&objects, "a", &stored))
    };
    assert!(other(&|_| {}).is_ok());
    let changed = other(&|bytes| bytes[9] ^= 1);
    assert!(
        matches!(&changed, Err(ArchiveError::Damaged { .. })),
        "{changed:?}"
    );
    let longer = other(&|bytes| bytes.push(0));
    assert!(matches!(&longer, Err(ArchiveError::Damaged { .. })), "{longer:?}");
    runtime.block_on(objects.delete("a")).unwrap();
    let none = runtime.block_on(stored::verify(&objects, "a", &stored));
    assert!(matches!(&none, Err(ArchiveError::Missing(_))), "{none:?}");
}
