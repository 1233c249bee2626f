//! Bech32 (BIP 173) without its bound on the length, which age does not keep either.

use zeroize::Zeroizing;

const ALPHABET: &[u8; 32] = b"qpzry9x8gf2tvdw0s3jn54khce6mua7l";

/// The readable part in lower case, and the data.
pub(super) fn decode(text: &str) -> Option<(String, Zeroizing<Vec<u8>>)> {
    let mixed =
        text.bytes().any(|byte| byte.is_ascii_lowercase()) && text.bytes().any(|byte| byte.is_ascii_uppercase());
    if mixed || !text.bytes().all(|byte| (33..=126).contains(&byte)) {
        return None;
    }
    let lower = Zeroizing::new(text.to_ascii_lowercase());
    let (hrp, data) = lower.rsplit_once('1')?;
    if hrp.is_empty() || data.len() < 6 {
        return None;
    }
    let index =
        |byte: u8| ALPHABET.iter().position(|&letter| letter == byte).and_then(|index| u8::try_from(index).ok());
    let values: Zeroizing<Vec<u8>> = Zeroizing::new(data.bytes().map(index).collect::<Option<_>>()?);
    let expanded = hrp.bytes().map(|byte| byte >> 5).chain([0]).chain(hrp.bytes().map(|byte| byte & 31));
    if polymod(expanded.chain(values.iter().copied())) != 1 {
        return None;
    }
    Some((hrp.to_owned(), bytes(&values[..values.len() - 6])?))
}

/// Groups of five bits as bytes; what is left over must be less than a group, and zero.
fn bytes(values: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(values.len() * 5 / 8));
    let (mut rest, mut bits) = (0_u32, 0);
    for &value in values {
        rest = rest << 5 | u32::from(value);
        bits += 5;
        if bits >= 8 {
            bits -= 8;
            bytes.push(u8::try_from(rest >> bits).ok()?);
            rest &= (1 << bits) - 1;
        }
    }
    (bits < 5 && rest == 0).then_some(bytes)
}

fn polymod(values: impl Iterator<Item = u8>) -> u32 {
    const GENERATOR: [u32; 5] = [0x3b6a_57b2, 0x2650_8e6d, 0x1ea1_19fa, 0x3d42_33dd, 0x2a14_62b3];
    values.fold(1, |sum, value| {
        let top = sum >> 25;
        let next = (sum & 0x01ff_ffff) << 5 ^ u32::from(value);
        GENERATOR.iter().enumerate().filter(|(bit, _)| top >> bit & 1 == 1).fold(next, |sum, (_, term)| sum ^ term)
    })
}

/// The text, in lower case.
#[cfg(test)]
pub(super) fn encode(hrp: &str, data: &[u8]) -> String {
    let (mut values, mut rest, mut bits) = (Vec::new(), 0_u32, 0);
    for &byte in data {
        rest = (rest << 8 | u32::from(byte)) & 0xfff;
        bits += 8;
        while bits >= 5 {
            bits -= 5;
            values.push((rest >> bits & 31) as u8);
        }
    }
    if bits > 0 {
        values.push((rest << (5 - bits) & 31) as u8);
    }
    let expanded = hrp.bytes().map(|byte| byte >> 5).chain([0]).chain(hrp.bytes().map(|byte| byte & 31));
    let sum = polymod(expanded.chain(values.iter().copied()).chain([0; 6])) ^ 1;
    values.extend((0..6).map(|index| (sum >> (5 * (5 - index)) & 31) as u8));
    let letters: String = values.into_iter().map(|value| char::from(ALPHABET[usize::from(value)])).collect();
    format!("{hrp}1{letters}")
}
