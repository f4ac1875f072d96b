//! Batches that cannot be unpacked: which partition has one, and where behind it reading can go on.
//!
//! librdkafka says that it cannot unpack a batch, neither of which partition nor at which offset, and fetches it again
//! for good. So a client of its own is asked about each partition that has more to give. Where its next batch stays
//! unreadable the offsets are passed over; whoever accounts for them sees a gap.

use super::client::{self, ANSWER_TIMEOUT, StartError};
use super::settings::KafkaSettings;
use super::source::Observed;
use crate::domain::{Cut, Position};
use rdkafka::consumer::{BaseConsumer, Consumer as _, DefaultConsumerContext};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// A batch is found unreadable so often before it is passed over.
const TRIES: u32 = 5;
/// Time between two looks.
const CHECK_INTERVAL: Duration = Duration::from_secs(2);
/// So many offsets behind the first one are tried one by one.
const ONE_BY_ONE: u64 = 64;

/// Whether a client says with this that it cannot unpack a batch.
pub(super) fn is_unreadable(error: &KafkaError) -> bool {
    error.rdkafka_error_code() == Some(RDKafkaErrorCode::BadCompression)
}

/// What is known of unreadable batches of a topic.
pub(super) struct Unreadable {
    settings: KafkaSettings,
    /// Whether the client met one since the last look.
    met: bool,
    looked: Option<Instant>,
    /// The first offset that is not read, by partition, and how often it was found unreadable.
    found: BTreeMap<u32, (u64, u32)>,
}

impl Unreadable {
    pub(super) fn new(settings: &KafkaSettings) -> Self {
        Self {
            settings: settings.clone(),
            met: false,
            looked: None,
            found: BTreeMap::new(),
        }
    }

    /// The client met a batch that it cannot unpack.
    pub(super) fn meet(&mut self) {
        self.met = true;
    }

    /// What is held up, for people.
    pub(super) fn words(&self) -> Option<String> {
        let (partition, (offset, tries)) = self.found.first_key_value()?;
        Some(format!(
            "the batch of {} at partition {partition}, offset {offset} cannot be unpacked: its content is longer than \
             receive.message.max.bytes, or damaged. Tried {tries} times of {TRIES}; then its offsets are passed over, \
             and stand as a gap",
            self.settings.topic
        ))
    }

    /// Looks which partitions go on with such a batch, now and then. Where reading is to go on, in those of which
    /// that was found often enough.
    pub(super) fn look(&mut self, now: Instant, handed: &Cut, observed: &Observed) -> Vec<Position> {
        self.found
            .retain(|partition, (offset, _)| handed.next(*partition) <= *offset);
        let is_early = self
            .looked
            .is_some_and(|at| now.saturating_duration_since(at) < CHECK_INTERVAL);
        if !self.met || is_early {
            return Vec::new();
        }
        self.met = false;
        self.looked = Some(now);
        match self.prober() {
            Ok(prober) => self.look_with(handed, observed, |at| prober.probe(at)),
            Err(error) => {
                tracing::warn!(%error, "cannot find the batch that fails to unpack");
                Vec::new()
            }
        }
    }

    fn look_with(
        &mut self,
        handed: &Cut,
        observed: &Observed,
        mut probe: impl FnMut(Position) -> Result<Probed, String>,
    ) -> Vec<Position> {
        let mut passed = Vec::new();
        for (partition, end) in observed.ends.iter() {
            let low = observed.lows.get(&partition).copied().unwrap_or(0);
            let first = Position::new(partition, handed.next(partition).max(low));
            if first.offset >= end {
                continue;
            }
            match probe(first) {
                Ok(Probed::Unreadable) => passed.extend(self.find(first, end, &mut probe)),
                Ok(Probed::Readable) => _ = self.found.remove(&partition),
                Err(why) => tracing::debug!(partition, why, "kafka client"),
            }
        }
        passed
    }

    /// Counts an unreadable batch. Where reading is to go on, when it was found often enough.
    fn find(
        &mut self,
        first: Position,
        end: u64,
        probe: &mut impl FnMut(Position) -> Result<Probed, String>,
    ) -> Option<Position> {
        let Position { partition, offset } = first;
        let (found, tries) = self.found.entry(partition).or_insert((offset, 0));
        if *found != offset {
            (*found, *tries) = (offset, 0);
        }
        *tries = tries.saturating_add(1);
        let topic = self.settings.topic.as_str();
        if *tries == 1 {
            tracing::error!(topic, partition, offset, "a batch cannot be unpacked");
        }
        if *tries < TRIES {
            return None;
        }
        let at = |offset| Position::new(partition, offset);
        match first_readable(offset, end, |offset| probe(at(offset))) {
            Ok(next) => {
                tracing::error!(
                    topic,
                    partition,
                    from = offset,
                    to = next,
                    "offsets whose batch cannot be unpacked are passed over"
                );
                self.found.remove(&partition);
                Some(at(next))
            }
            Err(why) => {
                tracing::warn!(
                    topic,
                    partition,
                    why,
                    "the broker does not say where the batch ends"
                );
                None
            }
        }
    }

    fn prober(&self) -> Result<Prober, StartError> {
        Ok(Prober {
            consumer: client::consumer(&self.settings.watch_config(), DefaultConsumerContext)?,
            topic: self.settings.topic.clone(),
        })
    }
}

/// What the broker gives from an offset on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Probed {
    /// A record, or the end.
    Readable,
    /// A batch that cannot be unpacked.
    Unreadable,
}

/// The first offset behind an unreadable one from which reading goes on: one by one at first, then by twice as much
/// each time, and back by halves. Behind so many, records between two unreadable batches may be passed over too.
fn first_readable(
    first: u64,
    end: u64,
    mut probe: impl FnMut(u64) -> Result<Probed, String>,
) -> Result<u64, String> {
    let (mut unreadable, mut step) = (first, 1);
    let mut readable = loop {
        let next = unreadable.saturating_add(step);
        if next >= end {
            break end;
        }
        if probe(next)? == Probed::Readable {
            break next;
        }
        unreadable = next;
        if unreadable - first >= ONE_BY_ONE {
            step = step.saturating_mul(2);
        }
    };
    while readable - unreadable > 1 {
        let middle = unreadable + (readable - unreadable) / 2;
        match probe(middle)? {
            Probed::Readable => readable = middle,
            Probed::Unreadable => unreadable = middle,
        }
    }
    Ok(readable)
}

/// A client that is asked what comes from an offset on.
struct Prober {
    consumer: BaseConsumer<DefaultConsumerContext>,
    topic: String,
}

impl Prober {
    fn probe(&self, at: Position) -> Result<Probed, String> {
        let list = client::list(&self.topic, [(at.partition, client::at(at.offset))]);
        list.and_then(|list| self.consumer.assign(&list))
            .map_err(|error| error.to_string())?;
        let probed = self.first();
        self.consumer.unassign().map_err(|error| error.to_string())?;
        probed.ok_or_else(|| format!("no answer about {at} within {ANSWER_TIMEOUT:?}"))
    }

    fn first(&self) -> Option<Probed> {
        let until = Instant::now() + ANSWER_TIMEOUT;
        while Instant::now() < until {
            match self.consumer.poll(Duration::from_millis(100)) {
                Some(Ok(_) | Err(KafkaError::PartitionEOF(_))) => return Some(Probed::Readable),
                Some(Err(error)) if is_unreadable(&error) => return Some(Probed::Unreadable),
                // A connection that comes about.
                Some(Err(_)) | None => {}
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a broker gives whose batches of these offsets cannot be unpacked.
    fn broker(batches: &[(u64, u64)]) -> impl FnMut(u64) -> Result<Probed, String> {
        |offset| {
            let unreadable = batches.iter().any(|(from, to)| (*from..*to).contains(&offset));
            Ok(match unreadable {
                true => Probed::Unreadable,
                false => Probed::Readable,
            })
        }
    }

    #[test]
    fn reading_goes_on_right_behind_the_batch() {
        for length in [1, 2, 3, 63, 64, 65, 66, 100, 1_000, 123_456] {
            let end = 7 + length;
            let found = first_readable(7, 1_000_000, broker(&[(7, end)]));
            assert_eq!(found, Ok(end), "{length}");
            // The end of the topic.
            assert_eq!(first_readable(7, end, broker(&[(7, end)])), Ok(end));
        }
        assert_eq!(first_readable(u64::MAX - 1, u64::MAX, broker(&[])), Ok(u64::MAX));
    }

    #[test]
    fn what_stands_between_two_short_batches_is_not_passed_over() {
        assert_eq!(first_readable(0, 1_000, broker(&[(0, 5), (6, 50)])), Ok(5));
        assert_eq!(first_readable(6, 1_000, broker(&[(0, 5), (6, 50)])), Ok(50));
    }

    #[test]
    fn a_long_batch_takes_few_questions() {
        let mut asked = 0;
        let mut answers = broker(&[(0, 50_000_000)]);
        let counted = |offset| {
            asked += 1;
            answers(offset)
        };
        assert_eq!(first_readable(0, 100_000_000, counted), Ok(50_000_000));
        assert!(asked < 64 + 60, "{asked}");
    }

    #[test]
    fn only_where_a_batch_stays_unreadable_its_offsets_are_passed_over() {
        let mut unreadable = Unreadable::new(&KafkaSettings::default());
        let cut = |edges: &[u64]| (0u32..).zip(edges.iter().copied()).collect::<Cut>();
        let observed = Observed {
            ends: cut(&[10, 10, 10]),
            lows: [(2, 4)].into(),
            ..Observed::default()
        };
        // Partition 0 goes on, 1 has no more, 2 begins at 4 with a batch of two.
        let probe = |at: Position| match at.partition {
            0 => Ok(Probed::Readable),
            1 => Err("nobody has to ask".to_owned()),
            _ => broker(&[(4, 6)])(at.offset),
        };
        let handed = cut(&[3, 10, 0]);
        for tries in 1..TRIES {
            assert_eq!(unreadable.look_with(&handed, &observed, probe), []);
            let words = unreadable.words().unwrap();
            assert!(words.contains("partition 2, offset 4"), "{words}");
            assert!(words.contains(&format!("Tried {tries} times")), "{words}");
        }
        assert_eq!(
            unreadable.look_with(&handed, &observed, probe),
            [Position::new(2, 6)]
        );
        assert_eq!(unreadable.words(), None);
        // One that can be read the next time is no reason for anything.
        unreadable.look_with(&handed, &observed, probe);
        unreadable.look_with(&handed, &observed, |_| Ok(Probed::Readable));
        assert_eq!(unreadable.words(), None);
    }
}
