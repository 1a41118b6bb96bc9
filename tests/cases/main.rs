//! Cases: the command line as its users see it, and a folder for each mistake and each card.
//!
//! Every test here starts the real program or reads the sources of the project; none calls a function of the library, so
//! none notices how the inside is built. `UPDATE=1 cargo test --test cases` writes the expected files anew: read the
//! difference before it is committed.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test may stop at the first surprise; `.clippy.toml` says so for the functions marked as tests only"
)]

mod card;
mod check;
mod commands;
mod coverage;
mod demo;
mod docs;
mod explain;
mod fixes;
mod fmt;
mod github;
mod init;
mod junit;
mod mutants;
mod pages;
mod program;
mod readme;
mod ready_made;
mod sarif;
mod schemas;
mod secrets;
mod shell;
mod test_command;
mod tidy;
mod update;
