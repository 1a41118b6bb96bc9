//! The rules in force, and how new ones take their place.
//!
//! All fallible work is done beside the running rules; then one pointer is swapped. A bad edit changes nothing. When to
//! look, and what time it is, others say.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::ArcSwap;
use jiff::Timestamp;

use super::last_good::{Files, LastGood};
use super::reads::{self, Use};
use super::watch::Watch;
use super::{Environment, Loaded, Origin, RuleSet, Written, load};
use crate::problem::{Code, Place, Problem};

/// The rules in force.
#[derive(Debug)]
pub struct Live {
    rules: ArcSwap<RuleSet>,
    path: PathBuf,
    status: Mutex<Status>,
    /// Held while rules are loaded: two reloads never run side by side.
    reloading: Mutex<Reloading>,
}

/// New rules that did not take effect; the ones in force stay.
#[derive(Debug)]
pub struct Rejected(pub Vec<Problem>);

/// How the rules came into force, and what became of the last attempt to replace them.
#[derive(Clone, Debug)]
pub struct Status {
    /// When the rules in force were loaded.
    pub loaded_at: Timestamp,
    /// Whether they are the copy of the last good ones, because those in the rule directory were broken at the start.
    pub is_last_good: bool,
    /// When rules were loaded last, with whatever outcome.
    pub attempt_at: Timestamp,
    /// Whether they took effect.
    pub is_swapped: bool,
    /// Every problem in them; only warnings and notes where they took effect.
    pub problems: Vec<Problem>,
}

impl Status {
    /// Where the rules in force come from, in one word: `directory` or `last_good`.
    pub fn serving(&self) -> &'static str {
        if self.is_last_good { "last_good" } else { "directory" }
    }
}

#[derive(Debug, Default)]
struct Reloading {
    watch: Watch,
    /// The files beside the rules whose change is a change of the rules.
    read: BTreeSet<PathBuf>,
    /// Those of the rules in force.
    files: Files,
    /// Rules that were in force before and that calls still use. Whoever lets go of them last frees them, which takes long
    /// where there are many: it shall be a reload or a look, not a call.
    retired: Vec<Arc<RuleSet>>,
}

impl Live {
    /// Loads a rule directory for the first time; where it is broken, the copy of the last good rules. [`Live::status`] tells
    /// which, and why. The problems that come with it are warnings.
    ///
    /// # Errors
    /// Every problem, where one is an error; where there is a copy, every one in that, too.
    pub fn start(
        path: PathBuf,
        last_good: Option<&LastGood>,
        environment: &Environment<'_>,
        now: Timestamp,
    ) -> Result<(Live, Vec<Problem>), Rejected> {
        let mut reloading = Reloading::default();
        reloading.watch.look(&path, &BTreeSet::new());
        let Loaded { rules, mut problems, written, .. } = load(&path, environment);
        reloading.note(&written, rules.is_some());
        let is_last_good = rules.is_none();
        let mut status =
            Status { loaded_at: now, is_last_good, attempt_at: now, is_swapped: !is_last_good, problems: Vec::new() };
        if let Some(rules) = rules {
            reloading.files = files_of(&path, &rules, &written);
            status.problems.clone_from(&problems);
            return Ok((Live::new(rules, path, status, reloading), problems));
        }
        let Some(copy) = last_good.and_then(LastGood::newest) else { return Err(Rejected(problems)) };
        let of_the_copy = load(&copy.path, environment);
        let Some(mut rules) = of_the_copy.rules else {
            problems.extend(of_the_copy.problems);
            return Err(Rejected(problems));
        };
        // The hash of the same files in another place is another one.
        rules.revision = copy.revision;
        status.problems = problems;
        Ok((Live::new(rules, path, status, reloading), of_the_copy.problems))
    }

    fn new(rules: RuleSet, path: PathBuf, status: Status, reloading: Reloading) -> Live {
        let (status, reloading) = (Mutex::new(status), Mutex::new(reloading));
        Live { rules: ArcSwap::from_pointee(rules), path, status, reloading }
    }

    /// Where the rules come from.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The rules in force now. A call keeps what it got until it ends.
    pub fn rules(&self) -> Arc<RuleSet> {
        self.rules.load_full()
    }

    /// How they came into force, and what became of the last attempt to replace them.
    pub fn status(&self) -> Status {
        self.status.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Loads the directory again and swaps; the problems that come with it are warnings. It waits for a reload that is
    /// under way.
    ///
    /// # Errors
    /// Every problem, where one is an error. The rules in force stay.
    pub fn reload(&self, environment: &Environment<'_>, now: Timestamp) -> Result<Vec<Problem>, Rejected> {
        let mut reloading = self.reloading();
        let Reloading { watch, read, .. } = &mut *reloading;
        watch.look(&self.path, read);
        self.load(&mut reloading, environment, now, true)
    }

    /// The same where the files have changed since they were loaded, and not since the last look; `None` where not. A rule
    /// file that has vanished is a mistake here: nobody has said that it is meant.
    pub fn reload_changed(
        &self,
        environment: &Environment<'_>,
        now: Timestamp,
    ) -> Option<Result<Vec<Problem>, Rejected>> {
        let mut reloading = self.reloading();
        reloading.let_go();
        let Reloading { watch, read, .. } = &mut *reloading;
        watch.look(&self.path, read).then(|| self.load(&mut reloading, environment, now, false))
    }

    /// Keeps a copy of the files of the rules in force; tells the tables that are too large for it.
    ///
    /// # Errors
    /// What the file system says. The copy before stays.
    pub fn keep(&self, last_good: &LastGood) -> std::io::Result<Vec<PathBuf>> {
        let reloading = self.reloading();
        if self.status().is_last_good { Ok(Vec::new()) } else { last_good.keep(&reloading.files) }
    }

    fn reloading(&self) -> MutexGuard<'_, Reloading> {
        self.reloading.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn load(
        &self,
        reloading: &mut Reloading,
        environment: &Environment<'_>,
        now: Timestamp,
        may_vanish: bool,
    ) -> Result<Vec<Problem>, Rejected> {
        // Before there are others, which take as much memory.
        reloading.let_go();
        let Loaded { mut rules, mut problems, written, .. } = load(&self.path, environment);
        // A copy may be older than the removal of a file.
        if rules.is_some() && !may_vanish && !self.status().is_last_good {
            let vanished = vanished(&self.path, &reloading.files, &written);
            if !vanished.is_empty() {
                rules = None;
                problems.extend(vanished);
            }
        }
        reloading.note(&written, rules.is_some());
        let is_swapped = rules.is_some();
        if let Some(mut rules) = rules {
            keep_what_is_known(&mut rules, &self.rules());
            reloading.files = files_of(&self.path, &rules, &written);
            reloading.retired.push(self.rules.swap(Arc::new(rules)));
        }
        {
            let mut status = self.status.lock().unwrap_or_else(PoisonError::into_inner);
            (status.attempt_at, status.is_swapped) = (now, is_swapped);
            status.problems.clone_from(&problems);
            if is_swapped {
                (status.loaded_at, status.is_last_good) = (now, false);
            }
        }
        reloading.let_go();
        if is_swapped { Ok(problems) } else { Err(Rejected(problems)) }
    }
}

impl Reloading {
    /// Frees the rules that no call uses any more.
    fn let_go(&mut self) {
        self.retired.retain(|rules| Arc::strong_count(rules) > 1);
    }

    /// Remembers what the rules read. A table that is in force looks after itself; one that may have kept rules from
    /// taking effect is looked at here.
    fn note(&mut self, written: &Written, is_swapped: bool) {
        let read = reads::of(written).into_iter();
        self.read = read.filter(|(kind, _)| !is_swapped || *kind != Use::Table).map(|(_, path)| path).collect();
        self.watch.dealt_with(&self.read);
    }
}

/// The rule directory; that of the file where `path` is one.
fn root(path: &Path) -> &Path {
    if path.is_file() { path.parent().unwrap_or(Path::new("")) } else { path }
}

fn files_of(path: &Path, rules: &RuleSet, written: &Written) -> Files {
    let below = |path: &Path, root: &Path| path.strip_prefix(root).ok().map(Path::to_owned);
    let (root, documents) = (root(path), written.rules.iter());
    let clear_root = reads::clear(root);
    let tables = reads::of(written).into_iter().filter(|(kind, _)| matches!(kind, Use::List | Use::Table));
    Files {
        revision: rules.revision.clone(),
        rules: documents
            .filter_map(|document| Some((below(Path::new(&document.file.path), root)?, Arc::clone(&document.file))))
            .collect(),
        tables: tables.filter_map(|(_, path)| Some((below(&path, &clear_root)?, path))).collect(),
    }
}

/// Rule files of the rules in force that are gone, and not to be found under another name.
fn vanished(path: &Path, before: &Files, written: &Written) -> Vec<Problem> {
    let root = root(path);
    let paths: BTreeSet<&Path> = written.rules.iter().map(|document| Path::new(&document.file.path)).collect();
    let texts: BTreeSet<&str> = written.rules.iter().map(|document| document.file.text.as_str()).collect();
    let is_there = |path: &Path, text: &str| paths.contains(root.join(path).as_path()) || texts.contains(text);
    let gone = before.rules.iter().filter(|(path, file)| !is_there(path, &file.text));
    gone.map(|(_, file)| {
        let message = "the file has vanished, and rules in force come from it".to_owned();
        Problem::new(Code::File, Place::whole(file), message)
            .help("put it back; if it is meant to be gone, ask for a reload: SIGHUP, or POST /-/reload")
    })
    .collect()
}

/// A source whose definition is the same goes on with its connections and with what is known of it: earlier answers, and
/// whether it is worth asking. A table has been read anew, and stays so.
fn keep_what_is_known(rules: &mut RuleSet, before: &RuleSet) {
    for source in &mut rules.sources {
        let Origin::Asked(asked) = &mut source.origin else { continue };
        let known = before.sources.iter().find_map(|known| match &known.origin {
            Origin::Asked(known) if known.fingerprint == asked.fingerprint => Some(known),
            _ => None,
        });
        if let Some(known) = known {
            asked.asker = Arc::clone(&known.asker);
            if !asked.source.is_at_hand() {
                asked.source = Arc::clone(&known.source);
            }
        }
    }
}
