//! The command line: the only place that wires the parts together, reads the clock and the environment, and prints.
//!
//! One file a command. Results go to stdout, everything else to stderr.

mod acme;
mod annotation;
mod aside;
mod certificates;
mod check;
mod completions;
mod deliveries;
mod demo;
mod explain;
mod files;
mod fmt;
mod hint;
mod init;
mod keeping;
mod man;
mod out;
mod place;
mod problems;
mod reloading;
mod replace;
mod schema;
mod secret;
mod serve;
mod server;
mod settings;
mod shown;
mod tables;
mod test;
mod token_expiry;
mod traces;

use std::path::PathBuf;
use std::pin::Pin;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use tokio::runtime::Runtime;

/// What the command line and its manual page end with.
const EXIT_CODES: &str = "Exit codes: 0 fine; 1 rules or tests are wrong, or no card came out where one was asked for; \
                          2 could not run.";

/// Puts a card on the agent's screen before hello: YAML rules decide which one.
#[derive(Debug, Parser)]
#[command(version, about, max_term_width = 100, after_long_help = EXIT_CODES)]
struct Arguments {
    /// The rule directory
    #[arg(long, global = true, env = "CALLCARD_RULES", default_value = "rules", value_name = "DIR")]
    rules: PathBuf,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Find every problem in the rules
    Check(check::Arguments),
    /// Run the tests beside the rules (*.test.yaml): no network, no clock
    Test(test::Arguments),
    /// Lay out rule and test files in one way; comments and values stay what they are
    Fmt(fmt::Arguments),
    /// Decide one event and print why
    Explain(explain::Arguments),
    /// Receive webhooks and send cards
    Serve(serve::Arguments),
    /// What became of each call: list, show, retry
    Deliveries(deliveries::Arguments),
    /// Ring calls at a fake phone system, on loopback, with the shipped rules
    Demo(demo::Arguments),
    /// Write a rule set to begin with: rules, tests, a pre-commit configuration and a CI workflow
    Init(init::Arguments),
    /// Print a new secret for the address of a webhook
    Secret,
    /// Print a JSON Schema
    Schema(schema::Arguments),
    /// Print a script that completes commands and flags in a shell
    Completions(completions::Arguments),
    /// Print a manual page: of the program, or of one command
    Man(man::Arguments),
}

/// How a command ended that could run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ended {
    /// Exit code 0.
    Fine,
    /// Exit code 1.
    Wrong,
}

/// Runs the command that the process was started with.
pub fn main() -> ExitCode {
    let arguments = Arguments::parse();
    // A second call would find the provider in place, which is just as well.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let ended = match arguments.command {
        Command::Check(check) => check::run(&check, &arguments.rules),
        Command::Test(test) => test::run(&test, &arguments.rules),
        Command::Fmt(fmt) => fmt::run(&fmt, &arguments.rules),
        Command::Explain(explain) => explain::run(&explain, &arguments.rules),
        Command::Serve(serve) => serve::run(&serve, arguments.rules),
        Command::Deliveries(deliveries) => deliveries::run(&deliveries),
        Command::Demo(demo) => demo::run(&demo, arguments.rules),
        Command::Init(init) => init::run(&init),
        Command::Secret => secret::run(),
        Command::Schema(schema) => schema::run(&schema),
        Command::Completions(completions) => completions::run(&completions),
        Command::Man(man) => man::run(&man),
    };
    match ended {
        Ok(Ended::Fine) => ExitCode::SUCCESS,
        Ok(Ended::Wrong) => ExitCode::from(1),
        Err(error) => {
            out::error(&format!("callcard: {error:#}"));
            ExitCode::from(2)
        }
    }
}

/// Waits for what a command does. In a box, since `block_on` would hold the whole of each command once for each kind of runtime:
/// a longer build and a larger program, for nothing.
fn wait<'f, T>(runtime: &Runtime, future: impl Future<Output = T> + 'f) -> T {
    let future: Pin<Box<dyn Future<Output = T> + 'f>> = Box::pin(future);
    runtime.block_on(future)
}
