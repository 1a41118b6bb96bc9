//! `callcard secret`: a new secret for the address of a webhook.
//!
//! It is printed and kept nowhere.

use anyhow::{Result, anyhow};

use super::{Ended, out};

/// 256 bits: twice what can't be guessed.
const SECRET_BYTES: usize = 32;

/// Prints hexadecimal digits, which stay what they are in addresses, shells and YAML.
pub(super) fn run() -> Result<Ended> {
    let mut secret = [0; SECRET_BYTES];
    getrandom::fill(&mut secret).map_err(|error| anyhow!("the operating system has no random bytes: {error}"))?;
    out::line(&secret.map(|byte| format!("{byte:02x}")).concat());
    Ok(Ended::Fine)
}
