//! Callcard: who is calling, on the agent's screen before hello.
//!
//! A phone system says by webhook that a call has started; YAML rules decide which card the agent sees; the card is sent
//! while the phone rings. This page is the map.
//!
//! ```text
//! web::webhook   bytes ─authenticate─▶ Event::parse ─▶ outbox.accept(event)        one durable row; then 200, at once
//!                                                           │
//! delivery       taken at once, or claimed later ◀──────────┘  a lease: a crash hands the row back
//!                    │
//! engine::decide     ├─ which rules' `when` match         found by an index, then condition by condition
//!                    ├─ ask the sources they mention      at once, each once a call, all within one deadline
//!                    ├─ first rule whose `needs` hold     → its card, or none
//!                    ├─ fill the template                 a tree of rows, never pasted JSON text
//!                    └─ check the card                    schemas/card.schema.json
//!                    │
//!                phone.send(call, card) ─▶ outbox.settle(delivery, settlement)
//! ```
//!
//! # Layers
//!
//! A module uses only modules of rows above its own; modules of one row do not know each other. `tests/cases/tidy.rs`
//! holds this table.
//!
//! | row | modules | |
//! |---|---|---|
//! | 1 | [`problem`], [`event`], [`rate`], `shared` | mistakes in users' files; webhook bytes → event, call, number; what an API allows in a minute; what many rules have in common |
//! | 2 | [`expression`] | CEL over the values of one call, for conditions and for rows of cards |
//! | 3 | [`condition`], [`source`], [`card`] | three tools that do not know each other |
//! | 4 | [`rules`] | files → one immutable rule set, or every problem |
//! | 5 | [`engine`] | the page to read first |
//! | 6 | [`phone`], [`outbox`] | the card API's client; durable deliveries |
//! | 7 | [`delivery`] | claim → decide → send → settle |
//! | 8 | [`web`] | every route in one list |
//! | 9 | [`cli`] | wires, reads the clock and the environment, prints |
//!
//! # Three invariants
//!
//! - What was answered `accepted` is on disk, and every accepted event ends in exactly one settlement.
//! - One call sees one revision of the rules from start to end, and its trace names it.
//! - Nothing that a caller or a source says can change the shape of a card, a query, a URL's host or a log line: values
//!   go into leaves, and only [`card::Card::check`] makes a card that can be sent.
//!
//! # One call
//!
//! [`web::Webhooks`] compares the secret in the address, reads the body into an [`event::Event`] and stores it. The
//! [`delivery::Courier`] is woken, claims the row and makes an [`event::Call`] of it: who is the customer, in which form
//! is the number. [`engine::decide`] goes through the [`rules::RuleSet`], asks each [`source::Source`] that matters, fills
//! the [`card::CardTemplate`] and checks it. [`phone::Phone`] sends it, and the outbox keeps how it ended.

pub mod card;
pub mod cli;
pub mod condition;
pub mod delivery;
pub mod engine;
pub mod event;
pub mod expression;
pub mod outbox;
pub mod phone;
pub mod problem;
pub mod rate;
pub mod rules;
mod shared;
pub mod source;
pub mod web;
