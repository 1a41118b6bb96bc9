//! Killed between any two writes: what a process leaves is a beginning of what it wrote, and each such beginning is tried.
//!
//! A killed process loses no write that it made, so the write-ahead log it leaves is cut off somewhere: between two pages or
//! within one. The first cuts fall before there is a table.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use jiff::SignedDuration;

use super::*;

/// A frame of the write-ahead log: a page and what stands before it (<https://sqlite.org/fileformat2.html#the_write_ahead_log>).
const PAGE_BYTES: usize = 4096;
const FRAME_BYTES: usize = 24 + PAGE_BYTES;
const LOG_HEADER_BYTES: usize = 32;

const BRIDGED: &str = "call_bridged";

/// What an outsider knew once the log had a length.
enum Known {
    Accepted(DeliveryId),
    HungUp(&'static str),
    Unreadable,
    /// The phone system has the card of this call.
    Shown(&'static str),
}

/// One process that writes, and what was known of it by and by.
struct Life {
    directory: TempDir,
    outbox: Outbox,
    known: Vec<(usize, Known)>,
}

impl Life {
    fn log(&self) -> Vec<u8> {
        fs::read(self.directory.path().join("outbox.sqlite3-wal")).unwrap()
    }

    fn now_known(&mut self, known: Known) {
        self.known.push((self.log().len(), known));
    }

    async fn accept(&mut self, call_id: &str, name: &str) -> DeliveryId {
        let id = accepted(&self.outbox, Accept { event: name.to_owned(), ..event(call_id, 0) }).await;
        self.now_known(Known::Accepted(id));
        id
    }

    /// Claims all that is due; this one may be sent.
    async fn claim(&mut self, id: DeliveryId, second: i64) -> Claimed {
        let claimed = self.outbox.claim(at(second), LEASE, 10).await.unwrap();
        claimed.into_iter().find(|one| one.id == id && one.standing() == Standing::Open).unwrap()
    }

    async fn hang_up(&mut self, call_id: &'static str) {
        self.outbox.hang_up("hipcall", call_id, at(2)).await.unwrap();
        self.now_known(Known::HungUp(call_id));
    }
}

/// A bit of everything that can happen to a delivery.
async fn lived() -> Life {
    let (directory, outbox) = new();
    let mut life = Life { directory, outbox, known: Vec::new() };
    let sent = life.accept("sent", "call_init").await;
    life.accept("sent", BRIDGED).await;
    life.claim(sent, 0).await;
    life.now_known(Known::Shown("sent"));
    life.outbox.settle(sent, Settlement::Sent { status: 201 }, Some(decided().into()), at(1)).await.unwrap();

    let again = life.accept("again", "call_init").await;
    life.claim(again, 1).await;
    life.outbox.retry_at(again, Some(decided().into()), at(2), "503".to_owned()).await.unwrap();
    life.outbox.keep_unreadable("hipcall", "not JSON", b"?", at(2)).await.unwrap();
    life.now_known(Known::Unreadable);
    life.claim(again, 2).await;
    life.now_known(Known::Shown("again"));
    life.outbox.ask_at(again, None, at(3), "no answer".to_owned()).await.unwrap();
    life.hang_up("again").await;

    life.hang_up("over").await;
    life.accept("over", "call_init").await;
    let brief = life.accept("brief", "call_init").await;
    let hung_up = life.claim(brief, 3).await;
    life.hang_up("brief").await;
    assert_eq!(hung_up.standing(), Standing::Over);
    life.outbox.settle(brief, Settlement::Over, None, at(3)).await.unwrap();

    let slow = life.accept("slow", "call_init").await;
    life.accept("slow", BRIDGED).await;
    life.claim(slow, 3).await;
    life.now_known(Known::Shown("slow"));
    life.outbox.keep(slow, decided().into()).await.unwrap();
    life.outbox.settle(slow, Settlement::Sent { status: 201 }, None, at(4)).await.unwrap();

    let without = life.accept("without", "call_init").await;
    life.accept("without", BRIDGED).await;
    life.outbox.claim(at(3), LEASE, 10).await.unwrap();
    let (settlement, nothing) =
        (Settlement::NoCard { reason: "no rule".to_owned() }, Decided { card: None, ..decided() });
    life.outbox.settle(without, settlement, Some(nothing.into()), at(4)).await.unwrap();
    life.outbox.forget(at(5), SignedDuration::from_secs(60)).await.unwrap();
    life
}

/// Works off what was left as the courier does, and returns the calls whose card was sent.
async fn worked_off(outbox: &Outbox, shown: &BTreeSet<&str>) -> Vec<String> {
    let mut sent = Vec::new();
    while next_due(outbox).await.is_some() {
        for one in outbox.claim(at(10), LEASE, 10).await.unwrap() {
            let has_card = shown.contains(one.call_id.as_str()) || sent.contains(&one.call_id);
            let settlement = if one.is_unknown && has_card {
                Settlement::Sent { status: 200 }
            } else if one.card.is_none() && one.is_superseded {
                Settlement::Superseded
            } else {
                match one.standing() {
                    Standing::Over => Settlement::Over,
                    Standing::Superseded => Settlement::Superseded,
                    Standing::Open => {
                        sent.push(one.call_id.clone());
                        Settlement::Sent { status: 201 }
                    }
                }
            };
            let decided =
                (one.card.is_none() && matches!(settlement, Settlement::Sent { .. })).then(|| decided().into());
            outbox.settle(one.id, settlement, decided, at(11)).await.unwrap();
        }
    }
    sent
}

/// Starts on these two files, and holds what comes of it against what was known when the log was `length` long.
async fn survived(database: &[u8], log: &[u8], known: &[(usize, Known)], length: usize, is_shown: bool) {
    let directory = TempDir::new().unwrap();
    fs::write(directory.path().join("outbox.sqlite3"), database).unwrap();
    fs::write(directory.path().join("outbox.sqlite3-wal"), log).unwrap();
    let outbox = open(directory.path()).unwrap_or_else(|error| panic!("{length}: {error}"));
    // What was sent when the log had just this length may or may not have been sent before the kill.
    let shown: BTreeSet<&str> = known
        .iter()
        .filter(|(at, _)| *at < length || *at == length && is_shown)
        .filter_map(|(_, known)| if let Known::Shown(call_id) = known { Some(*call_id) } else { None })
        .collect();
    let sent = worked_off(&outbox, &shown).await;
    assert_eq!(outbox.pending().await.unwrap(), 0, "{length}");
    let mut cards: BTreeMap<&str, usize> = shown.iter().map(|call_id| (*call_id, 1)).collect();
    for call_id in &sent {
        *cards.entry(call_id).or_default() += 1;
    }
    assert!(cards.values().all(|cards| *cards == 1), "{length}: {cards:?}");
    for (_, known) in known.iter().filter(|(at, _)| *at <= length) {
        match known {
            Known::Accepted(id) => {
                let detail = outbox.show(*id).await.unwrap().unwrap_or_else(|| panic!("{length}: {id} is lost"));
                assert!(detail.row.settled_at.is_some(), "{length}: {detail:?}");
            }
            Known::HungUp(call_id) => assert!(!sent.contains(&(*call_id).to_owned()), "{length}: {call_id} was over"),
            Known::Unreadable => assert_eq!(outbox.unreadable(10).await.unwrap().len(), 1, "{length}"),
            Known::Shown(_) => {}
        }
    }
}

fn database(directory: &Path) -> Vec<u8> {
    fs::read(directory.join("outbox.sqlite3")).unwrap()
}

#[tokio::test]
async fn killed_between_any_two_writes_to_the_log_it_goes_on_where_it_was() {
    let life = lived().await;
    let (before, log) = (database(life.directory.path()), life.log());
    assert!(before.len() <= PAGE_BYTES, "all of it is in the log, the tables too");
    let frames = (log.len() - LOG_HEADER_BYTES) / FRAME_BYTES;
    assert!(frames > 60, "{frames}");
    let whole = (0..=frames).map(|frames| LOG_HEADER_BYTES + frames * FRAME_BYTES);
    let torn = (0..frames).step_by(7).map(|frames| LOG_HEADER_BYTES + frames * FRAME_BYTES + FRAME_BYTES / 2);
    for length in whole.chain(torn).chain([0, LOG_HEADER_BYTES / 2]) {
        for is_shown in [false, true] {
            let at_this = life.known.iter().any(|(at, known)| *at == length && matches!(known, Known::Shown(_)));
            if at_this || !is_shown {
                survived(&before, &log[..length], &life.known, length, is_shown).await;
            }
        }
    }
}

#[tokio::test]
async fn killed_while_the_log_moves_into_the_database_it_goes_on_where_it_was() {
    let life = lived().await;
    let (before, log) = (database(life.directory.path()), life.log());
    let checkpoint = Connection::open(life.directory.path().join("outbox.sqlite3")).unwrap();
    checkpoint.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
    let after = database(life.directory.path());
    assert!(after.len() > 5 * PAGE_BYTES);
    // The pages are written in their order, one after the other.
    for moved in (0..=after.len()).step_by(PAGE_BYTES) {
        let rest = before.get(moved..).unwrap_or_default();
        survived(&[&after[..moved], rest].concat(), &log, &life.known, usize::MAX, true).await;
    }
}
