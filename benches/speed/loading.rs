//! Rules loaded from files, 10 to 100,000 of them, as the server does when it starts.
//!
//! Each rule has a number of its own, a source that must know the caller, and a card that it shares with the others. Beside
//! it are measured the same rules with a card in each, and written so that the parser of YAML has to read them.

use std::fmt::Write;
use std::path::Path;
use std::time::Instant;

use divan::Bencher;
use divan::counter::ItemsCount;
use tempfile::TempDir;

use crate::loaded;

const SIZES: [usize; 3] = [10, 1_000, 100_000];

/// Rules of one file; a set of this size has several.
const RULES_A_FILE: usize = 10_000;

/// Runs of which the best one counts. One of the largest takes seconds.
const ROUNDS: usize = 3;

const BASE: &str = "version: 1
sources: {crm: {csv: {file: crm.csv, numbers: [phone]}}}
cards:
  customer:
    - {type: title, text: \"{{crm.name}}\", link: \"https://crm.example.com/contacts/{{crm.id}}\"}
    - {type: shortText, label: Company, text: \"{{crm.company}}\"}
";

/// How rules are written.
#[derive(Clone, Copy)]
enum Way {
    Plain,
    /// A card in each rule, whose title is only its own.
    Cards,
    /// An escape means what it stands for, and is left to the parser.
    Parsed,
}

/// A rule directory.
fn written(size: usize, way: Way) -> TempDir {
    let direction = if let Way::Parsed = way { "\"\\x69nbound\"" } else { "inbound" };
    let directory = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(directory.path().join(name), text).unwrap();
    write("crm.csv", "id,name,company,phone\n1,Jane Doe,Acme,+905321234567\n");
    write("base.yaml", BASE);
    for begin in (0..size).step_by(RULES_A_FILE) {
        let mut text = String::from("version: 1\nrules:\n");
        for rule in begin..size.min(begin + RULES_A_FILE) {
            let when = format!("{{direction: {direction}, customer: \"+90532{rule:07}\"}}");
            let card = match way {
                Way::Cards => format!("[{{type: title, text: \"Rule {rule}: {{{{crm.name}}}}\"}}]"),
                Way::Plain | Way::Parsed => "customer".to_owned(),
            };
            writeln!(text, "  - name: rule-{rule}\n    when: {when}\n    needs: {{crm: one}}\n    card: {card}")
                .unwrap();
        }
        write(&format!("rules-{begin:06}.yaml"), &text);
    }
    directory
}

fn count(directory: &Path) -> usize {
    loaded(directory).rules.len()
}

#[divan::bench(args = SIZES, sample_count = 3, sample_size = 1)]
fn rules_loaded(bencher: Bencher<'_, '_>, size: usize) {
    let directory = written(size, Way::Plain);
    bencher.counter(ItemsCount::new(size)).bench_local(|| count(directory.path()));
}

/// Prints what loading takes, as a ratio a rule to a thousand rules and to the same rules written in another way.
pub fn ratios() {
    let heads = ["milliseconds", "× of 1,000, each", "× a card in each", "× by the parser"];
    println!("\n{:<16} {:>12} {:>16} {:>16} {:>16}", "loading", heads[0], heads[1], heads[2], heads[3]);
    let each = |size: usize, way: Way| {
        let directory = written(size, way);
        assert_eq!(count(directory.path()), size);
        let run = || {
            let begun = Instant::now();
            divan::black_box(count(directory.path()));
            begun.elapsed().as_secs_f64()
        };
        (0..ROUNDS).map(|_| run()).fold(f64::INFINITY, f64::min) / size as f64
    };
    let of_thousand = each(1_000, Way::Plain);
    for size in SIZES {
        let [plain, cards, parsed] = [Way::Plain, Way::Cards, Way::Parsed].map(|way| each(size, way));
        let milliseconds = plain * size as f64 * 1e3;
        let rules = format!("{size} rules");
        let (cards, parsed) = (cards / plain, parsed / plain);
        println!("{rules:<16} {milliseconds:>12.1} {:>16.2} {cards:>16.2} {parsed:>16.2}", plain / of_thousand);
    }
}
