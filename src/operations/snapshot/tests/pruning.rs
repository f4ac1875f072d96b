//! What pruning deletes, and above all what not.

use super::*;
use crate::wait;
use std::time::Duration;

#[test]
fn pruning_keeps_every_file_that_a_kept_snapshot_needs() {
    run(async {
        let mut world = World::new();
        let mut made = Vec::new();
        for _ in 0..6 {
            world.write(2_000);
            made.push(world.snapshot().await.manifest);
        }
        let place = world.depot();
        let policy = |grace_seconds| SnapshotSettings {
            keep_last: 2,
            grace_seconds,
            ..world.settings.clone()
        };
        let would = prune(&place, &policy(0), true).await.unwrap();
        assert_eq!((would.kept.len(), would.retired.len()), (2, 4));
        assert_eq!(place.ids().await.unwrap().len(), 6, "a dry run changes nothing");

        // Within the grace nothing is deleted, but the snapshots are gone from the list.
        let first = prune(&place, &policy(3_600), false).await.unwrap();
        assert_eq!((first.retired.len(), first.deleted_files), (4, 0));
        assert!(first.waiting_files > 0);
        assert_eq!(place.ids().await.unwrap().len(), 2);
        assert!(matches!(
            place.manifest(&made[0].id).await,
            Err(SnapshotError::NoSuch { .. })
        ));

        std::thread::sleep(Duration::from_millis(5));
        let second = prune(&place, &policy(0), false).await.unwrap();
        assert_eq!(second.deleted_files, first.waiting_files);
        assert_eq!(place.retired().await.unwrap().len(), 0);
        let left = verify(&place, &made[4..], &Progress::default()).await.unwrap();
        assert_eq!(left.damage, [""; 0]);
        assert_eq!(
            place.files().await.unwrap().len(),
            left.files,
            "nothing is left over"
        );
        world.restore(&world.target()).run(&made[5]).await.unwrap();
    });
}

/// Says so when it goes out of scope, in a panic too.
struct Stop<'a>(&'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Two trackers make snapshots of their own into one place, and one prunes all the while, as hard as
/// it may: nothing that a listed snapshot names is ever missing.
#[test]
fn pruning_beside_snapshots_being_made_takes_nothing_from_any_of_them() {
    let objects = Objects::in_memory();
    let policy = SnapshotSettings {
        keep_last: 1,
        grace_seconds: 3,
        mib_per_second: 0,
        ..SnapshotSettings::default()
    };
    let (made, stop) = (AtomicI64::new(0), AtomicBool::new(false));
    let tracker = |random: u32| {
        let mut world = World::new();
        world.objects = objects.clone();
        world.settings = policy.clone();
        let place = Depot::new(&objects);
        while !stop.load(Ordering::Relaxed) {
            // Pruning remembers so many; within a grace it deletes none.
            let there =
                run(async { place.ids().await.unwrap().len() + place.retired().await.unwrap().len() });
            if there >= 20 {
                wait::park(Duration::from_millis(5));
                continue;
            }
            world.write(300);
            let at = Millis(1_769_904_000_000 + made.load(Ordering::Relaxed) * 1_000);
            match run(world.create().run(SnapshotId::new(at, random))) {
                Ok(_) => drop(made.fetch_add(1, Ordering::Relaxed)),
                // On a slow machine.
                Err(error) => assert!(error.is_transient(), "{error}"),
            }
        }
    };
    std::thread::scope(|scope| {
        let stopped = Stop(&stop);
        let trackers = [scope.spawn(|| tracker(1)), scope.spawn(|| tracker(2))];
        let place = Depot::new(&objects);
        let began = std::time::Instant::now();
        let mut deleted = 0;
        while (deleted == 0 || made.load(Ordering::Relaxed) < 10) && began.elapsed().as_secs() < 120 {
            deleted += run(prune(&place, &policy, false)).unwrap().deleted_files;
            let manifests = run(async {
                let mut manifests = Vec::new();
                for id in place.ids().await.unwrap() {
                    manifests.push(place.manifest(&id).await.unwrap());
                }
                manifests
            });
            let found = run(verify(&place, &manifests, &Progress::default())).unwrap();
            assert_eq!(found.damage, [""; 0]);
        }
        drop(stopped);
        for tracker in trackers {
            tracker.join().unwrap();
        }
        assert!(deleted > 0);
    });
}

#[test]
fn a_manifest_that_cannot_be_read_stops_pruning_before_anything_is_deleted() {
    run(async {
        let mut world = World::new();
        for _ in 0..3 {
            world.write(1_000);
            world.snapshot().await;
        }
        let (place, inside) = (world.depot(), world.objects.under("snapshots"));
        let newest = place.ids().await.unwrap().pop().unwrap();
        inside
            .put(&format!("manifests/{newest}.json"), b"{".to_vec())
            .await
            .unwrap();
        let files = place.files().await.unwrap().len();
        let policy = SnapshotSettings {
            keep_last: 1,
            grace_seconds: 0,
            ..world.settings.clone()
        };
        assert!(matches!(
            prune(&place, &policy, false).await,
            Err(SnapshotError::Damaged { .. })
        ));
        assert_eq!(
            (
                place.files().await.unwrap().len(),
                place.ids().await.unwrap().len()
            ),
            (files, 3)
        );
    });
}

#[test]
fn pruning_stops_before_it_deletes_when_there_is_more_than_it_can_remember() {
    run(async {
        let mut world = World::new();
        let mut made = Vec::new();
        for _ in 0..3 {
            world.write(1_000);
            made.push(world.snapshot().await.manifest);
        }
        let (place, inside) = (world.depot(), world.objects.under("snapshots"));
        let policy = SnapshotSettings {
            keep_last: 1,
            grace_seconds: 0,
            ..world.settings.clone()
        };
        let files = place.files().await.unwrap().len();
        let refused = async |why: &str| {
            let error = prune(&place, &policy, false).await.unwrap_err();
            assert!(matches!(error, SnapshotError::TooMany { .. }), "{error}");
            let words = error.to_string();
            assert!(words.contains(place.place()) && words.contains(why), "{words}");
            assert_eq!(place.files().await.unwrap().len(), files);
        };
        // Many manifests.
        let many: Vec<_> = (0..40).map(|n| SnapshotId::new(Millis(2), n)).collect();
        for id in &many {
            let name = format!("retired/{id}.json");
            inside.put(&name, b"{}".to_vec()).await.unwrap();
        }
        refused("43 manifests").await;
        for id in &many {
            place.forget_retired(id).await.unwrap();
        }
        // One manifest that names as many files as there may be, beside those that are there.
        let mut wide = made[0].clone();
        wide.id = SnapshotId::new(Millis(1), 0);
        let more = (0..1_000u32).map(|n| FileEntry {
            name: format!("{n}.more"),
            size: 0,
            hash: blake3::hash(&n.to_be_bytes()).to_hex().to_string(),
            inode: 0,
            modified_ns: 0,
        });
        wide.files.extend(more);
        place.put_manifest(&wide).await.unwrap();
        refused("more files").await;
        assert_eq!(place.ids().await.unwrap().len(), 4);
    });
}
