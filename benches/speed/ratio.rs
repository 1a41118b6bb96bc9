//! Ratios of figures that were measured in the same run.
//!
//! The table above them is `divan`'s, which keeps its figures to itself; so they are taken once more, by the same closures.

use std::collections::HashMap;
use std::time::{Duration, Instant};

/// The best of so many, since whatever else the machine does only ever makes a run longer.
const ROUNDS: usize = 15;

/// One round: many times what reading the clock takes.
const ROUND: Duration = Duration::from_millis(5);

/// Whether the ratios of a part are asked for: not where `cargo test` only sees whether the benches run.
pub fn wanted(part: &str) -> bool {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let mut filters = arguments.iter().filter(|argument| !argument.starts_with('-')).peekable();
    let is_bench = arguments.iter().any(|argument| argument == "--bench");
    is_bench && (filters.peek().is_none() || filters.any(|filter| filter.starts_with(part)))
}

/// How long one run takes, in nanoseconds.
pub fn nanoseconds<T>(mut run: impl FnMut() -> T) -> f64 {
    let mut best = f64::INFINITY;
    for _ in 0..ROUNDS {
        let (begun, mut runs) = (Instant::now(), 0_u32);
        while begun.elapsed() < ROUND {
            divan::black_box(run());
            runs += 1;
        }
        best = best.min(begun.elapsed().as_secs_f64() * 1e9 / f64::from(runs));
    }
    best
}

/// The reference of most ratios: one look-up in a table of a thousand numbers, each time another one.
pub fn hash_look_up() -> impl FnMut() -> Option<usize> {
    let numbers: Vec<String> = (0..1_000).map(|line| format!("+90532123{line:04}")).collect();
    let table: HashMap<String, usize> = numbers.iter().cloned().zip(0..).collect();
    let mut next = 0;
    move || {
        next = (next + 1) % numbers.len();
        table.get(divan::black_box(&numbers[next])).copied()
    }
}
