//! `cargo bench --bench load`: Callcard beside a handler that is written by hand, from webhook to card.
//!
//! The phone system, its card API and the CRM are in this process, the server under test is one of its own, all on the same
//! cores. A figure means little on another machine or another day, so what counts are ratios of one run. `-- --help` says
//! what can be chosen.

// A bench is no program that somebody depends on: it stops at the first surprise.
#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a bench may stop"
)]

mod calls;
mod fakes;
mod reference;
mod send;
mod server;
mod wire;

use std::io::Write;
use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::Parser;

use calls::{Calls, Figures};
use fakes::Fake;
use send::Senders;
use server::{Customers, Kind, Server};

/// Before figures count: connections are opened, and what is made once is made.
const WARM_UP: Duration = Duration::from_secs(1);

/// When a rule is changed, of the time that counts.
const CHANGED_AFTER: Duration = Duration::from_secs(1);

/// How long the last cards may take.
const LAST_CARDS_WITHIN: Duration = Duration::from_secs(15);

/// Between two looks at something that can only be looked at: a log, a count.
const LOOK_EVERY: Duration = Duration::from_millis(2);

/// Between two lines about memory.
const MINUTE: Duration = Duration::from_secs(60);

/// More than any server here makes in a second.
const PER_SECOND_MAX: usize = 40_000;

/// How many times the disk is waited for, to know what that takes here.
const DISK_WAITS: usize = 300;

#[derive(Parser)]
#[command(about = "Webhooks in, cards out: Callcard beside a handler written by hand")]
struct Arguments {
    /// Seconds of one measurement
    #[arg(long, default_value_t = 5)]
    seconds: u64,
    /// How often each is measured, in turn; the median is told
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Calls at once in the closed loop, and connections
    #[arg(long, default_value_t = 128)]
    workers: usize,
    /// Only what has this in its name: table, CRM, rules
    #[arg(long)]
    only: Option<String>,
    /// Instead: so many minutes at the full rate with 1,000 rules, and what memory they take
    #[arg(long)]
    minutes: Option<u64>,
    /// What `cargo bench` says to every bench
    #[arg(long, hide = true)]
    bench: bool,
    /// The reference's own process: the card API, and the table or the CRM
    #[arg(long, hide = true, num_args = 2)]
    reference: Option<Vec<String>>,
}

/// What is measured against what.
struct Comparison {
    name: &'static str,
    customers: Customers,
    /// The first one is what the others are compared with.
    servers: Vec<(&'static str, Kind)>,
}

fn main() {
    let arguments = Arguments::parse();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    if let Some(reference) = &arguments.reference {
        return runtime.block_on(reference::serve(reference[0].clone(), reference[1].clone()));
    }
    if let Some(minutes) = arguments.minutes {
        return runtime.block_on(memory(&arguments, minutes));
    }
    println!("{}", disk());
    let (reference, few, many) =
        (("reference", Kind::Reference), Kind::Callcard { rules: 10 }, Kind::Callcard { rules: 100_000 });
    let comparisons = [
        Comparison { name: "table", customers: Customers::Table, servers: vec![reference, ("callcard", few)] },
        Comparison { name: "CRM", customers: Customers::Crm, servers: vec![reference, ("callcard", few)] },
        Comparison {
            name: "rules",
            customers: Customers::Table,
            servers: vec![("10 rules", few), ("100,000 rules", many)],
        },
    ];
    for comparison in comparisons {
        if arguments.only.as_ref().is_none_or(|only| only == comparison.name) {
            runtime.block_on(compare(&arguments, &comparison));
        }
    }
}

/// What one measurement came to.
struct Measured {
    figures: Figures,
    /// Microseconds of processor time a card.
    processor: f64,
    /// Mebibytes at most.
    memory: f64,
    /// Milliseconds from its start until it served.
    ready: f64,
}

#[derive(Clone, Copy)]
enum Load {
    Closed,
    /// So many calls a second.
    Open(f64),
    /// The same, and meanwhile a rule is changed.
    Reloading(f64),
}

async fn measure(arguments: &Arguments, kind: Kind, customers: Customers, load: Load) -> Measured {
    let time = Duration::from_secs(arguments.seconds);
    let seconds = usize::try_from((time + WARM_UP).as_secs()).unwrap();
    let calls = Arc::new(Calls::new(seconds * PER_SECOND_MAX, arguments.workers));
    let (card_api, crm) = (Fake::card_api(Arc::clone(&calls)).await, Fake::crm().await);
    let server = Server::start(kind, customers, card_api.address, crm.address);
    if let Load::Reloading(_) = load {
        server.write_changed_rules();
    }
    let senders = Senders::new(Arc::clone(&calls), server.address, arguments.workers);
    let (from, until) = (Instant::now() + WARM_UP, Instant::now() + WARM_UP + time);
    let processor = async {
        tokio::time::sleep_until(from.into()).await;
        let (before, cards) = (server.processor_seconds(), calls.cards());
        tokio::time::sleep_until(until.into()).await;
        (server.processor_seconds() - before) * 1e6 / (calls.cards() - cards) as f64
    };
    let sending = async {
        match load {
            Load::Closed => senders.closed_loop(until).await,
            Load::Open(per_second) | Load::Reloading(per_second) => senders.open_loop(per_second, until).await,
        }
    };
    let reloading = async {
        if let Load::Reloading(_) = load {
            tokio::time::sleep_until((from + CHANGED_AFTER).into()).await;
            server.change_rules();
        }
    };
    let (processor, (), ()) = tokio::join!(processor, sending, reloading);
    let end = Instant::now() + LAST_CARDS_WITHIN;
    let is_reloaded = || !matches!(load, Load::Reloading(_)) || server.has_changed_rules();
    while !(calls.is_done() && is_reloaded()) && Instant::now() < end {
        tokio::time::sleep(LOOK_EVERY).await;
    }
    assert!(is_reloaded(), "the changed rules are not in force");
    Measured {
        figures: calls.figures(from, until),
        processor,
        memory: server.memory("VmHWM"),
        ready: server.ready_after.as_secs_f64() * 1e3,
    }
}

async fn compare(arguments: &Arguments, comparison: &Comparison) {
    println!("\n{}: cards a second, as many as it can", comparison.name);
    println!(
        "{:<14} {:>9} {:>6} {:>9} {:>6} {:>6} {:>9}  {FAULTS}",
        "", "cards/s", "ratio", "µs of CPU", "ratio", "MiB", "start, ms"
    );
    let mut rates = Vec::new();
    let measured = rounds(arguments, &comparison.servers, comparison.customers, Load::Closed).await;
    let (first_rate, first_cost) =
        (median(&measured[0], |one| one.figures.rate), median(&measured[0], |one| one.processor));
    for ((name, _), measured) in comparison.servers.iter().zip(&measured) {
        let (rate, cost) = (median(measured, |one| one.figures.rate), median(measured, |one| one.processor));
        let (memory, ready) = (median(measured, |one| one.memory), median(measured, |one| one.ready));
        let (rate_ratio, cost_ratio) = (rate / first_rate, cost / first_cost);
        println!(
            "{name:<14} {rate:>9.0} {rate_ratio:>6.2} {cost:>9.1} {cost_ratio:>6.2} {memory:>6.0} {ready:>9.0}  {}",
            faults(measured)
        );
        rates.push(rate);
    }
    let half = rates.into_iter().fold(f64::INFINITY, f64::min) / 2.0;
    println!("\n{}: milliseconds from webhook to card, {half:.0} calls a second", comparison.name);
    println!(
        "{:<23} {:>8} {:>8} {:>8} {:>8} {:>11} {:>10}  {}",
        "", "p50", "p90", "p99", "p99.9", "ratio (p99)", "µs of CPU", FAULTS
    );
    let mut measured = rounds(arguments, &comparison.servers, comparison.customers, Load::Open(half)).await;
    let mut names: Vec<String> = comparison.servers.iter().map(|(name, _)| (*name).to_owned()).collect();
    let first = median(&measured[0], |one| one.figures.percentile(0.99));
    if let Kind::Reference = comparison.servers[0].1 {
        // As busy as the other one is at half of what it can do.
        let own_half = first_rate / 2.0;
        measured.extend(rounds(arguments, &comparison.servers[..1], comparison.customers, Load::Open(own_half)).await);
        names.push(format!(" at {own_half:.0}"));
    } else {
        let reloaded = [("1,000 rules", Kind::Callcard { rules: 1_000 }), comparison.servers[1]];
        measured.extend(rounds(arguments, &reloaded, comparison.customers, Load::Reloading(half)).await);
        names.extend(reloaded.map(|(name, _)| format!("{name}, reloaded")));
    }
    for (name, measured) in names.iter().zip(&measured) {
        let [p50, p90, p99, p999] =
            [0.5, 0.9, 0.99, 0.999].map(|share| median(measured, |one| one.figures.percentile(share)));
        let cost = median(measured, |one| one.processor);
        println!(
            "{name:<23} {p50:>8.2} {p90:>8.2} {p99:>8.2} {p999:>8.2} {:>11.2} {cost:>10.1}  {}",
            p99 / first,
            faults(measured)
        );
    }
}

/// The heading of what [`faults`] says.
const FAULTS: &str = "lost/twice/wrong/refused";

/// All servers in turn, so often; by server.
async fn rounds(
    arguments: &Arguments,
    servers: &[(&'static str, Kind)],
    customers: Customers,
    load: Load,
) -> Vec<Vec<Measured>> {
    let mut measured: Vec<Vec<Measured>> = servers.iter().map(|_| Vec::new()).collect();
    for _ in 0..arguments.rounds {
        for ((_, kind), measured) in servers.iter().zip(&mut measured) {
            measured.push(measure(arguments, *kind, customers, load).await);
        }
    }
    measured
}

fn median(measured: &[Measured], figure: impl Fn(&Measured) -> f64) -> f64 {
    let mut figures: Vec<f64> = measured.iter().map(figure).collect();
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}

fn faults(measured: &[Measured]) -> String {
    let sum = |count: fn(&Figures) -> usize| measured.iter().map(|one| count(&one.figures)).sum::<usize>();
    let wrong: u64 = measured.iter().map(|one| one.figures.wrong).sum();
    format!("{}/{}/{wrong}/{}", sum(|one| one.lost), sum(|one| one.twice), sum(|one| one.refused))
}

/// The full rate for some minutes, and what it takes.
async fn memory(arguments: &Arguments, minutes: u64) {
    let until = Instant::now() + Duration::from_secs(60 * minutes);
    let calls_max = usize::try_from(60 * minutes).unwrap() * PER_SECOND_MAX;
    let calls = Arc::new(Calls::new(calls_max, arguments.workers));
    let (card_api, crm) = (Fake::card_api(Arc::clone(&calls)).await, Fake::crm().await);
    let server = Server::start(Kind::Callcard { rules: 1_000 }, Customers::Table, card_api.address, crm.address);
    let senders = Senders::new(Arc::clone(&calls), server.address, arguments.workers);
    println!("{:>7} {:>9} {:>8} {:>8}", "minute", "cards", "MiB", "peak");
    let telling = async {
        for minute in 1..=minutes {
            tokio::time::sleep(MINUTE).await;
            println!(
                "{minute:>7} {:>9} {:>8.1} {:>8.1}",
                calls.cards(),
                server.memory("VmRSS"),
                server.memory("VmHWM")
            );
        }
    };
    tokio::join!(telling, senders.closed_loop(until));
}

/// What one wait for the disk takes, where the outbox is.
fn disk() -> String {
    let mut file = tempfile::tempfile_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let mut waits: Vec<Duration> = (0..DISK_WAITS)
        .map(|_| {
            file.write_all(&[1; 4096]).unwrap();
            let begun = Instant::now();
            file.sync_data().unwrap();
            begun.elapsed()
        })
        .collect();
    waits.sort_unstable();
    let at = |share: f64| waits[(DISK_WAITS as f64 * share) as usize].as_secs_f64() * 1e3;
    format!("one fsync: p50 {:.2} ms, p99 {:.2} ms", at(0.5), at(0.99))
}
