//! A table with a million rows: how long it takes to load, how much memory a row needs, how long a row is looked for.
//!
//! The reference is what one would write first: every row as the `csv` crate gives it, and a hash table from the number as
//! it is written to its rows. That one reads no number, so it finds none that is written in another way.

use std::collections::HashMap;
use std::fs;
use std::io::Write;
use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use callcard::event::{CustomerNumber, Region};
use callcard::rules::Origin;
use callcard::source::{Question, Source};
use divan::Bencher;
use futures_util::FutureExt;
use tempfile::TempDir;

use crate::loaded;
use crate::ratio::nanoseconds;

/// Numbers that are looked for in one run, so that it is not always the same way through the index.
const QUESTIONS: usize = 64;

/// A million, but for a run that only sees whether the benches run.
fn rows() -> usize {
    if std::env::args().any(|argument| argument == "--bench") { 1_000_000 } else { 1_000 }
}

/// The number of a row, as it is written in the first column. It jumps about, as in a table that is sorted by something else.
fn number(row: usize) -> String {
    format!("0532{:07}", row * 7_654_321 % 10_000_000)
}

/// Rules and their table.
fn directory() -> &'static TempDir {
    static DIRECTORY: OnceLock<TempDir> = OnceLock::new();
    DIRECTORY.get_or_init(|| {
        let directory = tempfile::tempdir().unwrap();
        let rules = "{version: 1, sources: {people: {csv: {file: people.csv, numbers: [phone, mobile]}}}, rules: [{name: known, needs: {people: some}, card: none}]}";
        fs::write(directory.path().join("rules.yaml"), rules).unwrap();
        let mut file = std::io::BufWriter::new(fs::File::create(directory.path().join("people.csv")).unwrap());
        writeln!(file, "phone,mobile,id,full_name,company,city").unwrap();
        for row in 0..rows() {
            let (phone, mobile) = (number(row), format!("+90542{:07}", row * 1_234_577 % 10_000_000));
            writeln!(file, "{phone},{mobile},{row},Ayşe Yılmaz {row},\"Yılmaz, Mobilya {row}\",İstanbul").unwrap();
        }
        file.into_inner().unwrap();
        directory
    })
}

fn path() -> &'static Path {
    directory().path()
}

fn source() -> Arc<Source> {
    match &loaded(path()).sources[0].origin {
        Origin::Asked(asked) => Arc::clone(&asked.source),
        Origin::First(_) => panic!("the source is a table"),
    }
}

/// The reference: rows, and where each number is.
type Plain = (Vec<::csv::StringRecord>, HashMap<String, Vec<usize>>);

fn plain() -> Plain {
    let mut reader = ::csv::Reader::from_path(path().join("people.csv")).unwrap();
    let mut by_number: HashMap<String, Vec<usize>> = HashMap::new();
    let rows: Vec<::csv::StringRecord> = reader.records().map(Result::unwrap).collect();
    for (position, row) in rows.iter().enumerate() {
        for column in 0..2 {
            by_number.entry(row[column].to_owned()).or_default().push(position);
        }
    }
    (rows, by_number)
}

fn looked_for() -> Vec<usize> {
    (0..QUESTIONS).map(|position| position * rows() / QUESTIONS).collect()
}

/// One row asked for, each time another one.
fn asked(source: &Source) -> impl Fn() -> usize {
    let questions: Vec<Question> = looked_for()
        .into_iter()
        .map(|row| Question {
            account: "hipcall".to_owned(),
            customer: CustomerNumber::parse(Some(&number(row)), Region::default()),
            region: Region::default(),
            parameters: Vec::new(),
        })
        .collect();
    move || {
        let found = |question| source.ask(divan::black_box(question)).now_or_never().unwrap().unwrap().records.len();
        let found = questions.iter().map(found).sum();
        assert_eq!(found, QUESTIONS);
        found
    }
}

fn looked_up((rows, by_number): &Plain) -> impl Fn() -> usize {
    let numbers: Vec<String> = looked_for().into_iter().map(number).collect();
    move || {
        let found =
            |number| by_number[divan::black_box::<&String>(number)].iter().map(|row| rows[*row].len()).sum::<usize>();
        numbers.iter().map(found).sum()
    }
}

#[divan::bench]
fn a_row_asked_for(bencher: Bencher<'_, '_>) {
    let source = source();
    bencher.counter(divan::counter::ItemsCount::new(QUESTIONS)).bench_local(asked(&source));
}

/// Memory that the process has now and had at most, in bytes, as Linux tells; elsewhere nothing.
fn memory() -> (f64, f64) {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let of = |key: &str| -> f64 {
        let line = status.lines().find_map(|line| line.strip_prefix(key)).unwrap_or_default();
        line.split_whitespace().next().and_then(|kilobytes| kilobytes.parse().ok()).unwrap_or(0.0) * 1024.0
    };
    (of("VmRSS:"), of("VmHWM:"))
}

/// What a load takes: seconds, bytes a row that stay, bytes a row at most on the way.
fn measured<T>(load: impl FnOnce() -> T) -> (T, [f64; 3]) {
    // 5 forgets how much there was at most (proc(5)).
    let _ = fs::write("/proc/self/clear_refs", "5");
    let (before, begun) = (memory().0, Instant::now());
    let loaded = load();
    let (seconds, (after, most)) = (begun.elapsed().as_secs_f64(), memory());
    (loaded, [seconds, (after - before) / rows() as f64, (most - before) / rows() as f64])
}

/// Prints what a table costs beside the reference.
pub fn ratios() {
    let bytes = fs::metadata(path().join("people.csv")).unwrap().len() as f64 / rows() as f64;
    // Before the reference, whose many small pieces stay with the process when they are given back.
    let (source, table) = measured(source);
    let asked = nanoseconds(asked(&source)) / QUESTIONS as f64;
    let (plain, reference) = measured(plain);
    let looked_up = nanoseconds(looked_up(&plain)) / QUESTIONS as f64;
    println!(
        "\n{:<36} {:>10} {:>10} {:>10} {:>10}",
        format!("csv: {} rows", rows()),
        "seconds",
        "bytes/row",
        "at most",
        "ns/look-up"
    );
    println!("{:<36} {:>10} {bytes:>10.0}", "the file", "");
    for (what, [seconds, stay, most], nanoseconds) in
        [("a table", table, asked), ("records of the csv crate and a hash", reference, looked_up)]
    {
        println!("{what:<36} {seconds:>10.2} {stay:>10.0} {most:>10.0} {nanoseconds:>10.0}");
    }
    let ratio = |position: usize| table[position] / reference[position];
    println!("{:<36} {:>10.2} {:>10.2} {:>10.2} {:>10.2}", "ratio", ratio(0), ratio(1), ratio(2), asked / looked_up);
}
