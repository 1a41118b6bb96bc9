//! `callcard check --explain CODE`: every code has a page, and the examples in it are what the page says.
//!
//! A block ` ```yaml ` is the right one, ` ```yaml wrong ` gives exactly the code of its page; ` ```csv NAME ` is a file beside
//! them. Examples leave out `version: 1`, and the rules where they are not what matters; both are added here.

use std::path::Path;

use serde_json::Value;

use crate::program::{Ran, project, run};

/// Pages about what no single file can have.
const WITHOUT_EXAMPLE: [&str; 7] = ["R001", "R002", "R036", "R038", "R047", "R065", "R073"];

/// What another problem brings with it.
const COMES_WITH: [(&str, &str); 1] = [("R063", "R061")];

/// More lines of prose than this are not read while something is broken.
const PROSE_LINES_MAX: usize = 14;

/// Any rule, for examples that are about something else.
const A_RULE: &str = "rules:\n  - {name: everybody, card: [{type: title, text: Hello}]}\n";

/// All codes, as `src/problem.rs` has them.
fn codes() -> Vec<String> {
    let source = std::fs::read_to_string(project().join("src/problem.rs")).unwrap();
    let codes = source.lines().filter_map(|line| Some(line.split_once(" = \"R")?.1.split_once('"')?.0.to_owned()));
    codes.map(|digits| format!("R{digits}")).collect()
}

fn page(code: &str) -> Ran {
    run(project(), &["check", "--explain", code])
}

/// A fenced block of a page.
struct Block {
    is_wrong: bool,
    file: String,
    text: String,
}

impl Block {
    fn all(page: &str) -> Vec<Block> {
        let mut blocks = Vec::new();
        for block in page.split("\n```").skip(1).step_by(2) {
            let (info, text) = block.split_once('\n').unwrap();
            blocks.push(Block::new(info, text));
        }
        blocks
    }

    fn new(info: &str, text: &str) -> Block {
        let words: Vec<&str> = info.split(' ').collect();
        let is_wrong = words.contains(&"wrong");
        let is_test = text.starts_with("tests:");
        let (file, text) = match words[0] {
            "yaml" if is_test => ("main.test.yaml", format!("version: 1\n{text}\n")),
            "yaml" => ("main.yaml", format!("version: 1\n{text}\n")),
            "csv" => (*words.last().unwrap(), format!("{text}\n")),
            other => panic!("a page has yaml and csv, not `{other}`"),
        };
        Block { is_wrong, file: file.to_owned(), text }
    }
}

/// The codes that `check` finds in the blocks of a page: the right ones, with the wrong ones in their place where asked.
fn found(blocks: &[Block], wrong: bool) -> Vec<String> {
    let directory = tempfile::tempdir().unwrap();
    let rules = directory.path().join("rules");
    let write = |file: &str, text: &str| {
        let path = rules.join(file);
        std::fs::create_dir_all(path.parent().unwrap_or(Path::new("."))).unwrap();
        std::fs::write(path, text).unwrap();
    };
    write("main.yaml", &format!("version: 1\n{A_RULE}"));
    blocks.iter().filter(|block| !block.is_wrong).for_each(|block| write(&block.file, &block.text));
    blocks.iter().filter(|block| wrong && block.is_wrong).for_each(|block| write(&block.file, &block.text));
    let report = run(directory.path(), &["check", "--format", "json"]).json();
    let text = |problem: &Value| problem["code"].as_str().unwrap().to_owned();
    report["problems"].as_array().unwrap().iter().map(text).collect()
}

#[test]
fn every_code_has_a_page_that_opens_with_its_title() {
    let codes = codes();
    assert!(codes.len() >= 30, "the codes of src/problem.rs are read as they are written there");
    for code in codes {
        let ran = page(&code);
        assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""), "{code}");
        let opens =
            ["error", "warning", "note"].iter().any(|level| ran.stdout.starts_with(&format!("{code} ({level}): ")));
        assert!(opens, "{}", ran.stdout);
    }
}

#[test]
fn the_wrong_example_of_a_page_gives_its_code_and_the_right_one_nothing() {
    for code in codes() {
        let text = page(&code).stdout;
        let blocks = Block::all(&text);
        let has_both = blocks.iter().any(|block| block.is_wrong) && blocks.iter().any(|block| !block.is_wrong);
        assert_eq!(has_both, !WITHOUT_EXAMPLE.contains(&code.as_str()), "{code}: a wrong and a right example\n{text}");
        assert_eq!(text.contains("There is no example: "), blocks.is_empty(), "{code}: says why there is none");
        if has_both {
            let others = COMES_WITH.iter().filter(|(one, _)| *one == code).map(|(_, other)| *other);
            let expected: Vec<&str> = std::iter::once(code.as_str()).chain(others).collect();
            assert_eq!(found(&blocks, true), expected, "the wrong example\n{text}");
            assert_eq!(found(&blocks, false), [""; 0], "the right example\n{text}");
        }
    }
}

#[test]
fn a_page_is_short_enough_to_be_read() {
    for code in codes() {
        let text = page(&code).stdout;
        let prose = text.split("\n```").step_by(2).flat_map(str::lines).filter(|line| !line.trim().is_empty());
        let prose = prose.count() - 1;
        assert!((2..=PROSE_LINES_MAX).contains(&prose), "{code}: {prose} lines besides the examples");
        let wide = text.lines().skip(1).find(|line| line.chars().count() > 100);
        assert_eq!(wide, None, "{code}: a line is wider than a terminal");
    }
}

#[test]
fn a_code_may_be_typed_in_small_letters() {
    assert_eq!(page("r012").stdout, page("R012").stdout);
}

#[test]
fn an_unknown_code_ends_with_2_and_the_nearest_one() {
    let ran = page("R0122");
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(2), ""), "{ran:#?}");
    assert_eq!(ran.stderr, "callcard: no code is named `R0122`: did you mean `R012`?\n");
    let ran = page("hello");
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(2), ""), "{ran:#?}");
}

#[test]
fn a_page_is_printed_instead_of_a_check_not_beside_it() {
    for more in [&["rules"][..], &["--format", "json"], &["--env"]] {
        let ran = run(project(), &[&["check", "--explain", "R012"], more].concat());
        assert_eq!((ran.code, ran.stdout.as_str()), (Some(2), ""), "{ran:#?}");
    }
}

#[test]
fn check_names_the_page_of_the_first_problem_where_a_person_reads() {
    let folder = project().join("tests/cases/check/several-mistakes-in-three-files");
    let first = run(&folder, &["check", "--format", "json"]).json()["problems"][0]["code"].as_str().unwrap().to_owned();
    let line = format!("`callcard check --explain {first}` says more");
    let ran = run(&folder, &["check"]);
    assert_eq!(ran.stdout.lines().last(), Some(line.as_str()));
    assert_eq!(ran.stdout.matches("--explain").count(), 1, "{}", ran.stdout);
    for format in ["json", "github", "sarif"] {
        assert!(!run(&folder, &["check", "--format", format]).stdout.contains("--explain"), "{format}");
    }
    assert!(!run(project(), &["check"]).stdout.contains("--explain"), "nothing is wrong");
}
