use super::*;

const ABC_SHA1: &str = "a9993e364706816aba3e25717850c26c9cd0d89d";
const ABC_SHA256: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

#[test]
fn every_algorithm_computes_its_published_test_vector() {
    let vectors = [
        (Algorithm::Sha1, ABC_SHA1),
        (Algorithm::Sha256, ABC_SHA256),
        (
            Algorithm::Sha384,
            "cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed8086072ba1e7cc2358baeca134c825a7",
        ),
        (
            Algorithm::Sha512,
            "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a\
             2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f",
        ),
        (Algorithm::Blake3, "6437b3ac38465133ffb63b75273a8db548c558465d79db03fd359c6cd5bd9d85"),
    ];
    for (algorithm, expected) in vectors {
        assert_eq!(Digest::of(algorithm, b"abc").to_string(), format!("{algorithm}:{expected}"));
    }
}

#[test]
fn pieces_written_and_read_give_the_digest_of_the_whole() {
    let content: Vec<u8> = (0..200_000_u32).map(|n| (n % 251) as u8).collect();
    for algorithm in Algorithm::ALL {
        let whole = Digest::of(algorithm, &content);
        let mut hasher = algorithm.hasher();
        for piece in content.chunks(997) {
            hasher.write_all(piece).unwrap();
        }
        assert_eq!(hasher.finish(), whole);
        assert_eq!(Digest::of_reader(algorithm, content.as_slice()).unwrap(), (whole, 200_000));
    }
}

#[test]
fn a_digest_prints_as_it_was_parsed() {
    for algorithm in Algorithm::ALL {
        let text = Digest::of(algorithm, b"").to_string();
        let digest: Digest = text.parse().unwrap();
        assert_eq!((digest.to_string(), digest.algorithm()), (text, algorithm));
        assert_eq!(Digest::from_bytes(algorithm, digest.as_bytes()), Ok(digest));
    }
}

#[test]
fn what_is_no_digest_is_refused_with_the_reason() {
    let short = |algorithm, expected, actual| DigestError::Length { algorithm, expected, actual };
    let unknown = |name: &str| DigestError::Algorithm(UnknownAlgorithm(name.to_owned()));
    let upper = format!("sha256:{}", ABC_SHA256.to_uppercase());
    let cases = [
        ("", DigestError::Empty),
        (ABC_SHA256, DigestError::Format),
        (":abc", DigestError::Format),
        ("sha256:", DigestError::Format),
        ("SHA256:abc", DigestError::Format),
        ("sha--256:abc", DigestError::Format),
        ("sha256-:abc", DigestError::Format),
        ("sha256:a/../b", DigestError::Format),
        ("sha256:ab:cd", DigestError::Format),
        ("sha256:ab cd", DigestError::Format),
        ("md5:d41d8cd98f00b204e9800998ecf8427e", unknown("md5")),
        ("sha256+b64:abc=", unknown("sha256+b64")),
        ("sha256:abcd", short(Algorithm::Sha256, 64, 4)),
        ("sha1:abcd", short(Algorithm::Sha1, 40, 4)),
        (upper.as_str(), DigestError::Encoding),
    ];
    for (text, expected) in cases {
        assert_eq!(text.parse::<Digest>(), Err(expected), "{text}");
    }
}

#[test]
fn only_the_lenient_parser_takes_text_without_a_colon_as_sha256() {
    let expected = Digest::of(Algorithm::Sha256, b"abc");
    assert_eq!(Digest::parse_lenient(ABC_SHA256), Ok(expected));
    assert_eq!(Digest::parse_lenient(&expected.to_string()), Ok(expected));
    assert_eq!(Digest::parse_lenient(""), Err(DigestError::Empty));
    assert!(Digest::parse_lenient(ABC_SHA1).is_err());
}

#[test]
fn an_unknown_algorithm_is_named_in_the_error() {
    assert_eq!("sha3".parse::<Algorithm>().unwrap_err().to_string(), "unsupported digest algorithm 'sha3'");
    for algorithm in Algorithm::ALL {
        assert_eq!(algorithm.to_string().parse(), Ok(algorithm));
    }
}
