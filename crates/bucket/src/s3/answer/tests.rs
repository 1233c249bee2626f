use super::*;

fn entry(key: &str, etag: &str, size: u64) -> Entry {
    Entry { key: key.to_owned(), etag: etag.to_owned(), size }
}

#[test]
fn a_page_of_the_second_version_has_keys_decoded_and_tags_without_quotes() {
    let xml =
        br#"<?xml version="1.0"?><ListBucketResult xmlns="urn:s3"><Name>apps</Name><IsTruncated>true</IsTruncated>
        <Contents><Key>a+b%2B%C3%A4/c</Key><LastModified>x</LastModified><ETag>&quot;0cc1-2&quot;</ETag><Size>7</Size>
            <Owner><ID>Key</ID></Owner></Contents>
        <Contents><ETag>"e"</ETag><Key>d</Key></Contents>
        <CommonPrefixes><Prefix>p/</Prefix></CommonPrefixes>
        <NextContinuationToken>t+/=</NextContinuationToken><EncodingType>url</EncodingType></ListBucketResult>"#;
    let expected =
        Page { entries: vec![entry("a b+ä/c", "0cc1-2", 7), entry("d", "e", 0)], next: Some("t+/=".to_owned()) };
    assert_eq!(page(xml, Version::Two), Ok(expected));
}

#[test]
fn without_an_encoding_type_a_key_is_what_it_says() {
    let xml = b"<ListBucketResult><Contents><Key> a+%20 </Key><ETag>x</ETag></Contents></ListBucketResult>";
    assert_eq!(page(xml, Version::Two), Ok(Page { entries: vec![entry(" a+%20 ", "x", 0)], next: None }));
}

#[test]
fn the_first_version_goes_on_after_the_marker_or_the_last_key() {
    let page = |marker: &str| {
        let xml = format!(
            "<ListBucketResult><IsTruncated>true</IsTruncated>{marker}<EncodingType>url</EncodingType>\
             <Contents><Key>a%2Fb</Key><ETag>x</ETag></Contents></ListBucketResult>"
        );
        super::page(xml.as_bytes(), Version::One).unwrap().next
    };
    assert_eq!(page("<NextMarker>m%20</NextMarker>"), Some("m ".to_owned()));
    assert_eq!(page("<NextMarker/>"), Some("a/b".to_owned()));
    assert_eq!(page(""), Some("a/b".to_owned()));
}

#[test]
fn a_page_that_lacks_what_it_must_have_is_an_error() {
    for (inner, expected) in [
        ("<Contents><ETag>x</ETag></Contents>", AnswerError::Missing("Key")),
        ("<Contents><Key>a</Key></Contents>", AnswerError::Missing("ETag")),
        ("<Contents><Key>a</Key><ETag>x</ETag><Size>-1</Size></Contents>", AnswerError::Missing("Size")),
        ("<Contents><Key/><ETag>x</ETag></Contents>", AnswerError::Key(String::new())),
        ("<IsTruncated>true</IsTruncated>", AnswerError::Missing("NextContinuationToken")),
        (
            "<EncodingType>url</EncodingType><Contents><Key>%FF%FE</Key><ETag>x</ETag></Contents>",
            AnswerError::Key("%FF%FE".to_owned()),
        ),
    ] {
        let xml = format!("<ListBucketResult>{inner}</ListBucketResult>");
        assert_eq!(page(xml.as_bytes(), Version::Two), Err(expected), "{inner}");
    }
    let long = format!(
        "<ListBucketResult><Contents><Key>{}</Key><ETag>x</ETag></Contents></ListBucketResult>",
        "k".repeat(5_000)
    );
    assert!(matches!(page(long.as_bytes(), Version::Two), Err(AnswerError::Key(key)) if key.len() < 300));
}

#[test]
fn a_refusal_is_told_in_the_services_words_or_else_in_those_of_the_status() {
    let told = |code: &str, message: &str, region: &str| Problem {
        code: code.to_owned(),
        message: message.to_owned(),
        region: region.to_owned(),
    };
    let xml = "<?xml version=\"1.0\"?><Error><Code>AccessDenied</Code><Message> No. </Message><Region>eu-west-1</Region></Error>";
    let none = HeaderMap::new();
    let named = HeaderMap::from_iter([("x-amz-bucket-region".parse().unwrap(), "eu-west-2".parse().unwrap())]);
    for (body, headers, status, about, expected) in [
        (xml, &named, 403, About::Bucket, told("AccessDenied", "No.", "eu-west-1")),
        ("", &named, 400, About::Bucket, told("", "", "eu-west-2")),
        ("", &none, 404, About::Bucket, told("NoSuchBucket", "the bucket does not exist", "")),
        ("", &none, 404, About::Object, told("NoSuchKey", "the object does not exist", "")),
        ("<html>proxy</html>", &none, 403, About::Object, told("AccessDenied", "access denied", "")),
        ("<Error><Code>X</Code>", &none, 502, About::Object, told("", "", "")),
    ] {
        let status = StatusCode::from_u16(status).unwrap();
        assert_eq!(problem(body.as_bytes(), headers, status, about), expected, "{body}");
    }
}

#[test]
fn a_location_is_read_in_every_form_that_services_give_it() {
    for (xml, expected) in [
        ("<LocationConstraint xmlns=\"urn:s3\"/>", "us-east-1"),
        ("<LocationConstraint>EU</LocationConstraint>", "eu-west-1"),
        ("<LocationConstraint> ap-south-1\n</LocationConstraint>", "ap-south-1"),
        ("<CreateBucketConfiguration><LocationConstraint>x</LocationConstraint></CreateBucketConfiguration>", "x"),
    ] {
        assert_eq!(location(xml.as_bytes()).as_deref(), Ok(expected), "{xml}");
    }
    assert!(location(b"us-east-1").is_err());
}
