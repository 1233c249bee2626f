use super::testing::{encrypt, identity};
use super::*;

fn identities(bytes: &[u8]) -> Identities {
    let mut identities = Identities::default();
    for &byte in bytes {
        identities.import(format!("# made\n\n{}\n", identity(byte).0).as_bytes()).unwrap();
    }
    identities
}

#[test]
fn any_identity_of_any_recipient_opens_a_file() {
    let file = encrypt(b"data key", &[1, 2]);
    for bytes in [&[1][..], &[2], &[9, 2]] {
        assert_eq!(identities(bytes).decrypt(&file).unwrap().expose(), b"data key");
    }
    assert!(matches!(identities(&[9]).decrypt(&file), Err(AgeError::NoMatch)));
    assert!(matches!(identities(&[]).decrypt(&file), Err(AgeError::NoIdentities)));
    assert!(identities(&[1]).decrypt(&file.replace('\n', "\r\n")).is_ok());
}

#[test]
fn a_changed_file_does_not_open() {
    let file = encrypt(b"data key", &[1]);
    let own = identities(&[1]);
    let lines: Vec<&str> = file.lines().collect();
    for (index, line) in lines.iter().enumerate() {
        for at in 0..line.len() {
            let mut changed: Vec<String> = lines.iter().map(|&line| line.to_owned()).collect();
            let letter = if line.as_bytes()[at] == b'A' { "B" } else { "A" };
            changed[index].replace_range(at..=at, letter);
            let changed = changed.join("\n");
            assert!(changed == file.trim() || own.decrypt(&changed).is_err(), "line {index}, column {at}");
        }
    }
    assert!(matches!(own.decrypt(&"A".repeat(MAX_FILE_BYTES + 1)), Err(AgeError::TooLarge)));
    assert!(matches!(own.decrypt(""), Err(AgeError::Armor)));
}

#[test]
fn identity_files_are_refused_by_their_line_and_without_their_content() {
    let good = identity(1).0;
    for (text, error) in [
        (format!("{good}\nnonsense"), IdentityError::Unknown(2)),
        (format!("{good}X"), IdentityError::Malformed(1)),
        (good.to_ascii_lowercase(), IdentityError::Unknown(1)),
        ("AGE-SECRET-KEY-1QQQQQQ".to_owned(), IdentityError::Malformed(1)),
        ("AGE-SECRET-KEY-PQ-1QQQQQQ".to_owned(), IdentityError::Malformed(1)),
        ("AGE-PLUGIN-YUBIKEY-1QQQ".to_owned(), IdentityError::Plugin(1)),
    ] {
        let mut identities = Identities::default();
        assert_eq!(identities.import(text.as_bytes()), Err(error), "{text}");
        assert!(identities.is_empty());
    }
    assert_eq!(Identities::default().import(b"\xff"), Err(IdentityError::NotText));
    assert_eq!(format!("{:?}", identities(&[1, 2])), "Identities(2)");
}

#[test]
fn the_checksum_of_an_identity_is_that_of_the_standard() {
    // The shortest valid text of BIP 173.
    assert_eq!(bech32::decode("A12UEL5L").map(|(hrp, data)| (hrp, data.len())), Some(("a".to_owned(), 0)));
    for bad in ["A12UEL5M", "a12UEL5L", "12uel5l", "a1", "", "a1b2uel5l"] {
        assert!(bech32::decode(bad).is_none(), "{bad}");
    }
}
