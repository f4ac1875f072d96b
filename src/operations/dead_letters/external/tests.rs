//! Reading external dead letters from a list.

use super::*;
use crate::pipeline::kafka::source::{Observed, RawHeaders};
use crate::pipeline::registry::BundledSchema;
use crate::store::dead_letters::counts;
use crate::testkit;
use std::collections::VecDeque;

/// Gives its values in order from an offset on, then ends the reading.
struct Listed {
    from: u64,
    values: VecDeque<&'static [u8]>,
    end: Option<u64>,
    shutdown: CancellationToken,
}

struct Says(Option<u64>);

impl Broker for Says {
    fn ask_end(&self, _partition: u32) -> Option<u64> {
        self.0
    }

    fn ask_low(&self, _partition: u32) -> Option<u64> {
        None
    }
}

impl Source for Listed {
    fn poll(
        &mut self,
        _idle: Duration,
        _timeout: Duration,
        take: &mut dyn FnMut(&RawRecord<'_>) -> Taken,
    ) -> Result<(), SourceError> {
        while let Some(value) = self.values.pop_front() {
            let record = RawRecord {
                position: Position::new(0, self.from),
                timestamp: Some(Millis(testkit::DAY)),
                key: None,
                value: Some(value),
                headers: RawHeaders::List(&[]),
            };
            self.from += 1;
            if take(&record) == Taken::Enough {
                return Ok(());
            }
        }
        self.shutdown.cancel();
        Ok(())
    }

    fn observed(&self) -> Observed {
        Observed {
            ends: self.end.map(|end| (0, end)).into_iter().collect(),
            ..Observed::default()
        }
    }

    fn broker(&self) -> Arc<dyn Broker> {
        Arc::new(Says(self.end))
    }

    fn report(&mut self, _stored: &Cut) {}

    fn report_finally(&mut self, _stored: &Cut) {}
}

struct Plenty;

impl FreeSpace for Plenty {
    fn free(&self) -> Option<u64> {
        None
    }
}

/// Reads what is there from that offset on; how many letters the store has then.
fn read(store: &SharedStore, from: u64, values: &[&'static [u8]], end: Option<u64>) -> Result<u64, String> {
    let shutdown = CancellationToken::new();
    let letters = ExternalDeadLetters {
        store: store.clone(),
        settings: KafkaSettings {
            topic: "t".to_owned(),
            dlt_topic: "t.dlt".to_owned(),
            ..KafkaSettings::default()
        },
        schemas: Arc::new(BundledSchema::new().unwrap()),
        book: DeadLetterLock::default(),
        space: Arc::new(Plenty),
        status: Arc::default(),
        shutdown: shutdown.clone(),
    };
    let rows = reads::offsets(&**store, "t.dlt").unwrap().into_iter().collect();
    let mut source = Listed {
        from,
        values: values.to_vec().into(),
        end,
        shutdown,
    };
    letters
        .consume(&mut source, rows)
        .map_err(|error| error.to_string())?;
    Ok(counts(&**store).unwrap().values().map(|counts| counts.open).sum())
}

#[test]
fn reading_goes_on_behind_the_last_record_which_tells_the_topic() {
    let store = testkit::store();
    assert_eq!(read(&store, 0, &[b"a", b"b"], None), Ok(2));
    assert_eq!(read(&store, 1, &[b"b", b"c"], Some(3)), Ok(3));
}

#[test]
fn a_topic_that_was_created_again_is_not_skipped_in_silence() {
    let store = testkit::store();
    assert_eq!(read(&store, 0, &[b"a", b"b"], None), Ok(2));
    for (from, values, end, found) in [
        (
            1,
            &[b"x" as &[u8], b"y"][..],
            None,
            "the record at offset 1 is another one",
        ),
        (0, &[b"a"], None, "it gave a record at offset 0"),
        (0, &[], Some(1), "it ends at offset 1"),
    ] {
        let refused = read(&store, from, values, end).unwrap_err();
        assert!(refused.contains(found), "{refused}");
    }
    // Nothing of it was taken in.
    assert_eq!(read(&store, 2, &[], None), Ok(2));
}
