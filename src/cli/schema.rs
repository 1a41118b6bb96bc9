//! `callcard schema`: the JSON Schemas, as files for editors and other validators.

use anyhow::Result;
use clap::ValueEnum;

use super::{Ended, out};
use crate::card::CARD_SCHEMA;
use crate::event::EVENT_SCHEMA;
use crate::rules::{RULES_SCHEMA, TESTS_SCHEMA};

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Which one
    #[arg(value_enum, default_value = "rules")]
    which: Which,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Which {
    /// Rule files
    Rules,
    /// Test files
    Tests,
    /// The card as it is sent
    Card,
    /// What is read of a webhook
    Event,
}

pub(super) fn run(arguments: &Arguments) -> Result<Ended> {
    let text = match arguments.which {
        Which::Rules => RULES_SCHEMA,
        Which::Tests => TESTS_SCHEMA,
        Which::Card => CARD_SCHEMA,
        Which::Event => EVENT_SCHEMA,
    };
    out::line(text.trim_end());
    Ok(Ended::Fine)
}
