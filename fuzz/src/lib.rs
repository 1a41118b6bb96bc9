//! What strangers, sources and people who write rules may give to Callcard, and what must hold whatever it is.
//!
//! Each function takes any bytes and panics where a promise of the program is broken. They use what the library shows to
//! everybody; what they compare it with is written down a second time here. `fuzz/run` runs all of them.

mod answer;
mod card;
mod csv;
mod door;
mod expression;
mod format;
mod number;
mod pattern;
mod rules;
mod schedule;
mod template;
mod webhook;
mod world;

pub use answer::answer;
pub use card::card;
pub use csv::csv;
pub use door::door;
pub use expression::expression;
pub use format::format;
pub use number::number;
pub use pattern::pattern;
pub use rules::rules;
pub use schedule::schedule;
pub use template::template;
pub use webhook::webhook;
