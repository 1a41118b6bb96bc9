//! How many cards an account may send in a minute.
//!
//! A sliding minute, kept in memory: after a restart it begins empty, and then the API's own 429 counts.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};

use jiff::{SignedDuration, Timestamp};

use crate::rules::Account;

const MINUTE: SignedDuration = SignedDuration::from_secs(60);

/// The budgets of all accounts.
#[derive(Debug, Default)]
pub(super) struct Budgets {
    /// The times of what was sent in the last minute, by account.
    sent: Mutex<HashMap<String, VecDeque<Timestamp>>>,
}

impl Budgets {
    /// Takes one request from the account's budget.
    ///
    /// # Errors
    /// When the next one is free, where the budget is used up.
    pub(super) fn take(&self, account: &Account, now: Timestamp) -> Result<(), Timestamp> {
        let mut budgets = self.sent.lock().unwrap_or_else(PoisonError::into_inner);
        let sent = budgets.entry(account.name.clone()).or_default();
        while sent.front().is_some_and(|first| now.duration_since(*first) >= MINUTE) {
            sent.pop_front();
        }
        let limit = usize::try_from(account.requests_per_minute).unwrap_or(usize::MAX);
        match sent.front() {
            Some(first) if sent.len() >= limit => Err(first.saturating_add(MINUTE).unwrap_or(Timestamp::MAX)),
            _ => {
                sent.push_back(now);
                Ok(())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_minute_holds_as_many_requests_as_the_account_may_send() {
        let account = Account {
            name: "a".into(),
            api: String::new(),
            token: String::new().into(),
            token_expires: None,
            access: crate::rules::Access::default(),
            requests_per_minute: 2,
        };
        let budgets = Budgets::default();
        let at = |second| Timestamp::from_second(second).unwrap();
        assert_eq!(budgets.take(&account, at(0)), Ok(()));
        assert_eq!(budgets.take(&account, at(10)), Ok(()));
        assert_eq!(budgets.take(&account, at(20)), Err(at(60)));
        assert_eq!(budgets.take(&account, at(60)), Ok(()));
        assert_eq!(budgets.take(&account, at(61)), Err(at(70)));
    }
}
