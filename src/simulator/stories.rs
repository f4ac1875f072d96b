//! What producers send: steps of a few sagas, in order and late, twice and in contradiction, and
//! what is no event at all.

use super::registry::{FIRST, SECOND, UNREADABLE};
use super::topic::TRACKER;
use super::world::{DAY, HOUR, SECOND as A_SECOND, World};
use crate::pipeline::kafka::Message;
use crate::program::demo::rng::Rng;

const TYPES: [&str; 3] = ["ORDER_CREATION", "PAYMENT_COMPLETION", "REFUND"];
const STATUSES: [&str; 6] = [
    "STARTED",
    "IN_PROGRESS",
    "COMPLETED",
    "FAILED",
    "COMPENSATED",
    "PAUSED",
];
const STEPS: [&str; 7] = [
    "ORDER_CREATED",
    "STOCK_RESERVED",
    "STOCK_RESERVATION_FAILED",
    "PAYMENT_COMPLETED",
    "ORDER_CONFIRMED",
    "STOCK_RELEASED",
    "REFUNDED",
];
const METADATA: [Option<&str>; 5] = [
    None,
    Some(r#"{"traceId":"t1","producerService":"order-service"}"#),
    Some(r#"{"traceId":"t2","retryCount":2}"#),
    Some("no JSON"),
    Some("[1, 2]"),
];

/// An event before it is encoded.
#[derive(Clone, Debug)]
struct Draft {
    event_id: String,
    event_timestamp: i64,
    saga: String,
    saga_type: usize,
    step: String,
    status: usize,
    order: String,
    metadata: Option<String>,
    recorded_at: i64,
}

/// All producers.
#[derive(Debug, Default)]
pub(super) struct Producers {
    sagas: Vec<(String, usize, String)>,
    sent: Vec<Draft>,
    /// The second schema is in use.
    pub(super) second: bool,
}

impl Producers {
    /// Producers that use the second schema, too, or will.
    pub(super) fn new(second: bool) -> Self {
        Self {
            second,
            ..Self::default()
        }
    }

    /// The next message, and when its producer says that it was made.
    pub(super) fn next(&mut self, world: &World, partitions: u32) -> Message {
        let now = world.now().0;
        let mut rng = world.dice();
        let kind = rng.below(100);
        let mut message = match kind {
            0..12 if !self.sent.is_empty() => self.again(&mut rng),
            12..15 if !self.sent.is_empty() => self.contradiction(&mut rng),
            15..18 if !self.sagas.is_empty() => self.operators(&mut rng, now),
            18..23 => self.poison(&mut rng, now),
            _ => self.fresh(&mut rng, now),
        };
        // Somebody with another partitioner.
        if rng.per_mille(120) {
            message.partition = Some(u32::try_from(rng.below(u64::from(partitions))).unwrap());
        }
        message
    }

    /// One of the sagas that there are, or may be.
    pub(super) fn any_saga(&self, world: &World) -> String {
        match self.sagas.len() {
            0 => "saga-0".to_owned(),
            len => self.sagas[world.index(len)].0.clone(),
        }
    }

    fn fresh(&mut self, rng: &mut Rng, now: i64) -> Message {
        let draft = self.draft(rng, now);
        self.send(draft)
    }

    fn draft(&mut self, rng: &mut Rng, now: i64) -> Draft {
        if self.sagas.len() < 4 || (self.sagas.len() < 24 && rng.per_mille(150)) {
            let number = self.sagas.len();
            let saga_type = rng.index(if self.second { 3 } else { 2 });
            // A saga id may be a prefix of another, and hold anything.
            let name = match number % 5 {
                3 => format!("s{}", number / 5),
                4 => format!("s{}\u{0}속", number / 5),
                _ => format!("saga-{number}"),
            };
            self.sagas
                .push((name, saga_type, format!("order-{}", number % 7)));
        }
        // The latest sagas are busiest.
        let newest = 1 + rng.below(self.sagas.len() as u64);
        let back = rng.below(newest);
        let (saga, saga_type, order) =
            self.sagas[self.sagas.len() - 1 - usize::try_from(back).unwrap()].clone();
        let (step, status) = rng.weighted([
            (4, (0, 0)),
            (5, (1, 1)),
            (4, (1, 2)),
            (3, (2, 1)),
            (4, (2, 3)),
            (3, (3, 2)),
            (3, (4, 2)),
            (3, (5, 1)),
            (3, (5, 4)),
            (2, (6, 2)),
        ]);
        let recorded_at = match rng.below(10) {
            0 => now - i64::try_from(rng.below(u64::try_from(3 * DAY).unwrap())).unwrap(),
            1 => self.sent.last().map_or(now, |last| last.recorded_at),
            2 => now - i64::try_from(rng.below(u64::try_from(HOUR).unwrap())).unwrap(),
            _ => now + i64::try_from(rng.below(10)).unwrap() * A_SECOND - 5 * A_SECOND,
        };
        let odd = rng.per_mille(30);
        Draft {
            event_id: if rng.per_mille(80) {
                String::new()
            } else {
                format!("event-{}", self.sent.len())
            },
            event_timestamp: recorded_at,
            saga,
            saga_type: if odd { (saga_type + 1) % 2 } else { saga_type },
            step: STEPS[step].to_owned(),
            status,
            order: if rng.per_mille(30) {
                "another-order".to_owned()
            } else {
                order
            },
            metadata: METADATA[rng.index(METADATA.len())].map(str::to_owned),
            recorded_at,
        }
    }

    fn again(&self, rng: &mut Rng) -> Message {
        let back = rng.index(self.sent.len().min(40));
        self.message(&self.sent[self.sent.len() - 1 - back])
    }

    fn contradiction(&mut self, rng: &mut Rng) -> Message {
        let back = rng.index(self.sent.len().min(40));
        let mut draft = self.sent[self.sent.len() - 1 - back].clone();
        match rng.below(3) {
            0 => draft.status = rng.index(5),
            1 => draft.recorded_at += i64::try_from(rng.below(100_000)).unwrap() - 50_000,
            _ => draft.metadata = Some(r#"{"retryCount":3}"#.to_owned()),
        }
        self.send(draft)
    }

    /// What `ops` publishes for an operator.
    fn operators(&mut self, rng: &mut Rng, now: i64) -> Message {
        let mut draft = self.draft(rng, now);
        draft.step = "OPERATOR_STATUS_CHANGE".to_owned();
        draft.status = rng.index(5);
        let expected = STATUSES[rng.index(5)];
        draft.metadata = rng
            .per_mille(600)
            .then(|| format!(r#"{{"operator":"kim","reason":"r","expectedStatus":"{expected}"}}"#));
        self.send(draft)
    }

    fn poison(&mut self, rng: &mut Rng, now: i64) -> Message {
        let mut draft = self.draft(rng, now);
        let mut schema = self.schema_of(&draft);
        let kind = rng.below(9);
        match kind {
            0 => draft.saga = String::new(),
            1 => draft.recorded_at = 5,
            2 if self.second => (draft.status, schema) = (5, SECOND),
            3 => schema = UNREADABLE,
            4 => schema = 77,
            _ => {}
        }
        let mut value = encode(schema, &draft);
        match kind {
            5 => value[0] = 9,
            6 => value.truncate(value.len() / 2),
            7 => value.push(1),
            _ => {}
        }
        Message {
            topic: TRACKER.to_owned(),
            partition: None,
            key: Some(draft.saga.into_bytes()),
            value: (kind != 8).then_some(value),
            headers: vec![("traceparent".to_owned(), Some(b"00-1".to_vec()))],
        }
    }

    fn send(&mut self, draft: Draft) -> Message {
        let message = self.message(&draft);
        self.sent.push(draft);
        message
    }

    fn message(&self, draft: &Draft) -> Message {
        Message {
            topic: TRACKER.to_owned(),
            partition: None,
            key: Some(draft.saga.clone().into_bytes()),
            value: Some(encode(self.schema_of(draft), draft)),
            headers: Vec::new(),
        }
    }

    fn schema_of(&self, draft: &Draft) -> u32 {
        if draft.saga_type == 2 { SECOND } else { FIRST }
    }
}

/// Confluent's wire format around Avro's, field by field.
fn encode(schema: u32, draft: &Draft) -> Vec<u8> {
    let mut bytes = vec![0];
    bytes.extend_from_slice(&schema.to_be_bytes());
    let _known = TYPES[draft.saga_type];
    text(&mut bytes, &draft.event_id);
    long(&mut bytes, draft.event_timestamp);
    text(&mut bytes, &draft.saga);
    long(&mut bytes, i64::try_from(draft.saga_type).unwrap());
    text(&mut bytes, &draft.step);
    long(&mut bytes, i64::try_from(draft.status).unwrap());
    text(&mut bytes, &draft.order);
    match &draft.metadata {
        None => long(&mut bytes, 0),
        Some(metadata) => {
            long(&mut bytes, 1);
            text(&mut bytes, metadata);
        }
    }
    long(&mut bytes, draft.recorded_at);
    bytes
}

fn text(bytes: &mut Vec<u8>, text: &str) {
    long(bytes, i64::try_from(text.len()).unwrap());
    bytes.extend_from_slice(text.as_bytes());
}

/// Zigzag, then seven bits a byte.
fn long(bytes: &mut Vec<u8>, value: i64) {
    let mut rest = ((value << 1) ^ (value >> 63)).cast_unsigned();
    while rest >= 0x80 {
        bytes.push(u8::try_from(rest & 0x7f).unwrap() | 0x80);
        rest >>= 7;
    }
    bytes.push(u8::try_from(rest).unwrap());
}
