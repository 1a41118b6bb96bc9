//! Expected rows beside those of a card.
//!
//! Only says which belong together: tests print the difference, `--update` writes it down.

use std::ops::Range;

use serde_json::Value;

/// Whether a row has every key that is expected, with its value.
pub fn is_part_of(expected: &Value, row: &Value) -> bool {
    expected.as_object().into_iter().flatten().all(|(key, value)| row.get(key) == Some(value))
}

/// Two lists side by side, by position: as many items as can be stand beside their like, in order (the longest common
/// subsequence); of what is between those, one stands beside one.
pub fn aligned<T>(one: &[T], two: &[T], is_like: impl Fn(&T, &T) -> bool) -> Vec<(Option<usize>, Option<usize>)> {
    let width = two.len() + 1;
    // How many pairs the rests from here on have.
    let mut pairs = vec![0_usize; (one.len() + 1) * width];
    let at = |pairs: &[usize], i: usize, j: usize| pairs.get(i * width + j).copied().unwrap_or_default();
    for (i, first) in one.iter().enumerate().rev() {
        for (j, second) in two.iter().enumerate().rev() {
            let pair = if is_like(first, second) { at(&pairs, i + 1, j + 1) + 1 } else { 0 };
            let best = pair.max(at(&pairs, i + 1, j)).max(at(&pairs, i, j + 1));
            pairs.iter_mut().skip(i * width + j).take(1).for_each(|pair| *pair = best);
        }
    }
    let mut beside = Vec::new();
    let (mut i, mut j, mut from) = (0, 0, (0, 0));
    while let (Some(first), Some(second)) = (one.get(i), two.get(j)) {
        if is_like(first, second) && at(&pairs, i, j) == at(&pairs, i + 1, j + 1) + 1 {
            between(&mut beside, from.0..i, from.1..j);
            beside.push((Some(i), Some(j)));
            (i, j) = (i + 1, j + 1);
            from = (i, j);
        } else if at(&pairs, i + 1, j) >= at(&pairs, i, j + 1) {
            i += 1;
        } else {
            j += 1;
        }
    }
    between(&mut beside, from.0..one.len(), from.1..two.len());
    beside
}

fn between(beside: &mut Vec<(Option<usize>, Option<usize>)>, one: Range<usize>, two: Range<usize>) {
    let longest = one.len().max(two.len());
    let item = |range: &Range<usize>, at: usize| (at < range.len()).then_some(range.start + at);
    beside.extend((0..longest).map(|at| (item(&one, at), item(&two, at))));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_alike_stands_together_and_what_is_between_one_by_one() {
        let beside = |one: &[char], two: &[char]| aligned(one, two, |one, two| one == two);
        assert_eq!(beside(&['a', 'b'], &['x', 'a', 'b']), [(None, Some(0)), (Some(0), Some(1)), (Some(1), Some(2))]);
        assert_eq!(
            beside(&['a', 'b', 'c'], &['a', 'x', 'c']),
            [(Some(0), Some(0)), (Some(1), Some(1)), (Some(2), Some(2)),]
        );
        assert_eq!(beside(&['a', 'b'], &['b']), [(Some(0), None), (Some(1), Some(0))]);
        assert_eq!(beside(&[], &['a']), [(None, Some(0))]);
    }

    #[test]
    fn a_part_takes_no_place_that_a_fuller_one_needs() {
        let rows: Vec<Value> = serde_json::from_str(r#"[{"a": 1}, {"a": 1, "b": 2}, {"a": 1}]"#).unwrap();
        let expected: Vec<Value> = serde_json::from_str(r#"[{"a": 1, "b": 2}, {"a": 1}]"#).unwrap();
        assert_eq!(aligned(&expected, &rows, is_part_of), [(None, Some(0)), (Some(0), Some(1)), (Some(1), Some(2))]);
    }
}
