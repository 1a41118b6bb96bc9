//! Completions and manual pages: both come from the command line's own definition, so every command is in them.

use std::collections::BTreeSet;

use crate::program::{project, run};

/// The commands that `--help` lists.
fn commands() -> BTreeSet<String> {
    let ran = run(project(), &["--help"]);
    let listed = ran.stdout.split("Commands:\n").nth(1).unwrap().split("\n\n").next().unwrap().to_owned();
    let named = listed.lines().filter(|line| line.starts_with("  ") && !line.starts_with("   "));
    let commands: BTreeSet<String> = named.map(|line| line.split_whitespace().next().unwrap().to_owned()).collect();
    assert!(commands.contains("check") && commands.len() >= 9, "{commands:?}");
    commands
}

/// The long flags of a command.
fn flags(command: &str) -> BTreeSet<String> {
    let ran = run(project(), &[command, "-h"]);
    let words = ran.stdout.split(|character: char| !character.is_ascii_alphanumeric() && character != '-');
    words.filter(|word| word.len() > 2 && word.starts_with("--")).map(str::to_owned).collect()
}

#[test]
fn completions_of_every_shell_know_every_command_and_flag() {
    let flags: BTreeSet<String> =
        commands().iter().filter(|name| *name != "help").flat_map(|name| flags(name)).collect();
    assert!(flags.contains("--explain") && flags.len() >= 10, "{flags:?}");
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let ran = run(project(), &["completions", shell]);
        assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""), "{shell}");
        for command in commands() {
            assert!(ran.stdout.contains(&command), "{command} for {shell}");
        }
        for flag in &flags {
            // fish names long flags without their dashes.
            let flag = if shell == "fish" { format!("-l {}", &flag[2..]) } else { flag.clone() };
            assert!(ran.stdout.contains(&flag), "{flag} for {shell}");
        }
    }
}

#[test]
fn the_manual_page_of_the_program_names_every_command_and_the_exit_codes() {
    let ran = run(project(), &["man"]);
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""));
    assert!(ran.stdout.contains("\n.TH callcard 1"), "{}", ran.stdout);
    for command in commands() {
        assert!(ran.stdout.contains(&format!("callcard\\-{command}(1)")), "{command}");
    }
    assert!(ran.stdout.contains("Exit codes: 0 fine"), "{}", ran.stdout);
}

#[test]
fn every_command_has_a_manual_page_with_its_flags() {
    for command in commands().iter().filter(|name| *name != "help") {
        let ran = run(project(), &["man", command]);
        assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""), "{command}");
        assert!(ran.stdout.contains(&format!("\n.TH callcard-{command} 1")), "{}", ran.stdout);
        for flag in flags(command) {
            assert!(ran.stdout.contains(&flag.replace('-', "\\-")), "{flag} of {command}");
        }
    }
}

#[test]
fn the_manual_page_of_an_unknown_command_ends_with_2_and_the_nearest_one() {
    let ran = run(project(), &["man", "chek"]);
    let expected = "callcard: no command is named `chek`: did you mean `check`?\n";
    assert_eq!((ran.code, ran.stdout.as_str(), ran.stderr.as_str()), (Some(2), "", expected));
}
