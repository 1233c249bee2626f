use super::*;

const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJdD7y3aLq454yWBdwLWbieU1ebz9/cu7/QEXn9OIeZJ";

fn key() -> PublicKey {
    PublicKey::from_openssh(KEY).unwrap()
}

fn check(hosts: &str, host: &str, port: u16) -> Result<(), HostKeyError> {
    let known = KnownHosts::parse(format!("{hosts} {KEY}\n").as_bytes()).unwrap();
    known.check_key(&HostAddress::new(host, port), &key())
}

#[test]
fn hosts_are_matched_by_name_pattern_and_port() {
    for (hosts, host, port) in [
        ("git.example", "git.example", 22),
        ("GIT.example", "git.EXAMPLE", 22),
        ("other,git.example", "git.example", 22),
        ("[git.example]:22", "git.example", 22),
        ("[git.example]:2222", "git.example", 2222),
        ("*.example", "git.example", 22),
        ("g?t.ex*le,!a.example", "git.example", 22),
        ("[*]:2222", "git.example", 2222),
        ("::1", "::1", 22),
        ("[::1]:2222", "::1", 2222),
    ] {
        assert_eq!(check(hosts, host, port), Ok(()), "{hosts} {host} {port}");
    }
    for (hosts, host, port) in [
        ("git.example", "git.example", 2222),
        ("[git.example]:2222", "git.example", 22),
        ("*", "git.example", 2222),
        ("*.example", "example", 22),
        ("*,!git.example", "git.example", 22),
        ("git.example.evil", "git.example", 22),
        ("[git.example]:x", "git.example", 22),
        ("|1|AAAA|AAAA", "git.example", 22),
    ] {
        assert!(matches!(check(hosts, host, port), Err(HostKeyError::Unknown { .. })), "{hosts} {host} {port}");
    }
}

#[test]
fn a_file_without_a_usable_line_is_refused_and_one_bad_line_is_not() {
    for text in ["", "# only this\n", "host ssh-ed25519 !!!\n", "@other host x y\n", "host ssh-rsa AAAA\n"] {
        assert_eq!(KnownHosts::parse(text.as_bytes()), Err(KnownHostsError::NoEntry), "{text}");
    }
    // The type that is written must be the key's.
    let lie = KEY.replace("ssh-ed25519 ", "ssh-rsa ");
    assert_eq!(KnownHosts::parse(format!("host {lie}").as_bytes()), Err(KnownHostsError::NoEntry));
    assert_eq!(KnownHosts::parse(&vec![b'#'; MAX_BYTES + 1]), Err(KnownHostsError::TooLarge));
    let mixed = [b"\xff\xfe\n".to_vec(), format!("host {KEY}\r\n").into_bytes()].concat();
    assert_eq!(KnownHosts::parse(&mixed).map(|known| known.0.len()), Ok(1));
}

#[test]
fn a_pattern_of_many_stars_takes_no_time() {
    let pattern = "*a".repeat(200) + "b";
    assert!(!matches(&pattern, &"a".repeat(2000)));
    assert!(matches("**", "") && matches("", "") && !matches("?", "") && matches("a*", "a") && !matches("a", "ab"));
}
