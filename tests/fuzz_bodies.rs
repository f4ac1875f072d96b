//! The bodies of the fuzz targets under proptest, on the committed corpus and on damage done to it.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use proptest::prelude::*;
use saga_tracker::{domain, pipeline, store};
use std::path::Path;

#[path = "../fuzz/src/bodies.rs"]
#[expect(unreachable_pub, reason = "the fuzz targets take the same file")]
mod bodies;

/// The committed seeds of a target, in order of their names.
fn corpus(target: &str) -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("fuzz/corpus")
        .join(target);
    let mut seeds: Vec<(String, Vec<u8>)> = std::fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.file_name().unwrap().to_str().unwrap().starts_with("seed-"))
        .map(|path| {
            (
                path.file_name().unwrap().to_str().unwrap().to_owned(),
                std::fs::read(&path).unwrap(),
            )
        })
        .collect();
    seeds.sort();
    assert!(!seeds.is_empty(), "no seeds in {}", folder.display());
    seeds
}

/// Bytes of any kind, or a seed with a stretch of it replaced.
fn input(target: &str) -> impl Strategy<Value = Vec<u8>> + use<> {
    let seeds: Vec<Vec<u8>> = corpus(target).into_iter().map(|(_, bytes)| bytes).collect();
    let replaced = (
        prop::sample::select(seeds),
        any::<prop::sample::Index>(),
        0usize..4,
        proptest::collection::vec(any::<u8>(), 0..4),
    );
    prop_oneof![
        1 => proptest::collection::vec(any::<u8>(), 0..120),
        3 => replaced.prop_map(|(mut seed, place, length, bytes)| {
            let at = place.index(seed.len() + 1);
            let end = (at + length).min(seed.len());
            seed.splice(at..end, bytes);
            seed
        }),
    ]
}

#[test]
fn seeds_named_good_are_what_their_target_is_about() {
    for (target, name, good) in [
        corpus("decode")
            .into_iter()
            .map(|(name, seed)| ("decode", name, bodies::decode(&seed)))
            .collect::<Vec<_>>(),
        corpus("schema")
            .into_iter()
            .map(|(name, seed)| ("schema", name, bodies::schema(&seed)))
            .collect(),
        corpus("keys")
            .into_iter()
            .map(|(name, seed)| ("keys", name, bodies::keys(&seed) > 0))
            .collect(),
        corpus("records")
            .into_iter()
            .map(|(name, seed)| ("records", name, bodies::records(&seed) > 0))
            .collect(),
    ]
    .concat()
    {
        assert_eq!(good, name.starts_with("seed-good-"), "{target}/{name}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(ProptestConfig::default().cases * 8))]

    #[test]
    fn decode_holds(data in input("decode")) {
        bodies::decode(&data);
    }

    #[test]
    fn schema_holds(data in input("schema")) {
        bodies::schema(&data);
    }

    #[test]
    fn keys_hold(data in input("keys")) {
        bodies::keys(&data);
    }

    #[test]
    fn records_hold(data in input("records")) {
        bodies::records(&data);
    }
}
