//! The bytes of a rule file → problems, or rules that decide about calls of all kinds whatever the sources say.

use std::path::PathBuf;
use std::sync::LazyLock;

use callcard::condition::Facts;
use callcard::engine::values;
use callcard::event::Call;
use callcard::problem::Problem;
use callcard::rules::{Origin, RuleSet, Verdict};
use callcard::source::Stub;
use tempfile::TempDir;

use crate::world::{self, ANSWERS};

static PLACE: LazyLock<TempDir> = LazyLock::new(|| {
    let directory = world::directory();
    std::fs::write(directory.path().join("people.csv"), "phone,name\n+905321234567,\"A \"\"B\"\"\"\n101,C\n")
        .expect("a file can be written");
    directory
});

/// A file in a directory with a table beside it.
pub fn written(name: &str, bytes: &[u8]) -> PathBuf {
    let path = PLACE.path().join(name);
    std::fs::write(&path, bytes).expect("a file can be written");
    path
}

/// Any bytes, as a rule file.
pub fn rules(bytes: &[u8]) {
    let loaded = world::loaded(&written("main.yaml", bytes), true);
    for problem in &loaded.problems {
        is_told_well(problem);
    }
    let has_errors = loaded.problems.iter().any(Problem::is_error);
    assert_eq!(loaded.rules.is_none(), has_errors);
    let Some(rules) = loaded.rules else { return };
    let prover = rules.prover();
    let verdicts: Vec<Verdict> = (0..rules.rules.len().min(20)).map(|position| prover.verdict(position)).collect();
    let runtime = world::paused();
    for (number, call) in world::calls(rules.defaults.region).iter().enumerate() {
        let indexed = is_found_by_the_index(&rules, call);
        for choice in [number, number + 1].map(|choice| choice % ANSWERS) {
            let given: Vec<(String, Stub)> = rules
                .sources
                .iter()
                .enumerate()
                .filter(|(_, source)| matches!(source.origin, Origin::Asked(_)))
                .map(|(position, source)| (source.name.to_string(), world::answer(position * number + choice)))
                .collect();
            let decision = world::decided(&runtime, &rules.with_stubs(&given), call);
            let decided = decision.rule.as_deref();
            let position = rules.rules.iter().position(|rule| Some(&*rule.name) == decided);
            assert!(position.is_none_or(|position| indexed.contains(&position)), "a rule that does not match decides");
            let verdict = position.and_then(|position| verdicts.get(position));
            let is_possible = !matches!(verdict, Some(Verdict::Impossible | Verdict::Covered(_)));
            assert!(is_possible, "{decided:?} decides, though it is proved that it can't: {verdict:?}");
            if rules.sources.is_empty() {
                break;
            }
        }
    }
}

/// The rules that match: the index must find those that going through all of them finds.
fn is_found_by_the_index(rules: &RuleSet, call: &Call) -> Vec<usize> {
    let values = values(call, &rules.defaults);
    let facts = Facts::new(call, &values, &rules.defaults.time_zone);
    let all = rules.rules.iter().enumerate().filter(|(_, rule)| rule.when.holds(&facts));
    let all: Vec<usize> = all.map(|(position, _)| position).collect();
    let indexed: Vec<&str> = rules.matching(&facts).map(|rule| &*rule.name).collect();
    let named: Vec<&str> =
        all.iter().filter_map(|position| rules.rules.get(*position)).map(|rule| &*rule.name).collect();
    assert_eq!(indexed, named, "the index finds other rules than there are");
    for rule in rules.rules.iter().take(20) {
        let explained = rule.when.explain(&facts);
        assert_eq!(explained.iter().all(|step| step.holds), rule.when.holds(&facts), "{}: {explained:?}", rule.name);
    }
    all
}

/// A problem is one line, at a place that the file has.
fn is_told_well(problem: &Problem) {
    let text = &problem.place.file.text;
    let line = text.lines().nth(problem.place.line.saturating_sub(1));
    assert!(problem.place.line >= 1 && problem.place.column >= 1, "{problem:?}");
    assert!(text.get(problem.place.span.clone()).is_some(), "a span inside a character: {problem:?}");
    let columns = line.map_or(0, |line| line.chars().count());
    // To YAML a carriage return alone ends a line.
    let is_counted_alike = !text.is_empty() && !text.contains('\r');
    assert!(!is_counted_alike || problem.place.column <= columns + 2, "beyond its line: {problem:?}");
    assert!(!problem.message.is_empty() && !problem.message.contains('\n'), "{problem:?}");
    assert!(!problem.message.ends_with('.'), "{problem:?}");
}
