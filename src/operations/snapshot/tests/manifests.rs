//! Manifests that lie are refused before anything is fetched.

use super::*;

fn refused(manifest: &Manifest) -> Option<String> {
    Manifest::from_bytes("it", &manifest.to_bytes().unwrap())
        .err()
        .map(|error| error.to_string())
}

#[test]
fn a_manifest_that_leads_out_of_the_directory_is_refused() {
    assert_eq!(refused(&manifest_of("CURRENT")), None);
    for name in [
        "../CURRENT",
        "/etc/passwd",
        "a/b",
        "",
        ".",
        "..",
        "a/",
        "./a",
        "restore.partial",
        "restore.json",
    ] {
        assert!(refused(&manifest_of(name)).is_some(), "{name}");
        let mut head = manifest_of("CURRENT");
        head.head = name.to_owned();
        let words = refused(&head).unwrap();
        assert!(words.contains("which it puts last"), "{words}");
    }
}

#[test]
fn a_manifest_whose_sums_are_not_those_of_its_files_is_refused() {
    let good = manifest_of("CURRENT");
    let mut twice = good.clone();
    twice.files.push(good.files[0].clone());
    twice.bytes = 14;
    assert!(refused(&twice).unwrap().contains("twice"));
    let mut other = good.clone();
    other.bytes = 1;
    assert!(
        refused(&other)
            .unwrap()
            .contains("its files have 7 bytes, it says 1")
    );
    let mut endless = good.clone();
    endless.files.push(FileEntry {
        name: "other".to_owned(),
        size: u64::MAX,
        ..good.files[0].clone()
    });
    assert!(
        refused(&endless)
            .unwrap()
            .contains("more bytes than there can be")
    );
}

#[test]
fn sums_of_a_manifest_that_says_anything_do_not_overflow() {
    let endless = PartitionNumbers {
        partition: 0,
        start: 0,
        next: u64::MAX,
        projected: 0,
        last: None,
    };
    let numbers = Numbers {
        sagas: [("FAILED", u64::MAX), ("STARTED", 1)]
            .map(|(status, n)| (status.to_owned(), n))
            .into(),
        partitions: vec![endless.clone(), endless],
        ..Numbers::default()
    };
    assert_eq!((numbers.offsets(), numbers.all_sagas()), (u64::MAX, u64::MAX));
}
