//! Sources in databases, asked for real: PostgreSQL and MariaDB on loopback, SQLite in a temporary directory.
//!
//! `tests/databases.sh` installs and runs the servers. What is in them is written and looked at by their own clients, never
//! by the library, so that a mistake in how it reads a value can't hide. MySQL itself is not in Debian and not tested.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test may stop at the first surprise; `.clippy.toml` says so for the functions marked as tests only"
)]

mod mariadb;
mod postgres;
mod postgres_types;
mod program;
mod server;
mod source;
mod sqlite;
