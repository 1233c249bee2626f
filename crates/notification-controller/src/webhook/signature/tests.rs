use super::*;

#[test]
fn published_vectors_are_accepted_in_any_hex_case() {
    // RFC 2202 and RFC 4231, test case 2.
    let (key, text) = (b"Jefe", b"what do ya want for nothing?");
    for signature in [
        "sha1=effcdf6ae5eb2fa2d27416d5f184df9c259a7c79",
        "sha256=5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
        "sha256=5BDCC146BF60754E6A042426089575C75A003F089D2739839DEC58B964EC3843",
        "sha512=164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea2505549758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737",
    ] {
        assert_eq!(verify(signature, key, text), Ok(()), "{signature}");
    }
}

#[test]
fn everything_else_is_refused() {
    use SignatureError::{Parse, SelectAlgorithm, Verify};
    let good = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";
    for (signature, expected) in [
        ("", Parse),
        (good, Parse),
        ("sha256", Parse),
        ("sha256=xyz", Parse),
        ("sha256=abc", Parse),
        ("sha256=", Verify),
        ("sha256=00", Verify),
        (&format!("sha256={}", &good[..62]), Verify),
        (&format!("sha256={good}00"), Verify),
        (&format!("sha1={good}"), Verify),
        (&format!("SHA256={good}"), SelectAlgorithm("SHA256".to_owned())),
        (&format!("md5={good}"), SelectAlgorithm("md5".to_owned())),
    ] {
        assert_eq!(verify(signature, b"Jefe", b"what do ya want for nothing?"), Err(expected), "{signature}");
    }
    assert_eq!(verify(&format!("sha256={good}"), b"jefe", b"what do ya want for nothing?"), Err(Verify));
    assert_eq!(verify(&format!("sha256={good}"), b"Jefe", b"what do ya want for nothing"), Err(Verify));
}
