//! Everything from outside: the real program as a child process, a strict card API and a CRM over real HTTP.
//!
//! Nothing here uses the library; what is known of the phone system is written down again in `phone`, so that a mistake in
//! the library's own schema is found. Only loopback is used, and each wait is for a condition that can be seen.

// Clippy knows tests by their attribute only, and most of this crate are their fakes.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stderr,
    clippy::unwrap_used,
    reason = "a test stops at the first surprise"
)]

mod canary;
mod crm;
mod event;
mod host;
mod outputs;
mod pebble;
mod phone;
mod server;

mod acme;
mod admin;
mod admin_guard;
mod allow_list;
mod arrival;
mod cards;
mod care;
mod connections;
mod crash_points;
mod deliveries;
mod directory;
mod disk;
mod durability;
mod forget;
mod hostile;
mod log;
mod one_card;
mod operations;
mod oracle;
mod overload;
mod quiet;
mod rate;
mod ready_made;
mod reload;
mod reload_under_load;
mod reload_watched;
mod retries;
mod signatures;
mod sources;
mod sources_http;
mod sources_oauth2;
mod sources_private;
mod sources_tls;
mod start;
mod stop;
mod supervisor;
mod tables;
mod tls;
mod token_expiry;
mod traces;
mod webhook;
