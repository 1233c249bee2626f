//! The order in which mapping keys are printed. It does not sort anything but keys.

use std::cmp::Ordering;

/// Compares keys as go-yaml prints them: runs of digits by value (`z9` before `z10`), everything else before letters.
///
/// This is the comparison of the older go-yaml library, which is not a total order for odd mixes of digits and letters; never
/// give it to a sort that demands consistency.
pub fn natural_order(left: &str, right: &str) -> Ordering {
    if left == right {
        return Ordering::Equal;
    }
    let (left, right): (Vec<char>, Vec<char>) = (left.chars().collect(), right.chars().collect());
    let Some(at) = left.iter().zip(&right).position(|(left, right)| left != right) else {
        return left.len().cmp(&right.len());
    };
    let (a, b) = (left[at], right[at]);
    match (a.is_alphabetic(), b.is_alphabetic()) {
        (true, true) => return a.cmp(&b),
        (true, false) => return Ordering::Greater,
        (false, true) => return Ordering::Less,
        (false, false) => {}
    }
    // A zero in the middle of a longer number is a digit like any other; one at its start is padding.
    let inside = (a == '0' || b == '0')
        && left[..at].iter().rev().take_while(|letter| letter.is_ascii_digit()).any(|&digit| digit != '0');
    let run = |letters: &[char]| {
        let mut value = u64::from(inside);
        let mut end = at;
        while let Some(digit) = letters.get(end).and_then(|letter| letter.to_digit(10)) {
            value = value.wrapping_mul(10).wrapping_add(u64::from(digit));
            end += 1;
        }
        (value, end)
    };
    run(&left).cmp(&run(&right)).then(a.cmp(&b))
}

/// Sorts by [`natural_order`]. A merge sort of our own, because the standard one may panic on an order that is not total.
pub(crate) fn sort_by_key<'a, T: Copy>(items: &mut [T], key: impl Fn(T) -> &'a str + Copy) {
    // Equal input sets must print equally, whatever order they were read in.
    items.sort_unstable_by(|&left, &right| key(left).cmp(key(right)));
    let mut scratch = items.to_vec();
    merge_sort(items, &mut scratch, key);
}

fn merge_sort<'a, T: Copy>(items: &mut [T], scratch: &mut [T], key: impl Fn(T) -> &'a str + Copy) {
    if items.len() < 2 {
        return;
    }
    let middle = items.len() / 2;
    merge_sort(&mut items[..middle], &mut scratch[..middle], key);
    merge_sort(&mut items[middle..], &mut scratch[middle..], key);
    scratch.copy_from_slice(items);
    let (mut left, mut right) = (0, middle);
    for slot in items.iter_mut() {
        let take_right = left == middle
            || (right < scratch.len() && natural_order(key(scratch[right]), key(scratch[left])) == Ordering::Less);
        let from = if take_right { &mut right } else { &mut left };
        *slot = scratch[*from];
        *from += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_compare_by_value_and_other_signs_precede_letters() {
        for (small, large) in [
            ("a", "b"),
            ("z1", "z9"),
            ("z9", "z10"),
            ("a1", "a01"),
            ("a-b", "ab"),
            ("a", "aa"),
            ("B", "a"),
            ("app", "app.kubernetes.io/name"),
            ("app.kubernetes.io/name", "apple"),
        ] {
            assert_eq!(natural_order(small, large), Ordering::Less, "{small} {large}");
            assert_eq!(natural_order(large, small), Ordering::Greater, "{large} {small}");
        }
    }
}
