//! Shamir's secret sharing over the field of 256 elements, as AES has it: a data key from the parts that key groups gave.
//!
//! Deliberately only the way back; the last byte of a part is the place at which its polynomials were taken.

use zeroize::Zeroizing;

/// Parts that make no secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ShamirError {
    /// One alone tells nothing.
    #[error("less than two parts cannot be used to reconstruct the secret")]
    TooFew,
    /// A part is a byte longer than the secret.
    #[error("parts must be at least two bytes")]
    TooShort,
    /// Parts of one secret have one length.
    #[error("all parts must be the same length")]
    Lengths,
    /// The same part twice.
    #[error("duplicate part detected")]
    Duplicate,
}

/// The secret.
pub(crate) fn combine(parts: &[&[u8]]) -> Result<Zeroizing<Vec<u8>>, ShamirError> {
    if parts.len() < 2 {
        return Err(ShamirError::TooFew);
    }
    let length = parts[0].len();
    if length < 2 {
        return Err(ShamirError::TooShort);
    }
    if parts.iter().any(|part| part.len() != length) {
        return Err(ShamirError::Lengths);
    }
    let places: Vec<u8> = parts.iter().map(|part| part[length - 1]).collect();
    let mut seen = [false; 256];
    for &place in &places {
        if std::mem::replace(&mut seen[usize::from(place)], true) {
            return Err(ShamirError::Duplicate);
        }
    }
    let weights: Vec<u8> = (0..places.len()).map(|index| weight(&places, index)).collect();
    let byte = |at: usize| parts.iter().zip(&weights).fold(0, |sum, (part, &weight)| sum ^ multiply(part[at], weight));
    Ok(Zeroizing::new((0..length - 1).map(byte).collect()))
}

/// How much of one part is in the secret: Lagrange's basis polynomial at zero.
fn weight(places: &[u8], index: usize) -> u8 {
    let own = places[index];
    let others = places.iter().enumerate().filter(|(other, _)| *other != index);
    others.fold(1, |product, (_, &other)| multiply(product, multiply(other, inverse(own ^ other))))
}

/// The product modulo x⁸ + x⁴ + x³ + x + 1, in constant time.
fn multiply(left: u8, right: u8) -> u8 {
    (0..8).rev().fold(0_u8, |product, bit| {
        let reduction = 0x1b & 0_u8.wrapping_sub(product >> 7);
        let addend = left & 0_u8.wrapping_sub(right >> bit & 1);
        (product << 1) ^ reduction ^ addend
    })
}

/// The 254th power, which is the inverse of everything but zero.
fn inverse(value: u8) -> u8 {
    (0..7)
        .fold((1, value), |(product, power), _| {
            let power = multiply(power, power);
            (multiply(product, power), power)
        })
        .0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_element_but_zero_has_an_inverse() {
        for value in 1..=255 {
            assert_eq!(multiply(value, inverse(value)), 1, "{value}");
        }
        assert_eq!(inverse(0), 0);
        // The example of the AES standard.
        assert_eq!(multiply(0x57, 0x83), 0xc1);
    }

    #[test]
    fn any_two_of_three_points_of_a_line_give_its_secret() {
        let secret = b"key";
        let slope = [7, 200, 31];
        let part = |place: u8| -> Vec<u8> {
            let values = secret.iter().zip(slope).map(|(&byte, slope)| byte ^ multiply(slope, place));
            values.chain([place]).collect()
        };
        let parts = [part(1), part(77), part(255)];
        for chosen in [[0, 1], [1, 2], [2, 0]] {
            let chosen: Vec<&[u8]> = chosen.iter().map(|&index| parts[index].as_slice()).collect();
            assert_eq!(combine(&chosen).unwrap().as_slice(), secret);
        }
        assert_eq!(combine(&[&parts[0], &parts[1], &parts[2]]).unwrap().as_slice(), secret);
    }

    #[test]
    fn parts_that_do_not_belong_together_are_refused() {
        for (parts, error) in [
            (vec![[1_u8, 1].as_slice()], ShamirError::TooFew),
            (vec![[1].as_slice(), [2].as_slice()], ShamirError::TooShort),
            (vec![[1, 1].as_slice(), [2, 2, 2].as_slice()], ShamirError::Lengths),
            (vec![[1, 9].as_slice(), [2, 9].as_slice()], ShamirError::Duplicate),
        ] {
            assert_eq!(combine(&parts).unwrap_err(), error);
        }
    }
}
