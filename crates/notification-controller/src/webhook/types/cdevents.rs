//! `CDEvents`: the event's type in a header, and a body that is an event of the specification's version 0.4.
//!
//! The body is checked against the type that its own context names; the header is only compared with the Receiver's events. Fields that
//! the specification does not know are dropped before the check, as the usual decoder does. Deliberately no schemas of third parties.

mod table;

use std::borrow::Cow;

use percent_encoding::percent_decode_str;
use thiserror::Error;

use super::{Call, Checked};
use crate::webhook::auth::{check_event, repeated};
use crate::webhook::go_json::{Decoded, JsonError, Shape, Trailing, decode};
use table::{Field, Need, Rule, content_of};

/// What types of the specification begin with.
const ROOT: &str = "dev.cdevents.";

/// What types of third parties begin with.
const CUSTOM_ROOT: &str = "dev.cdeventsx.";

/// Why a body is no event.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum CdEventError {
    /// Not the JSON of an event.
    #[error(transparent)]
    Decode(#[from] JsonError),
    /// A type, or a version of a type, that the specification does not have.
    #[error("unknown event type {0:?}")]
    SelectType(String),
    /// A field that is missing or has a value it must not have. The path is the specification's.
    #[error("field '{0}' is missing or invalid")]
    Field(String),
}

/// Wants a valid event, and one of the Receiver's events in `Ce-Type`.
pub(in crate::webhook) fn check<'a>(call: &Call<'a>) -> Checked<'a> {
    validate(call.body)?;
    check_event(call, "Ce-Type")?;
    Ok(Cow::Borrowed(call.body))
}

/// What the events of a type have in common.
enum Kind {
    /// One of the specification's: the subject's type and the fields of its content.
    Known(&'static str, &'static [Field]),
    /// A third party's.
    Custom,
}

fn validate(body: &[u8]) -> Result<(), CdEventError> {
    let context = Shape::Object(vec![("type", Shape::Text)]);
    let read = decode(body, &Shape::Object(vec![("context", context)]), Trailing::Refused)?;
    let kind = kind(read.field("context").field("type").text())?;
    let event = decode(body, &event_shape(&kind), Trailing::Refused)?;
    check_context(event.field("context"))?;
    check_subject(event.field("subject"), &kind)?;
    match event.field("customData") {
        Decoded::Other | Decoded::List(_) => Err(invalid("customData")),
        Decoded::Absent | Decoded::Text(_) | Decoded::Object(_) => Ok(()),
    }
}

fn kind(type_: &str) -> Result<Kind, CdEventError> {
    let unknown = || CdEventError::SelectType(repeated(type_));
    if let Some(custom) = type_.strip_prefix(CUSTOM_ROOT) {
        return is_custom_type(custom).then_some(Kind::Custom).ok_or_else(unknown);
    }
    let known = type_.strip_prefix(ROOT).and_then(content_of).ok_or_else(unknown)?;
    Ok(Kind::Known(known.0, known.1))
}

/// `<tool>-<subject>.<predicate>.<version>`.
fn is_custom_type(text: &str) -> bool {
    let is_word = |word: &str| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase());
    let mut parts = text.splitn(3, '.');
    let (Some(subject), Some(predicate), Some(version)) = (parts.next(), parts.next(), parts.next()) else {
        return false;
    };
    let subject = subject.split_once('-').is_some_and(|(tool, subject)| is_word(tool) && is_word(subject));
    let digits: Vec<&str> = version.split('.').collect();
    let version = digits.len() == 3 && digits.iter().all(|part| part.len() == 1 && part.as_bytes()[0].is_ascii_digit());
    subject && is_word(predicate) && version
}

fn event_shape(kind: &Kind) -> Shape {
    let reference = || Shape::Object(vec![("contextId", Shape::Text)]);
    let link = Shape::Object(vec![
        ("linkType", Shape::Text),
        ("linkKind", Shape::Text),
        ("from", reference()),
        ("target", reference()),
        ("tags", Shape::Any),
    ]);
    let context = Shape::Object(vec![
        ("version", Shape::Text),
        ("id", Shape::Text),
        ("source", Shape::Text),
        ("type", Shape::Text),
        ("timestamp", Shape::Time),
        ("schemaUri", Shape::Text),
        ("chainId", Shape::Text),
        ("links", Shape::List(Box::new(link))),
    ]);
    let fields = match kind {
        Kind::Known(_, fields) => object_shape(fields),
        Kind::Custom => Shape::Any,
    };
    let subject =
        Shape::Object(vec![("id", Shape::Text), ("source", Shape::Text), ("type", Shape::Text), ("content", fields)]);
    Shape::Object(vec![
        ("context", context),
        ("subject", subject),
        ("customData", Shape::Any),
        ("customDataContentType", Shape::Text),
    ])
}

fn object_shape(fields: &[Field]) -> Shape {
    let shape = |rule: &Rule| match rule {
        Rule::Text | Rule::NonEmpty | Rule::Uri | Rule::PackageUrl | Rule::OneOf(_) => Shape::Text,
        Rule::Texts => Shape::List(Box::new(Shape::Text)),
        Rule::Object(fields) => object_shape(fields),
    };
    Shape::Object(fields.iter().map(|field| (field.name, shape(&field.rule))).collect())
}

fn invalid(path: &str) -> CdEventError {
    CdEventError::Field(path.to_owned())
}

fn ensure(holds: bool, path: &str) -> Result<(), CdEventError> {
    if holds { Ok(()) } else { Err(invalid(path)) }
}

fn check_context(context: &Decoded) -> Result<(), CdEventError> {
    let text = |name| context.field(name).text();
    ensure(!text("version").is_empty(), "context.version")?;
    ensure(!text("id").is_empty(), "context.id")?;
    ensure(!text("source").is_empty() && is_uri_reference(text("source")), "context.source")?;
    // A schema of a third party can only be checked by who has it.
    ensure(text("schemaUri").is_empty(), "context.schemaUri")?;
    context.field("links").elements().iter().try_for_each(|link| ensure(is_link(link), "context.links"))
}

fn is_link(link: &Decoded) -> bool {
    let has_tags = matches!(link.field("tags"), Decoded::Absent | Decoded::Object(_));
    let names = |field: &str| !link.field(field).field("contextId").text().is_empty();
    has_tags
        && match link.field("linkType").text() {
            "END" | "PATH" => names("from"),
            "RELATION" => names("target") && !link.field("linkKind").text().is_empty(),
            _ => false,
        }
}

fn check_subject(subject: &Decoded, kind: &Kind) -> Result<(), CdEventError> {
    let text = |name| subject.field(name).text();
    ensure(!text("id").is_empty(), "subject.id")?;
    ensure(is_uri_reference(text("source")), "subject.source")?;
    match kind {
        Kind::Known(type_, fields) => {
            ensure(text("type") == *type_, "subject.type")?;
            check_fields(subject.field("content"), fields, "subject.content")
        }
        Kind::Custom => {
            let is_word = |word: &str| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_alphanumeric());
            let type_ = text("type").split_once('-');
            ensure(type_.is_some_and(|(tool, subject)| is_word(tool) && is_word(subject)), "subject.type")?;
            ensure(matches!(subject.field("content"), Decoded::Object(_)), "subject.content")
        }
    }
}

fn check_fields(object: &Decoded, fields: &[Field], path: &str) -> Result<(), CdEventError> {
    for field in fields {
        let value = object.field(field.name);
        let path = format!("{path}.{}", field.name);
        let text = value.text();
        // An empty text is a missing one, unless the field may be any text.
        let holds = match &field.rule {
            Rule::Text | Rule::Texts => true,
            Rule::Object(fields) => match value {
                Decoded::Object(_) => {
                    check_fields(value, fields, &path)?;
                    true
                }
                _ => field.need == Need::Optional,
            },
            _ if text.is_empty() => field.need == Need::Optional,
            Rule::NonEmpty => true,
            Rule::Uri => is_uri_reference(text),
            Rule::PackageUrl => is_package_url(text),
            Rule::OneOf(known) => known.contains(&text),
        };
        ensure(holds, &path)?;
    }
    Ok(())
}

/// Whether a text can be read as a URI or a relative reference.
fn is_uri_reference(text: &str) -> bool {
    let has_whole_escapes = || {
        let path = text.split(['?']).next().unwrap_or_default();
        let mut rest = path.split('%').skip(1);
        rest.all(|after| after.as_bytes().get(..2).is_some_and(|hex| hex.iter().all(u8::is_ascii_hexdigit)))
    };
    !text.bytes().any(|byte| byte.is_ascii_control()) && !text.starts_with(':') && has_whole_escapes()
}

/// `pkg:<type>/<name>` with namespace, version, qualifiers and subpath as they come.
fn is_package_url(text: &str) -> bool {
    let Some(rest) = text.strip_prefix("pkg:") else { return false };
    let path = rest.trim_start_matches('/').split(['?', '#']).next().unwrap_or_default();
    let Some((type_, name)) = path.split_once('/') else { return false };
    let is_type = type_.starts_with(|first: char| first.is_ascii_alphabetic())
        && type_.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".+-".contains(&byte));
    let name = name.trim_matches('/').rsplit('/').next().unwrap_or_default();
    let name = name.split('@').next().unwrap_or_default();
    is_type && !name.is_empty() && percent_decode_str(name).decode_utf8().is_ok()
}

#[cfg(test)]
mod tests;
