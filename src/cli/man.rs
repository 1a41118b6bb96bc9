//! `callcard man`: manual pages, made from the definition of the command line.
//!
//! `callcard man > callcard.1` is the page of the program, `callcard man check > callcard-check.1` that of a command.

use anyhow::{Context, Result, bail};
use clap::CommandFactory;
use clap_mangen::Man;

use super::{Ended, out};
use crate::problem::did_you_mean;

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The command that the page is about; the program unless given
    command: Option<String>,
}

pub(super) fn run(arguments: &Arguments) -> Result<Ended> {
    let mut program = super::Arguments::command();
    program.build();
    let page = match &arguments.command {
        None => program,
        Some(name) => command(&program, name)?,
    };
    let mut text = Vec::new();
    let source = concat!("callcard ", env!("CARGO_PKG_VERSION"));
    Man::new(page).source(source).manual("Callcard").render(&mut text).context("the page can't be made")?;
    out::line(String::from_utf8(text)?.trim_end());
    Ok(Ended::Fine)
}

fn command(program: &clap::Command, name: &str) -> Result<clap::Command> {
    let Some(found) = program.find_subcommand(name) else {
        let names: Vec<&str> = program.get_subcommands().map(clap::Command::get_name).collect();
        let help = did_you_mean(name, names).unwrap_or_else(|| "callcard --help lists them".to_owned());
        bail!("no command is named `{name}`: {help}");
    };
    Ok(found.clone())
}
