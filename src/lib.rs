//! Callcard
pub mod card;
pub mod cli;
pub mod condition;
pub mod delivery;
pub mod engine;
pub mod event;
pub mod outbox;
pub mod phone;
pub mod problem;
pub mod rules;
pub mod source;
pub mod web;
