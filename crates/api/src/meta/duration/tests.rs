use super::*;

fn nanos(text: &str) -> u128 {
    text.parse::<GoDuration>().unwrap_or_else(|err| panic!("{text}: {err}")).as_duration().as_nanos()
}

#[test]
fn every_unit_and_notation_is_read() {
    let table = [
        ("0", 0),
        ("+0", 0),
        ("0s", 0),
        ("5s", 5_000_000_000),
        ("+5s", 5_000_000_000),
        ("1h30m", 5_400_000_000_000),
        ("1.5s", 1_500_000_000),
        ("300ms", 300_000_000),
        ("10us", 10_000),
        ("10\u{b5}s", 10_000),
        ("10\u{3bc}s", 10_000),
        ("7ns", 7),
        (".5s", 500_000_000),
        ("1.s", 1_000_000_000),
        ("1m1m", 120_000_000_000),
        ("0.0000000001s", 0),
        ("0.123456789123456789123456789h", 444_444_440_844),
        ("9223372036854775807ns", 9_223_372_036_854_775_807),
    ];
    for (text, expected) in table {
        assert_eq!(nanos(text), expected, "{text}");
    }
}

#[test]
fn what_go_refuses_is_refused() {
    use ParseDurationError as E;
    let text = |s: &str| s.to_owned();
    let table = [
        ("", E::Invalid(text(""))),
        ("+", E::Invalid(text("+"))),
        (".s", E::Invalid(text(".s"))),
        ("s", E::Invalid(text("s"))),
        ("1", E::MissingUnit(text("1"))),
        ("1m2", E::MissingUnit(text("1m2"))),
        ("1d", E::UnknownUnit { text: text("1d"), unit: text("d") }),
        ("1 s", E::UnknownUnit { text: text("1 s"), unit: text(" s") }),
        ("-1s", E::Negative(text("-1s"))),
        ("9223372036854775808ns", E::TooLong(text("9223372036854775808ns"))),
        ("99999999999999999999h", E::TooLong(text("99999999999999999999h"))),
        ("2562048h", E::TooLong(text("2562048h"))),
    ];
    for (input, expected) in table {
        assert_eq!(input.parse::<GoDuration>(), Err(expected), "{input}");
    }
}

#[test]
fn durations_print_as_go_prints_them() {
    let table = [
        (0, "0s"),
        (1, "1ns"),
        (1_100, "1.1\u{b5}s"),
        (999_999, "999.999\u{b5}s"),
        (2_200_000, "2.2ms"),
        (500_000_000, "500ms"),
        (1_234_000_000, "1.234s"),
        (60_000_000_000, "1m0s"),
        (60_500_000_000, "1m0.5s"),
        (570_000_000_000, "9m30s"),
        (3_600_000_000_000, "1h0m0s"),
        (5_445_001_000_000, "1h30m45.001s"),
        (86_400_000_000_000, "24h0m0s"),
        (9_223_372_036_854_775_807, "2562047h47m16.854775807s"),
    ];
    for (nanos, expected) in table {
        let duration = GoDuration::new(Duration::from_nanos(nanos));
        assert_eq!(duration.to_string(), expected);
        assert_eq!(expected.parse(), Ok(duration), "reading back {expected}");
    }
}

#[test]
fn on_the_wire_a_duration_is_a_string() {
    assert_eq!(serde_json::to_value(GoDuration::from_secs(90)).unwrap(), serde_json::json!("1m30s"));
    assert_eq!(serde_json::from_str::<GoDuration>("\"90s\"").unwrap(), GoDuration::from_secs(90));
    let err = serde_json::from_str::<GoDuration>("\"90\"").unwrap_err().to_string();
    assert!(err.starts_with("missing unit in duration \"90\""), "{err}");
}
