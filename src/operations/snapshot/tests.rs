//! Snapshots of real stores, in object stores in memory and in a folder.

mod manifests;
mod pruning;

use super::*;
use crate::domain::Millis;
use crate::domain::clock::{Clock, SharedClock};
use crate::operations::objects::{Objects, ObjectsSettings};
use crate::store::codec::Record;
use crate::store::records::OffsetRecord;
use crate::store::rocks::{ENGINE, RocksSettings, RocksStore};
use crate::store::{Batch, Durability, Key, SharedStore, StoreRead, Table, keys};
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

const TOPIC: &str = "topic";

/// A clock that goes on by an hour each time it is read.
#[derive(Default)]
struct Hours(AtomicI64);

impl Clock for Hours {
    fn now(&self) -> Millis {
        Millis(1_769_904_000_000 + self.0.fetch_add(3_600_000, Ordering::Relaxed))
    }
}

/// A store, and where its snapshots go.
struct World {
    directory: tempfile::TempDir,
    store: SharedStore,
    objects: Objects,
    clock: SharedClock,
    settings: SnapshotSettings,
    written: u64,
}

fn small() -> RocksSettings {
    RocksSettings {
        block_cache_mib: 8,
        write_buffer_mib: 8,
        max_wal_mib: 8,
        ..RocksSettings::default()
    }
}

impl World {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let store = RocksStore::open(directory.path().join("data"), &small()).unwrap();
        Self {
            store: Arc::new(store),
            objects: Objects::in_memory(),
            clock: Arc::new(Hours::default()),
            settings: SnapshotSettings {
                mib_per_second: 0,
                ..SnapshotSettings::default()
            },
            directory,
            written: 0,
        }
    }

    fn depot(&self) -> Depot {
        Depot::new(&self.objects)
    }

    /// Rows that compress badly, and the offsets that go with them.
    fn write(&mut self, rows: u64) {
        let mut batch = Batch::new();
        for number in self.written..self.written + rows {
            let value: Vec<u8> = (0..8_u64)
                .flat_map(|part| *blake3::hash(&(number * 8 + part).to_be_bytes()).as_bytes())
                .collect();
            batch.put(
                Table::Log,
                &Key::new(format!("saga-{}", number % 97).as_bytes(), &number.to_be_bytes()),
                &value,
            );
        }
        self.written += rows;
        let mut key = Key::default();
        keys::offsets(&mut key, TOPIC, 0);
        let row = OffsetRecord {
            next: self.written,
            ..OffsetRecord::default()
        };
        batch.put_with(Table::Offsets, &key, |bytes| row.write(bytes));
        self.store.write(&batch, Durability::Process).unwrap();
    }

    fn create(&self) -> Create {
        Create {
            store: self.store.clone(),
            depot: self.depot(),
            settings: self.settings.clone(),
            scratch: self.directory.path().join("data/checkpoint"),
            topic: TOPIC.to_owned(),
            clock: self.clock.clone(),
            progress: Arc::default(),
        }
    }

    async fn snapshot(&self) -> Created {
        let id = SnapshotId::new(self.clock.now(), 7);
        self.create().run(id).await.unwrap()
    }

    fn restore(&self, target: &Path) -> Restore {
        Restore {
            depot: self.depot(),
            target: target.to_owned(),
            engine: ENGINE,
            open: Arc::new(|path| RocksStore::open_copy(path)),
            progress: Arc::default(),
        }
    }

    fn target(&self) -> std::path::PathBuf {
        self.directory.path().join("restored")
    }
}

fn rows(store: &dyn StoreRead) -> Vec<(Vec<u8>, Vec<u8>, Vec<u8>)> {
    let mut rows = Vec::new();
    for table in Table::all() {
        store
            .scan_table(table, &mut |partition, sort, value| {
                rows.push((partition.to_vec(), sort.to_vec(), value.to_vec()));
                ControlFlow::Continue(())
            })
            .unwrap();
    }
    rows
}

fn run<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap()
        .block_on(work)
}

fn names(directory: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(directory).unwrap();
    let mut names: Vec<_> = entries
        .map(|e| e.unwrap().file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

/// A manifest of a store that is one file.
fn manifest_of(name: &str) -> Manifest {
    Manifest {
        id: SnapshotId::new(Millis(0), 0),
        created_at: String::new(),
        tracker: String::new(),
        engine: ENGINE.to_owned(),
        head: name.to_owned(),
        numbers: Numbers::default(),
        files: vec![FileEntry {
            name: name.to_owned(),
            size: 7,
            hash: "0".repeat(64),
            inode: 0,
            modified_ns: 0,
        }],
        bytes: 7,
        new_bytes: 0,
        sent_bytes: 0,
        took_ms: 0,
    }
}

#[test]
fn a_snapshot_restores_to_the_store_of_its_moment() {
    run(async {
        let mut world = World::new();
        world.write(2_000);
        let before = rows(&*world.store);
        let made = world.snapshot().await;
        world.write(500);

        let manifest = world.depot().resolve(None, None).await.unwrap();
        assert_eq!(manifest, made.manifest);
        assert_eq!(manifest.numbers.partitions[0].next, 2_000);
        assert_eq!(manifest.numbers.offsets(), 2_000);
        let target = world.target();
        let done = world.restore(&target).run(&manifest).await.unwrap();
        assert_eq!((done.fetched, done.kept), (manifest.files.len(), 0));
        let restored = RocksStore::open(&target, &small()).unwrap();
        assert_eq!(rows(&restored), before);
        assert!(!target.join("restore.partial").exists());
        assert_eq!(names(&world.directory.path().join("data/checkpoint")), [""; 0]);
    });
}

#[test]
fn a_store_that_makes_no_copies_of_itself_is_refused_in_words() {
    run(async {
        let mut world = World::new();
        world.store = Arc::new(crate::store::plain::PlainStore::default());
        let refused = world.create().run(SnapshotId::new(world.clock.now(), 7)).await;
        let error = refused.map(|_| ()).unwrap_err();
        assert!(matches!(error, SnapshotError::NoCopies), "{error}");
        assert!(error.to_string().contains("its engine") && !error.is_transient());
        assert!(world.depot().ids().await.unwrap().is_empty());
    });
}

#[test]
fn a_file_is_sent_once_and_what_is_sent_is_hardly_more_than_new_tables() {
    run(async {
        let mut world = World::new();
        world.write(20_000);
        let mut known = BTreeMap::new();
        for round in 0..4 {
            let made = world.snapshot().await;
            let mut new_tables = 0;
            for file in &made.manifest.files {
                let is_new = known.insert(file.name.clone(), file.hash.clone()).is_none();
                if is_new && file.name.ends_with(".sst") {
                    new_tables += file.size;
                }
            }
            let sent = made.manifest.sent_bytes + made.manifest_bytes as u64;
            assert!(
                new_tables > 1 << 20,
                "round {round}: {new_tables} new bytes are too few to tell"
            );
            assert!(
                sent * 10 <= new_tables * 11,
                "round {round}: sent {sent} for {new_tables}"
            );
            world.write(8_000);
        }
        // Without a write in between, hardly anything.
        world.snapshot().await;
        let idle = world.snapshot().await;
        assert!(idle.manifest.sent_bytes < 200_000, "{}", idle.manifest.sent_bytes);
    });
}

#[test]
fn what_an_interrupted_snapshot_sent_is_not_sent_again() {
    run(async {
        let mut world = World::new();
        world.write(5_000);
        let first = world.snapshot().await;
        let place = world.depot();
        // As if it had been killed before its manifest.
        let inside = world.objects.under("snapshots");
        inside
            .delete(&format!("manifests/{}.json", first.manifest.id))
            .await
            .unwrap();
        inside.delete("latest.json").await.unwrap();
        assert!(matches!(
            place.resolve(None, None).await,
            Err(SnapshotError::NoSuch { .. })
        ));

        let second = world.snapshot().await;
        let tables = |files: &[FileEntry]| -> u64 {
            files
                .iter()
                .filter(|f| f.name.ends_with(".sst"))
                .map(|f| f.size)
                .sum()
        };
        let all = tables(&first.manifest.files);
        assert!(
            second.manifest.sent_bytes < all / 10,
            "{} of {all}",
            second.manifest.sent_bytes
        );
        assert_eq!(
            verify(&place, &[second.manifest], &Progress::default())
                .await
                .unwrap()
                .damage,
            [""; 0]
        );
    });
}

#[test]
fn an_old_file_that_no_snapshot_names_is_not_counted_on() {
    run(async {
        let mut world = World::new();
        world.write(1_000);
        let first = world.snapshot().await;
        let inside = world.objects.under("snapshots");
        inside
            .delete(&format!("manifests/{}.json", first.manifest.id))
            .await
            .unwrap();
        // Half of a grace of a second is over after the second.
        world.settings.grace_seconds = 1;
        std::thread::sleep(std::time::Duration::from_millis(1_100));
        let create = Create {
            settings: SnapshotSettings {
                grace_seconds: 1,
                ..world.settings.clone()
            },
            ..world.create()
        };
        let again = create.run(SnapshotId::new(world.clock.now(), 1)).await;
        match again {
            Ok(again) => assert_eq!(again.sent_files, again.manifest.files.len()),
            // On a slow machine it takes half a second.
            Err(error) => assert!(matches!(error, SnapshotError::TooSlow { .. }), "{error}"),
        }
    });
}

#[test]
fn damage_of_any_kind_is_found_where_it_is() {
    run(async {
        let mut world = World::new();
        world.write(1_000);
        let manifest = world.snapshot().await.manifest;
        let (place, inside) = (world.depot(), world.objects.under("snapshots"));
        let check = async || {
            verify(&place, std::slice::from_ref(&manifest), &Progress::default())
                .await
                .unwrap()
        };
        assert_eq!(check().await.damage.len(), 0);
        assert_eq!(check().await.bytes, manifest.bytes);

        let file = manifest
            .files
            .iter()
            .find(|file| file.name.ends_with(".sst"))
            .unwrap();
        let name = Depot::file(&file.hash);
        let whole = inside.get(&name).await.unwrap().unwrap();
        let mut flipped = whole.clone();
        flipped[whole.len() / 2] ^= 1;
        for (bytes, told) in [
            (flipped, "hash"),
            (whole[1..].to_vec(), "bytes"),
            (Vec::new(), "bytes"),
        ] {
            inside.put(&name, bytes).await.unwrap();
            let damage = check().await.damage;
            assert!(damage.len() == 1 && damage[0].contains(told), "{damage:?}");
            let refused = world.restore(&world.target()).run(&manifest).await.unwrap_err();
            assert!(matches!(refused, SnapshotError::Damaged { .. }), "{refused}");
            assert!(!world.target().join("CURRENT").exists());
        }
        inside.delete(&name).await.unwrap();
        assert!(check().await.damage[0].contains("missing"));

        let name = format!("manifests/{}.json", manifest.id);
        let text = String::from_utf8(inside.get(&name).await.unwrap().unwrap()).unwrap();
        let changed = text.replace("\"projected\":0", "\"projected\":9");
        assert_ne!(text, changed);
        inside.put(&name, changed.into_bytes()).await.unwrap();
        let refused = place.manifest(&manifest.id).await.unwrap_err();
        assert!(refused.to_string().contains("its hash is"), "{refused}");
        inside.put(&name, b"{\"format\":9}".to_vec()).await.unwrap();
        assert!(matches!(
            place.manifest(&manifest.id).await,
            Err(SnapshotError::UnknownFormat { found: 9, .. })
        ));
    });
}

#[test]
fn what_a_restore_writes_goes_through_no_link() {
    let mut world = World::new();
    world.write(10);
    run(async {
        let manifest = world.snapshot().await.manifest;
        let target = world.target();
        let elsewhere = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(&target).unwrap();
        std::os::unix::fs::symlink(elsewhere.path(), target.join("restore.partial")).unwrap();
        world.restore(&target).run(&manifest).await.unwrap();
        assert_eq!(names(elsewhere.path()), [""; 0]);
        assert!(target.join(&manifest.head).is_file());
    });
}

#[test]
fn a_restore_refuses_a_directory_that_holds_anything() {
    run(async {
        let mut world = World::new();
        world.write(100);
        let manifest = world.snapshot().await.manifest;
        let target = world.target();
        std::fs::create_dir(&target).unwrap();
        std::fs::create_dir(target.join("lost+found")).unwrap();
        std::fs::write(target.join("notes.txt"), "mine").unwrap();
        let refused = world.restore(&target).run(&manifest).await.unwrap_err();
        assert!(refused.to_string().contains("notes.txt"), "{refused}");
        assert_eq!(names(&target), ["lost+found", "notes.txt"]);
        std::fs::remove_file(target.join("notes.txt")).unwrap();
        world.restore(&target).run(&manifest).await.unwrap();
        let again = world.restore(&target).run(&manifest).await.unwrap_err();
        assert!(matches!(again, SnapshotError::NotEmpty { .. }), "{again}");
    });
}

#[test]
fn an_interrupted_restore_goes_on_with_what_is_there() {
    run(async {
        let mut world = World::new();
        world.write(3_000);
        let older = world.snapshot().await.manifest;
        world.write(3_000);
        let manifest = world.snapshot().await.manifest;
        let target = world.target();
        world.restore(&target).run(&manifest).await.unwrap();
        // Back to the middle of the moves: some in place, some not, the head not.
        let partial = target.join("restore.partial");
        std::fs::create_dir(&partial).unwrap();
        std::fs::write(partial.join("restore.json"), manifest.to_bytes().unwrap()).unwrap();
        for (index, file) in manifest.files.iter().enumerate() {
            if file.name == manifest.head || index % 2 == 0 {
                std::fs::rename(target.join(&file.name), partial.join(&file.name)).unwrap();
            }
        }
        assert!(is_unfinished(&target));
        assert!(
            RocksStore::open(&target, &small()).is_err(),
            "half a store is served"
        );
        // One of them is damaged by the crash.
        let torn = manifest
            .files
            .iter()
            .find(|file| file.name.ends_with(".sst"))
            .unwrap();
        for place in [target.join(&torn.name), partial.join(&torn.name)] {
            if place.exists() {
                std::fs::write(place, "torn").unwrap();
            }
        }
        let done = world.restore(&target).run(&manifest).await.unwrap();
        assert_eq!((done.fetched, done.kept), (1, manifest.files.len() - 1));
        assert!(!is_unfinished(&target));
        assert_eq!(
            rows(&RocksStore::open(&target, &small()).unwrap()).len(),
            rows(&*world.store).len()
        );

        // Another snapshot than the one that was begun.
        let other = world.directory.path().join("other");
        let partial = other.join("restore.partial");
        std::fs::create_dir_all(&partial).unwrap();
        std::fs::write(partial.join("restore.json"), manifest.to_bytes().unwrap()).unwrap();
        std::fs::write(partial.join("junk"), "junk").unwrap();
        world.restore(&other).run(&older).await.unwrap();
        let restored = RocksStore::open_copy(&other).unwrap();
        assert_eq!(Numbers::of(&*restored, TOPIC).unwrap(), older.numbers);
        assert!(!other.join("restore.partial").exists() && !other.join("junk").exists());
    });
}

#[test]
fn the_snapshot_of_a_time_is_the_newest_before_it() {
    run(async {
        let mut world = World::new();
        let mut made = Vec::new();
        for _ in 0..3 {
            world.write(100);
            made.push(world.snapshot().await.manifest.id);
        }
        let place = world.depot();
        let at = async |at: i64| {
            place
                .resolve(None, Some(Millis(at)))
                .await
                .map(|manifest| manifest.id)
        };
        assert_eq!(at(made[1].at().0).await.unwrap(), made[1]);
        assert_eq!(at(made[2].at().0 - 1).await.unwrap(), made[1]);
        assert_eq!(at(i64::MAX).await.unwrap(), made[2]);
        assert!(matches!(
            at(made[0].at().0 - 1).await,
            Err(SnapshotError::NoSuch { .. })
        ));
        // The pointer is a convenience: without it, or with one that leads nowhere, the list knows.
        let inside = world.objects.under("snapshots");
        for pointer in ["", "{\"format\":1,\"snapshot\":\"20200101T000000000Z-00000000\"}"] {
            inside.put("latest.json", pointer.into()).await.unwrap();
            assert_eq!(place.resolve(None, None).await.unwrap().id, made[2]);
        }
    });
}

#[test]
fn snapshots_go_to_a_folder_too() {
    run(async {
        let mut world = World::new();
        let folder = tempfile::tempdir().unwrap();
        let settings = ObjectsSettings {
            url: Some(format!("file://{}", folder.path().display())),
            ..ObjectsSettings::default()
        };
        world.objects = crate::operations::objects::open(&settings).unwrap();
        world.write(5_000);
        world.snapshot().await;
        world.write(5_000);
        let manifest = world.snapshot().await.manifest;
        prune(
            &world.depot(),
            &SnapshotSettings {
                keep_last: 1,
                ..world.settings.clone()
            },
            false,
        )
        .await
        .unwrap();
        world.restore(&world.target()).run(&manifest).await.unwrap();
        assert_eq!(
            rows(&RocksStore::open(world.target(), &small()).unwrap()),
            rows(&*world.store)
        );
        assert!(names(&folder.path().join("snapshots")).contains(&"latest.json".to_owned()));
    });
}

#[test]
fn a_manifest_is_written_once_and_never_longer_than_is_read() {
    run(async {
        let objects = Objects::in_memory();
        let depot = Depot::new(&objects);
        let manifest = manifest_of("CURRENT");
        depot.put_manifest(&manifest).await.unwrap();
        depot.put_manifest(&manifest).await.unwrap();
        let other = manifest_of("another");
        let told = depot.put_manifest(&other).await.unwrap_err().to_string();
        assert!(told.contains("another snapshot has this id"), "{told}");
        let name = format!("snapshots/manifests/{}.json", manifest.id);
        objects.put(&name, vec![b' '; 1 << 20]).await.unwrap();
        let told = depot.put_manifest(&manifest).await.unwrap_err().to_string();
        assert!(told.contains("another snapshot has this id"), "{told}");

        let mut long = manifest_of("CURRENT");
        long.id = SnapshotId::new(Millis(1), 0);
        long.files = vec![manifest_of(&"x".repeat(1 << 20)).files.remove(0); 33];
        let told = depot.put_manifest(&long).await.unwrap_err().to_string();
        assert!(told.contains("for 33 files; accepted are at most"), "{told}");
        assert_eq!(depot.ids().await.unwrap(), [manifest.id]);
    });
}
