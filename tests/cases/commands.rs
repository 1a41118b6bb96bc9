//! The command line: exit codes, which text goes where, and what a terminal would see.
//!
//! 0 is fine, 1 is rules or tests that are wrong, 2 is a command that could not run.

use std::io::Write;
use std::path::PathBuf;
use std::process::Stdio;

use crate::program::{Ran, callcard, project, run};

fn check_case(name: &str) -> PathBuf {
    project().join("tests/cases/check").join(name)
}

fn event(name: &str) -> String {
    project().join("tests/events").join(name).display().to_string()
}

#[test]
fn check_of_good_rules_says_so() {
    let ran = run(project(), &["check"]);
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""), "{ran:#?}");
    assert!(ran.stdout.starts_with("rules: fine (") && ran.stdout.lines().count() == 1, "{ran:#?}");
}

#[test]
fn check_shows_the_line_with_a_caret_the_code_and_help() {
    let ran = run(&check_case("card-undefined"), &["check"]);
    let expected = "error[R021]: no card is named `custmer`\n\
        \u{20}--> rules/main.yaml:7:11\n\
        \u{20} |\n\
        7 |     card: custmer\n\
        \u{20} |           ^^^^^^^\n\
        \u{20} |\n\
        \u{20} = help: did you mean `customer`?\n\n\
        1 error\n\
        `callcard check --explain R021` says more\n";
    assert_eq!((ran.code, ran.stdout.as_str(), ran.stderr.as_str()), (Some(1), expected, ""));
}

#[test]
fn text_and_json_tell_the_same_problems() {
    let folder = check_case("several-mistakes-in-three-files");
    let (text, json) = (run(&folder, &["check"]), run(&folder, &["check", "--format", "json"]).json());
    let problems = json["problems"].as_array().unwrap();
    let places: Vec<&str> = text.stdout.lines().filter_map(|line| line.split_once("--> ")).map(|(_, at)| at).collect();
    let expected: Vec<String> = problems
        .iter()
        .map(|problem| format!("{}:{}:{}", problem["path"].as_str().unwrap(), problem["line"], problem["column"]))
        .collect();
    assert_eq!(places, expected);
    assert!(text.stdout.contains(&format!("\n{} errors\n", problems.len())), "{}", text.stdout);
}

#[test]
fn warnings_fail_a_check_only_where_they_are_denied() {
    let folder = check_case("source-unused");
    assert_eq!(run(&folder, &["check"]).code, Some(0));
    assert_eq!(run(&folder, &["check", "--deny", "warnings"]).code, Some(1));
    assert!(run(&folder, &["check"]).stdout.contains("\n1 warning\n"));
}

#[test]
fn check_takes_several_directories_and_single_files() {
    let (one, two) = (check_case("card-unused").join("rules"), check_case("card-undefined").join("rules/main.yaml"));
    let ran = run(project(), &["check", one.to_str().unwrap(), two.to_str().unwrap()]);
    assert_eq!(ran.code, Some(1), "{ran:#?}");
    assert!(ran.stdout.contains("[R022]") && ran.stdout.contains("[R021]"), "{}", ran.stdout);
    assert!(ran.stdout.contains("\n1 error and 1 warning\n"), "{}", ran.stdout);
}

#[test]
fn the_rule_directory_comes_from_the_flag_the_environment_or_is_rules() {
    let wrong = check_case("card-undefined").join("rules");
    let with_variable = |arguments: &[&str]| {
        Ran::from(callcard(project(), arguments).env("CALLCARD_RULES", &wrong).output().unwrap()).code
    };
    assert_eq!(run(project(), &["check"]).code, Some(0));
    assert_eq!(with_variable(&["check"]), Some(1));
    assert_eq!(with_variable(&["check", "--rules", "rules"]), Some(0), "the flag counts more");
    assert_eq!(with_variable(&["--rules", "rules", "check"]), Some(0), "also in front of the command");
}

#[test]
fn every_command_names_a_rule_directory_that_is_not_there() {
    let inbound = event("inbound_init.json");
    for arguments in [&["check"][..], &["test"], &["explain", "--event", &inbound], &["demo", "--once"]] {
        let ran = run(&check_case("directory-missing"), arguments);
        assert_eq!(ran.code, Some(1), "{arguments:?}: {ran:#?}");
        let told = format!("{}{}", ran.stdout, ran.stderr);
        assert!(told.contains("error[R001]: the directory `rules` can't be read"), "{arguments:?}: {told}");
    }
}

#[test]
fn explain_shows_every_rule_and_condition_up_to_the_decision() {
    let ran = run(project(), &["explain", "--event", &event("inbound_init.json")]);
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""), "{ran:#?}");
    for shown in [
        "customer  +90 532 123 45 67 (TR, mobile), received as +905321234567",
        "✗ suppliers-get-no-card  rules/main.yaml:",
        "✗ customer: {in: suppliers} – +905321234567 (TR, mobile)",
        "✓ known-customer  decides  rules/main.yaml:",
        "✓ needs contacts: one – one",
        "contacts one ",
        "┃ Ayşe Yılmaz  ↗ https://crm.example.com/contacts/1001",
    ] {
        assert!(ran.stdout.contains(shown), "`{shown}` is not in\n{}", ran.stdout);
    }
    assert!(!ran.stdout.contains("several-people"), "rules behind the one that decides: {}", ran.stdout);
}

#[test]
fn explain_reads_an_event_from_standard_input() {
    let mut command = callcard(project(), &["explain", "--event", "-", "--format", "json"]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let body = std::fs::read(event("inbound_init.json")).unwrap();
    child.stdin.take().unwrap().write_all(&body).unwrap();
    let ran = Ran::from(child.wait_with_output().unwrap());
    assert_eq!((ran.code, &ran.json()["rule"]), (Some(0), &"known-customer".into()), "{ran:#?}");
}

#[test]
fn explain_that_could_not_run_ends_with_2_and_one_line() {
    let directory = tempfile::tempdir().unwrap();
    let written = |name: &str, text: &str| {
        let path = directory.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let inbound = event("inbound_init.json");
    for (file, why) in [
        ("nowhere.json".to_owned(), "nowhere.json can't be read"),
        (written("text.json", "hello"), "the body is not JSON (line 1, column 1)"),
        (written("empty.json", ""), "the body is empty"),
        (written("cut.json", "{\"event\":"), "cut off"),
        (written("list.json", "[]"), "the body is not a JSON object"),
        (written("no-call.json", r#"{"event": "call_init", "data": {}}"#), "has no `data.uuid`"),
        (written("bad-call.json", r#"{"event": "call_init", "data": {"uuid": "../1"}}"#), "`data.uuid` is not 1 to 64"),
        (written("contact.json", r#"{"event": "contact_created", "data": {"id": 1}}"#), "not an event about a call"),
    ] {
        let ran = run(project(), &["explain", "--event", &file]);
        assert_eq!((ran.code, ran.stdout.as_str()), (Some(2), ""), "{ran:#?}");
        assert!(ran.stderr.starts_with("callcard: ") && ran.stderr.contains(why), "{why}: {}", ran.stderr);
        assert_eq!(ran.stderr.lines().count(), 1, "{}", ran.stderr);
    }
    let ran = run(project(), &["explain", "--event", &inbound, "--records", "nowhere.yaml"]);
    assert_eq!(ran.code, Some(2), "{ran:#?}");
    let ran = run(project(), &["explain", "--event", &inbound, "--at", "yesterday"]);
    assert_eq!(ran.code, Some(2), "{ran:#?}");
}

#[test]
fn explain_tells_what_is_wrong_with_a_records_file() {
    let directory = tempfile::tempdir().unwrap();
    for (text, place) in [
        ("crm: [\n", ":"),
        ("- {name: Jane}\n", ":1:1"),
        ("crm: faild\n", ":"),
        ("contact: [{name: Jane}]\n", ":1:1"),
        ("contacts: [Jane]\n", ":"),
    ] {
        let file = directory.path().join("records.yaml");
        std::fs::write(&file, text).unwrap();
        let file = file.display().to_string();
        let ran = run(project(), &["explain", "--event", &event("inbound_init.json"), "--records", &file]);
        assert_eq!((ran.code, ran.stdout.as_str()), (Some(1), ""), "{text}: {ran:#?}");
        assert!(ran.stderr.contains(&format!("{file}{place}")), "{text}: {}", ran.stderr);
    }
}

#[test]
fn explain_of_an_account_that_the_rules_do_not_have_is_told() {
    let folder = project().join("tests/cases/card/account-that-is-named");
    let ran = run(&folder, &["explain", "--event", "event.json", "--records", "records.yaml", "--account", "izmir"]);
    assert_eq!(ran.code, Some(2), "{ran:#?}");
    assert!(ran.stderr.contains("izmir") && ran.stderr.contains("london"), "{}", ran.stderr);
}

#[test]
fn help_and_version_are_results() {
    for arguments in [
        &["--help"][..],
        &["--version"],
        &["help", "check"],
        &["check", "--help"],
        &["test", "--help"],
        &["explain", "--help"],
        &["serve", "--help"],
        &["demo", "--help"],
        &["schema", "--help"],
    ] {
        let ran = run(project(), arguments);
        assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""), "{arguments:?}");
        assert!(ran.stdout.len() > 10, "{arguments:?}");
    }
    let help = run(project(), &["--help"]).stdout;
    for command in ["check", "test", "explain", "serve", "demo", "schema"] {
        assert!(help.contains(&format!("\n  {command} ")), "{command} is not in\n{help}");
    }
}

#[test]
fn a_command_line_that_means_nothing_ends_with_2() {
    for arguments in [
        &[][..],
        &["chek"],
        &["check", "--fromat", "json"],
        &["check", "--format", "xml"],
        &["check", "--deny", "errors"],
        &["explain"],
        &["schema", "cards"],
    ] {
        let ran = run(project(), arguments);
        assert_eq!((ran.code, ran.stdout.as_str()), (Some(2), ""), "{arguments:?}: {ran:#?}");
        assert!(!ran.stderr.is_empty(), "{arguments:?}");
    }
    assert!(run(project(), &["chek"]).stderr.contains("check"), "the nearest command is named");
}

#[test]
fn without_a_terminal_there_is_no_colour() {
    let inbound = event("inbound_init.json");
    for arguments in [&["check"][..], &["test"], &["explain", "--event", &inbound], &["--help"], &["chek"]] {
        for variables in [&[][..], &[("NO_COLOR", "1"), ("TERM", "xterm-256color")], &[("TERM", "xterm-256color")]] {
            for directory in [project().to_owned(), check_case("several-mistakes-in-three-files")] {
                let output = callcard(&directory, arguments).envs(variables.iter().copied()).output().unwrap();
                let ran = Ran::from(output);
                assert!(!ran.stdout.contains('\u{1b}') && !ran.stderr.contains('\u{1b}'), "{arguments:?}: {ran:#?}");
            }
        }
    }
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let inbound = event("inbound_init.json");
    for arguments in [&["check"][..], &["test"], &["explain", "--event", &inbound], &["schema"], &["--help"]] {
        let mut child = callcard(project(), arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        let ran = Ran::from(child.wait_with_output().unwrap());
        assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""), "{arguments:?}");
    }
}

#[test]
fn a_secret_is_new_each_time_and_has_256_bits() {
    let made: Vec<Ran> = (0..2).map(|_| run(project(), &["secret"])).collect();
    for ran in &made {
        assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""), "{ran:#?}");
        let secret = ran.stdout.strip_suffix('\n').unwrap();
        assert!(secret.len() == 64 && secret.bytes().all(|digit| digit.is_ascii_hexdigit()), "{ran:#?}");
    }
    assert_ne!(made[0].stdout, made[1].stdout);
}
