//! The XML that Azure answers with: pages and errors.
//!
//! Deliberately skips what a flat listing without snapshots has none of.

use sluice_http_client::HeaderMap;

use crate::error::AnswerError;
use crate::listing::{Entry, Page};
use crate::transport::{PlusIsSpace, Problem, decode, listed_key};
use crate::xml::walk;

/// A page of a listing.
pub(crate) fn page(bytes: &[u8]) -> Result<Page, AnswerError> {
    let mut page = Page::default();
    let (mut key, mut etag, mut size) = (None, None, 0);
    walk(bytes, &["EnumerationResults"], |element| {
        match element.below_root() {
            ["Blobs", "Blob", "Name", ""] => {
                let name = element.text.to_owned();
                // Characters that XML cannot hold.
                let name = if element.encoded { decode(&name, PlusIsSpace::No)? } else { name };
                key = Some(listed_key(name)?);
            }
            ["Blobs", "Blob", "Properties", "Etag"] => etag = Some(quoted(element.text.trim())),
            ["Blobs", "Blob", "Properties", "Content-Length"] => {
                size = element.text.trim().parse().map_err(|_| AnswerError::Missing("Content-Length"))?;
            }
            ["Blobs", "Blob", "", ""] => page.entries.push(Entry {
                key: key.take().ok_or(AnswerError::Missing("Name"))?,
                etag: etag.take().ok_or(AnswerError::Missing("Etag"))?,
                size: std::mem::take(&mut size),
            }),
            ["NextMarker", "", "", ""] => {
                page.next = Some(element.text.to_owned()).filter(|marker| !marker.is_empty());
            }
            _ => {}
        }
        Ok(())
    })?;
    Ok(page)
}

/// An entity tag with its quotes, as downloads have it and revisions count it. Listings leave the quotes out.
pub(crate) fn quoted(etag: &str) -> String {
    if etag.starts_with('"') || etag.starts_with("W/") { etag.to_owned() } else { format!("\"{etag}\"") }
}

/// The service's own words for a refusal.
pub(crate) fn problem(bytes: &[u8], headers: &HeaderMap) -> Problem {
    let mut problem = Problem::default();
    let read = walk(bytes, &["Error"], |element| {
        match element.below_root() {
            ["Code", "", "", ""] => element.text.trim().clone_into(&mut problem.code),
            // What follows the first line is a request's number and time, which would make every message a new one.
            ["Message", "", "", ""] => {
                element.text.trim().lines().next().unwrap_or_default().trim().clone_into(&mut problem.message);
            }
            _ => {}
        }
        Ok(())
    });
    if read.is_err() || problem.code.is_empty() {
        let code = headers.get("x-ms-error-code").and_then(|value| value.to_str().ok());
        problem = Problem { code: code.unwrap_or_default().to_owned(), ..Problem::default() };
    }
    problem
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_has_names_as_they_are_and_entity_tags_with_quotes() {
        let xml = "\u{feff}<?xml version=\"1.0\" encoding=\"utf-8\"?><EnumerationResults ServiceEndpoint=\"x\" ContainerName=\"apps\">\
            <Prefix>a</Prefix><Blobs><Blob><Name>a+b%20 &amp;/c</Name><Properties><Creation-Time>x</Creation-Time><Etag>0x8D1</Etag>\
            <Content-Length>12</Content-Length><Content-MD5/></Properties><OrMetadata /></Blob>\
            <Blob><Name Encoded=\"true\">x%EF%BF%BEy+</Name><Properties><Etag>\"0x8D2\"</Etag></Properties></Blob></Blobs>\
            <NextMarker>2!m/=</NextMarker></EnumerationResults>";
        let entries = vec![
            Entry { key: "a+b%20 &/c".to_owned(), etag: "\"0x8D1\"".to_owned(), size: 12 },
            Entry { key: "x\u{fffe}y+".to_owned(), etag: "\"0x8D2\"".to_owned(), size: 0 },
        ];
        assert_eq!(page(xml.as_bytes()), Ok(Page { entries, next: Some("2!m/=".to_owned()) }));
        let last = b"<EnumerationResults><Blobs /><NextMarker /></EnumerationResults>";
        assert_eq!(page(last), Ok(Page::default()));
    }

    #[test]
    fn a_page_that_lacks_what_it_must_have_is_an_error() {
        for (blob, expected) in [
            ("<Properties><Etag>x</Etag></Properties>", AnswerError::Missing("Name")),
            ("<Name>a</Name>", AnswerError::Missing("Etag")),
            ("<Name></Name>", AnswerError::Key(String::new())),
            ("<Name Encoded=\"true\">%FF</Name>", AnswerError::Key("%FF".to_owned())),
            ("<Properties><Content-Length>x</Content-Length></Properties>", AnswerError::Missing("Content-Length")),
        ] {
            let xml = format!("<EnumerationResults><Blobs><Blob>{blob}</Blob></Blobs></EnumerationResults>");
            assert_eq!(page(xml.as_bytes()), Err(expected), "{blob}");
        }
    }

    #[test]
    fn a_refusal_has_the_code_and_the_messages_first_line_only() {
        let xml = "\u{feff}<?xml version=\"1.0\"?><Error><Code>AuthenticationFailed</Code><Message>Server failed.\nRequestId:1\nTime:2\
                   </Message><AuthenticationErrorDetail>Signature=hunter2</AuthenticationErrorDetail></Error>";
        let told =
            |code: &str, message: &str| Problem { code: code.into(), message: message.into(), region: String::new() };
        let none = HeaderMap::new();
        assert_eq!(problem(xml.as_bytes(), &none), told("AuthenticationFailed", "Server failed."));
        let named = HeaderMap::from_iter([("x-ms-error-code".parse().unwrap(), "BlobNotFound".parse().unwrap())]);
        assert_eq!(problem(b"", &named), told("BlobNotFound", ""));
        assert_eq!(problem(b"<html/>", &none), told("", ""));
    }
}
