//! Thousands of seeds, each played twice.

use std::panic::{AssertUnwindSafe, catch_unwind};

use tidegate_core::stats::{Counter, Reason};

use crate::run::{Outcome, run};

/// How many seeds an ordinary test run plays: some fifteen seconds of a small machine.
const SEEDS: u64 = 10_000;

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{name} is no number")))
}

/// Plays a seed twice; the two must not differ in a single call.
fn play(seed: u64) -> Outcome {
    let outcome = catch_unwind(AssertUnwindSafe(|| {
        let (first, second) = (run(seed), run(seed));
        assert_eq!(first.trace, second.trace, "the same seed went two ways");
        first
    }));
    outcome.unwrap_or_else(|_| {
        panic!("seed {seed} failed; replay: SIM_SEED={seed} cargo test -p tidegate-core --test sim seeds")
    })
}

#[test]
fn seeds_keep_every_invariant_and_cover_every_outcome() {
    if let Some(seed) = number("SIM_SEED") {
        let outcome = play(seed);
        println!("seed {seed}: {} served, {} not, {:?}", outcome.served, outcome.unserved, outcome.stats);
        return;
    }
    let seeds = number("SIM_SEEDS").unwrap_or(SEEDS);
    let (mut counts, mut reasons) = ([0; Counter::COUNT], [0; Reason::COUNT]);
    let (mut served, mut unserved, mut finished, mut answered) = (0, 0, 0, [0; 2]);
    for seed in 0..seeds {
        let outcome = play(seed);
        Counter::ALL.iter().for_each(|counter| counts[*counter as usize] += outcome.stats.count(*counter));
        Reason::ALL.iter().for_each(|reason| reasons[*reason as usize] += outcome.stats.closed(*reason));
        served += outcome.served;
        unserved += outcome.unserved;
        finished += outcome.finished as u64;
        answered = std::array::from_fn(|at| answered[at] + outcome.answered[at]);
    }
    println!("{seeds} seeds: {served} honest clients served, {unserved} not, {finished} pools emptied by themselves");
    println!("{} HTTP requests answered, {} of them without a file", answered[0], answered[1]);
    Counter::ALL.iter().for_each(|c| println!("  {:>16} {}", c.name(), counts[*c as usize]));
    Reason::ALL.iter().for_each(|r| println!("  {:>16} {}", r.name(), reasons[*r as usize]));
    // A simulator that no longer meets what it was written for is worth nothing.
    if seeds >= 500 {
        for counter in Counter::ALL.iter().filter(|c| **c != Counter::Impossible) {
            assert!(counts[*counter as usize] > 0, "no seed met {}", counter.name());
        }
        // Who died with a worker, no dispatcher can count.
        let met = Reason::ALL.iter().filter(|r| **r != Reason::WorkerLost);
        met.for_each(|r| assert!(reasons[*r as usize] > 0, "no seed met {}", r.name()));
        assert!(answered[0] > seeds && answered[1] > 0, "HTTP requests are answered: {answered:?}");
        assert!(served > unserved, "most honest clients are served");
    }
}
