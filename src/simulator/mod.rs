//! A simulator: whole replicas, put together from the product's own parts, over the memory engine,
//! on one thread, in an order that a seed decides.
//!
//! Around them stands a world that is as bad as it gets ([`plan::Trouble`]); beside them an oracle
//! ([`oracle`]) that says from docs/contract.md and the records alone what every answer must be. After each
//! run every replica is brought to the end of the topics and compared with it, and with its neighbours.
//!
//! `cargo test simulator` runs a fixed number of seeds. `SEEDS=100000` runs more (`make soak`), `SEED=4711` one, whose
//! schedule is printed.
//!
//! Left out: Kafka and HTTP themselves (the black-box tests have them), and the engine on disk (the
//! conformance list and the crash tests have it).

mod acts;
mod disk;
mod end;
mod operators;
pub(crate) mod oracle;
mod outlet;
mod plan;
mod registry;
mod replica;
mod sim;
mod source;
mod stories;
mod topic;
mod watch;
mod world;

use crate::domain::{Millis, Position};
use crate::pipeline::decode::wire;
use crate::pipeline::kafka::Message;
use plan::{Plan, Trouble};
use replica::Part;
use sim::Sim;
use std::collections::BTreeMap;
use world::{BEGIN, HOUR};

/// So many seeds are run when nobody says how many.
const SEEDS: u64 = 800;

/// What some of them must come to, beside every act: a run that meets no trouble proves nothing.
const REACHED: [&str; 19] = [
    "sagas that live",
    "sagas that are gone",
    "sagas that came back",
    "sagas that were not due by what was seen",
    "deliveries that came too late",
    "duplicates",
    "contradictions",
    "anomalies",
    "dead letters",
    "letters that came back",
    "letters discarded",
    "letters read again",
    "records filled in",
    "gaps that expired",
    "processes killed",
    "power lost",
    "status changes that were applied",
    "questions about moments that were answered",
    "equal digests",
];

/// What a run came to.
struct Ran {
    faults: Vec<String>,
    schedule: Vec<String>,
    step: usize,
    counts: BTreeMap<&'static str, u64>,
}

fn run(plan: Plan) -> Ran {
    let sim = Sim::new(plan);
    let _simulated = sim.begin();
    for replica in 0..sim.replicas.len() {
        sim.start(replica, 0);
    }
    for step in 0..sim.plan.steps {
        sim.step.set(step);
        sim.act();
        for replica in 0..sim.replicas.len() {
            sim.look(replica);
        }
        if !sim.faults().is_empty() {
            break;
        }
    }
    if sim.faults().is_empty() {
        if sim.plan.has(Trouble::Recreated) {
            sim.recreate();
        }
        sim.step.set(sim.plan.steps);
        sim.finish();
    }
    Ran {
        faults: sim.faults(),
        schedule: sim.schedule(),
        step: sim.step.get(),
        counts: sim.counts(),
    }
}

/// Fewer troubles, and a shorter schedule, with which the same goes wrong.
fn shrink(mut plan: Plan, fault: &str) -> Plan {
    let still_fails = |plan: &Plan| {
        let faults = run(plan.clone()).faults;
        faults.iter().any(|other| kind(other) == kind(fault))
    };
    for trouble in plan.troubles.clone() {
        let mut less = plan.clone();
        less.troubles.remove(&trouble);
        if still_fails(&less) {
            plan = less;
        }
    }
    for steps in (0..plan.steps).step_by(plan.steps / 24 + 1) {
        let less = Plan {
            steps,
            ..plan.clone()
        };
        if still_fails(&less) {
            return less;
        }
    }
    plan
}

/// A fault without what differs from run to run.
fn kind(fault: &str) -> String {
    fault.chars().filter(|c| c.is_alphabetic()).take(24).collect()
}

fn told(plan: &Plan, ran: &Ran) -> String {
    let mut text = format!(
        "seed {} fails at step {}: {:?}, {} partitions, {:?}\n",
        plan.seed, ran.step, plan.troubles, plan.partitions, plan.replicas
    );
    for fault in &ran.faults {
        text.push_str(&format!("  {fault}\n"));
    }
    text
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

#[test]
fn promises_hold_whatever_happens() {
    if let Some(seed) = number("SEED") {
        let ran = run(Plan::of(seed));
        println!("{}", ran.schedule.join("\n"));
        assert!(ran.faults.is_empty(), "{}", told(&Plan::of(seed), &ran));
        return;
    }
    let first = number("FIRST").unwrap_or(0);
    let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
    for seed in first..first + number("SEEDS").unwrap_or(SEEDS) {
        let ran = run(Plan::of(seed));
        for (what, count) in &ran.counts {
            *counts.entry(*what).or_default() += count;
        }
        if ran.faults.is_empty() {
            continue;
        }
        let less = shrink(Plan::of(seed), &ran.faults[0]);
        let shrunk = run(less.clone());
        panic!(
            "{}as short as it gets:\n{}{}\nSEED={seed} replays the whole",
            told(&Plan::of(seed), &ran),
            told(&less, &shrunk),
            shrunk.schedule.join("\n")
        );
    }
    println!("{counts:#?}");
    let whole = ["SEEDS", "FIRST"].map(|name| std::env::var(name).is_err());
    if whole == [true; 2] {
        let acts = acts::names();
        let missing: Vec<&str> = acts
            .chain(REACHED)
            .filter(|what| counts.get(what).is_none_or(|count| *count == 0))
            .collect();
        assert!(missing.is_empty(), "never reached by any seed: {missing:?}");
    }
}

#[test]
fn a_seed_replays_exactly() {
    for seed in [3, 14, 15] {
        assert_eq!(run(Plan::of(seed)).schedule, run(Plan::of(seed)).schedule);
    }
}

/// A message of the schema that may come late.
fn of_a_late_schema(sim: &Sim) -> Message {
    loop {
        let message = sim.producers.borrow_mut().next(&sim.world, 1);
        let schema = wire::payload(message.value.as_deref()).map(|(id, _)| id);
        if schema == Ok(registry::SECOND) && message.headers.is_empty() {
            return message;
        }
    }
}

#[test]
fn what_a_replay_found_arrived_then_also_where_its_schema_comes_late() {
    let plan = Plan {
        partitions: 1,
        troubles: [Trouble::Hidden, Trouble::LateSchema, Trouble::CreateTimes].into(),
        ..Plan::of(1)
    };
    let sim = Sim::new(plan);
    let _simulated = sim.begin();
    sim.world.weather().knows_second = false;
    // By its producer's clock the one that is passed over is of the day before.
    for behind in [0, 2 * HOUR, 0] {
        let message = of_a_late_schema(&sim);
        sim.world.publish(&message, Millis(BEGIN + HOUR - behind));
    }
    sim.world.tracker().hidden.insert(Position::new(0, 1));
    sim.start(0, 0);
    for _ in 0..60 {
        sim.run(0, Part::Ingest);
        sim.run(0, Part::Projector);
    }
    sim.replay(0);
    sim.finish();
    assert_eq!(sim.faults(), Vec::<String>::new());
    let counts = sim.counts();
    assert_eq!(counts["records filled in"], 1);
    assert!(counts["letters read again"] >= 3, "{counts:?}");
}
