//! `callcard completions`: a script for a shell, made from the definition of the command line.
//!
//! It is printed, never installed: where such scripts belong is the shell's and the system's business.

use anyhow::Result;
use clap::CommandFactory;
use clap_complete::Shell;

use super::{Ended, out};

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The shell that reads the script
    #[arg(value_enum)]
    shell: Shell,
}

pub(super) fn run(arguments: &Arguments) -> Result<Ended> {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut super::Arguments::command(), "callcard", &mut script);
    out::line(String::from_utf8(script)?.trim_end());
    Ok(Ended::Fine)
}
