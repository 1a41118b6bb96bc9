//! When the requests of the last while began: each by itself or, where there are many, those that are close together as one.
//!
//! Knows no limit. What is taken together counts until the last of it is over, so that rather less is allowed than more.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

/// So many are remembered one by one: a minute of what a large account may send.
const EXACT_MAX: usize = 2000;

/// Beyond that, those that begin within this time are one.
const TOGETHER: Duration = Duration::from_millis(10);

/// Requests in the order in which they began.
#[derive(Debug, Default)]
pub(super) struct Window {
    groups: VecDeque<Group>,
    requests: usize,
}

#[derive(Debug)]
struct Group {
    first: Instant,
    last: Instant,
    requests: usize,
}

impl Window {
    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.requests
    }

    /// How many began later than `after`, and when the first of these counts as begun.
    pub(super) fn after(&self, after: Instant) -> (usize, Option<Instant>) {
        let position = self.groups.partition_point(|group| group.last <= after);
        let requests = self.groups.range(position..).map(|group| group.requests).sum();
        (requests, self.groups.get(position).map(|group| group.last))
    }

    /// When the first of all counts as begun.
    pub(super) fn first(&self) -> Option<Instant> {
        self.groups.front().map(|group| group.last)
    }

    /// One more began at `at`.
    pub(super) fn put(&mut self, at: Instant) {
        self.requests += 1;
        let position = self.groups.partition_point(|group| group.last <= at);
        let is_exact = self.groups.len() < EXACT_MAX;
        if let Some(within) = self.groups.get_mut(position).filter(|group| group.first <= at) {
            within.requests += 1;
            return;
        }
        let before = position.checked_sub(1).and_then(|before| self.groups.get_mut(before));
        match before.filter(|group| !is_exact && at - group.first < TOGETHER) {
            Some(before) => (before.last, before.requests) = (at, before.requests + 1),
            None => self.groups.insert(position, Group { first: at, last: at, requests: 1 }),
        }
    }

    /// One that began at `at` did not happen.
    pub(super) fn take_out(&mut self, at: Instant) {
        let position = self.groups.partition_point(|group| group.last < at);
        let Some(group) = self.groups.get_mut(position).filter(|group| group.first <= at) else { return };
        self.requests -= 1;
        group.requests -= 1;
        if group.requests == 0 {
            self.groups.remove(position);
        }
    }

    /// Forgets what began at `until` or before.
    pub(super) fn forget(&mut self, until: Instant) {
        while let Some(group) = self.groups.pop_front_if(|group| group.last <= until) {
            self.requests -= group.requests;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_few_requests_are_each_by_themselves() {
        let (mut window, start) = (Window::default(), Instant::now());
        let nanosecond = Duration::from_nanos(1);
        for at in [start, start + nanosecond * 2, start + nanosecond] {
            window.put(at);
        }
        assert_eq!((window.len(), window.first()), (3, Some(start)));
        assert_eq!(window.after(start), (2, Some(start + nanosecond)));
        window.take_out(start + nanosecond);
        window.take_out(start + nanosecond);
        assert_eq!(window.after(start), (1, Some(start + nanosecond * 2)));
        window.forget(start + nanosecond);
        assert_eq!((window.len(), window.first()), (1, Some(start + nanosecond * 2)));
    }

    #[test]
    fn a_million_requests_of_a_minute_take_no_more_than_some_thousands() {
        let (mut window, start) = (Window::default(), Instant::now());
        let step = Duration::from_secs(60) / 1_000_000;
        let end = start + step * 999_999;
        (0..1_000_000).for_each(|number| window.put(start + step * number));
        assert_eq!(window.len(), 1_000_000);
        assert!(window.groups.len() < EXACT_MAX + 6010, "{}", window.groups.len());
        let (last_second, _) = window.after(end - SECOND);
        assert!((16_667..=16_667 + 167).contains(&last_second), "rather more than less: {last_second}");
        window.take_out(start + step * 500_000);
        assert_eq!(window.len(), 999_999);
        window.forget(end - SECOND);
        assert_eq!(window.len(), last_second);
        window.forget(end);
        assert_eq!((window.len(), window.first()), (0, None));
    }
}
