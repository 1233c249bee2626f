//! Reading the small XML that storage services answer with, event by event.
//!
//! Deliberately no document type, no entity beyond the five predefined ones and character references, no namespaces, no encoding but
//! UTF-8: nothing of that is in an honest answer, and each is a way to make a reader do more work than there are bytes.

use std::borrow::Cow;

use quick_xml::Reader;
use quick_xml::events::{BytesRef, BytesStart, Event};

use crate::error::AnswerError;

/// Elements within elements; answers have five at most.
const MAX_DEPTH: usize = 16;

/// What a reader of one kind of answer does with an element that has ended.
pub(crate) struct Element<'a> {
    /// The local names from the root to this element.
    pub path: &'a [String],
    /// Its own text, without that of elements within; whitespace is kept.
    pub text: &'a str,
    /// Whether it has the attribute `Encoded="true"`, by which Azure marks a percent-encoded name.
    pub encoded: bool,
}

impl Element<'_> {
    /// The names below the root, padded with empty ones; all empty for the root itself and for what is deeper than any answer.
    pub(crate) fn below_root(&self) -> [&str; 4] {
        let mut names = [""; 4];
        let below = self.path.get(1..).unwrap_or_default();
        if below.len() <= names.len() {
            for (name, have) in names.iter_mut().zip(below) {
                *name = have;
            }
        }
        names
    }
}

/// Calls `ended` for every element at its end, inner ones first. The outermost must have one of the names in `roots`. The caller has bounded the bytes.
///
/// # Errors
/// [`AnswerError::Xml`] for what is not well-formed, cut off, nested too deep, or uses what this module leaves out; and what `ended` says.
pub(crate) fn walk(
    bytes: &[u8],
    roots: &[&str],
    mut ended: impl FnMut(&Element<'_>) -> Result<(), AnswerError>,
) -> Result<(), AnswerError> {
    let text = std::str::from_utf8(bytes).map_err(|_| AnswerError::Xml("not UTF-8"))?;
    let mut reader = Reader::from_str(text.strip_prefix('\u{feff}').unwrap_or(text));
    let mut open = Open::default();
    loop {
        match reader.read_event().map_err(|_| AnswerError::Xml("not well-formed"))? {
            Event::Start(start) => open.start(&start, roots)?,
            Event::Empty(start) => {
                open.start(&start, roots)?;
                open.end(&mut ended)?;
            }
            Event::End(_) => open.end(&mut ended)?,
            Event::Text(text) => open.text(&text.xml10_content())?,
            Event::CData(text) => open.text(&text.xml10_content())?,
            Event::GeneralRef(reference) => open.text(&resolve(&reference)?)?,
            Event::DocType(_) => return Err(AnswerError::Xml("a document type")),
            Event::Decl(_) | Event::Comment(_) | Event::PI(_) => {}
            Event::Eof => return open.finish(),
        }
    }
}

/// The elements that have begun and not ended.
#[derive(Default)]
struct Open {
    path: Vec<String>,
    texts: Vec<(String, bool)>,
    had_root: bool,
}

impl Open {
    fn start(&mut self, start: &BytesStart<'_>, roots: &[&str]) -> Result<(), AnswerError> {
        let name = start.local_name();
        let name = name.as_ref();
        let encoded = matches!(start.try_get_attribute("Encoded"), Ok(Some(value)) if value.value.as_ref() == "true");
        if self.path.is_empty() && (self.had_root || !roots.contains(&name)) {
            return Err(AnswerError::Xml("another root element"));
        }
        if self.path.len() == MAX_DEPTH {
            return Err(AnswerError::Xml("elements nested too deep"));
        }
        self.had_root = true;
        self.path.push(name.to_owned());
        self.texts.push((String::new(), encoded));
        Ok(())
    }

    fn text(&mut self, text: &str) -> Result<(), AnswerError> {
        match self.texts.last_mut() {
            Some((whole, _)) => whole.push_str(text),
            None if text.trim().is_empty() => {}
            None => return Err(AnswerError::Xml("text outside the root element")),
        }
        Ok(())
    }

    fn end(&mut self, ended: &mut impl FnMut(&Element<'_>) -> Result<(), AnswerError>) -> Result<(), AnswerError> {
        // The reader checks that ends match starts.
        let (text, encoded) = self.texts.pop().ok_or(AnswerError::Xml("not well-formed"))?;
        ended(&Element { path: &self.path, text: &text, encoded })?;
        self.path.pop();
        Ok(())
    }

    fn finish(self) -> Result<(), AnswerError> {
        if self.had_root && self.path.is_empty() { Ok(()) } else { Err(AnswerError::Xml("cut off")) }
    }
}

fn resolve(reference: &BytesRef<'_>) -> Result<Cow<'static, str>, AnswerError> {
    if let Some(char) = reference.resolve_char_ref().map_err(|_| AnswerError::Xml("an invalid character reference"))? {
        return Ok(Cow::Owned(char.to_string()));
    }
    match reference.xml10_content().as_ref() {
        "amp" => Ok(Cow::Borrowed("&")),
        "lt" => Ok(Cow::Borrowed("<")),
        "gt" => Ok(Cow::Borrowed(">")),
        "quot" => Ok(Cow::Borrowed("\"")),
        "apos" => Ok(Cow::Borrowed("'")),
        _ => Err(AnswerError::Xml("an undefined entity")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Vec<String>, AnswerError> {
        let mut lines = Vec::new();
        walk(text.as_bytes(), &["r"], |element| {
            let mark = if element.encoded { "*" } else { "" };
            lines.push(format!("{}{mark}={}", element.path.join("."), element.text));
            Ok(())
        })?;
        Ok(lines)
    }

    #[test]
    fn elements_come_with_path_and_text_as_they_end() {
        let text = "\u{feff}<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<r xmlns=\"urn:x\"><a> b\r\nc </a><x:d/><e Encoded=\"true\">\
                    &lt;&#34;&#x41;&amp;<![CDATA[<&>]]></e><!-- no --></r>\n";
        assert_eq!(read(text).unwrap(), ["r.a= b\nc ", "r.d=", "r.e*=<\"A&<&>", "r="]);
    }

    #[test]
    fn whatever_is_not_a_plain_whole_document_is_an_error() {
        let deep = format!("<r>{}", "<a>".repeat(20));
        for text in [
            "",
            "  ",
            "<html></html>",
            "<r>",
            "<r><a></r>",
            "<r><a></b></r>",
            "<r></r><r></r>",
            "<r/>text",
            "text<r/>",
            "<r><a",
            "<r>&undefined;</r>",
            "<r>&#0;</r>",
            "<r>&#xD800;</r>",
            "<r>& </r>",
            "<!DOCTYPE r [<!ENTITY a \"aaaaaaaaaa\"><!ENTITY b \"&a;&a;&a;\">]><r>&b;</r>",
            "<!DOCTYPE r SYSTEM \"file:///etc/passwd\"><r/>",
            &deep,
        ] {
            assert!(read(text).is_err(), "{text:?}: {:?}", read(text));
        }
        assert!(walk(b"<r>\xff</r>", &["r"], |_| Ok(())).is_err());
        assert!(
            walk("<r>".encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<_>>().as_slice(), &["r"], |_| Ok(()))
                .is_err()
        );
    }

    #[test]
    fn a_megabyte_of_open_tags_is_refused_at_the_depth_limit() {
        assert_eq!(read(&"<r>".repeat(1 << 18)), Err(AnswerError::Xml("elements nested too deep")));
    }
}
