//! Logs to standard error: one JSON object a line (or a console line), with the fields of the spans around it.
//!
//! Deliberately no rotation, no colours and no secret handling: values are masked where they enter an error.

use std::fmt::Write as _;
use std::io::Write as _;

use serde_json::{Map, Value};
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber, span};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Registry, filter};

use crate::flags::{LogEncoding, LogFlags, LogLevel};

/// Installs the process's logger. A second call leaves the first logger in place.
pub fn init(flags: &LogFlags) {
    let level = match flags.log_level {
        LogLevel::Trace => Level::TRACE,
        LogLevel::Debug => Level::DEBUG,
        LogLevel::Info => Level::INFO,
        LogLevel::Error => Level::ERROR,
    };
    // Libraries speak up only when something is wrong; our own crates obey the flag.
    let ours = ["sluice", "source_controller", "kustomize_controller", "notification_controller"];
    let targets = filter::Targets::new()
        .with_default(Level::ERROR.min(level))
        .with_targets(ours.iter().map(|target| (*target, level)));
    let layer = LogLayer { encoding: flags.log_encoding }.with_filter(targets);
    if Registry::default().with(layer).try_init().is_err() {
        tracing::debug!("a logger is already installed");
    }
}

struct LogLayer {
    encoding: LogEncoding,
}

/// The fields of one span, kept in its extensions.
struct SpanFields(Map<String, Value>);

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for LogLayer {
    fn on_new_span(&self, attributes: &span::Attributes<'_>, id: &span::Id, ctx: Context<'_, S>) {
        let mut fields = Map::new();
        attributes.record(&mut JsonVisitor(&mut fields));
        if let Some(span) = ctx.span(id) {
            span.extensions_mut().insert(SpanFields(fields));
        }
    }

    fn on_event(&self, event: &Event<'_>, ctx: Context<'_, S>) {
        let mut fields = Map::new();
        for span in ctx.event_scope(event).into_iter().flat_map(tracing_subscriber::registry::Scope::from_root) {
            if let Some(SpanFields(of_span)) = span.extensions().get::<SpanFields>() {
                fields.extend(of_span.clone());
            }
        }
        let mut own = Map::new();
        event.record(&mut JsonVisitor(&mut own));
        let message = match own.remove("message") {
            Some(Value::String(text)) => text,
            Some(other) => other.to_string(),
            None => String::new(),
        };
        fields.extend(own);
        let line = render(self.encoding, *event.metadata().level(), jiff::Timestamp::now(), &message, fields);
        // Nobody to tell when standard error is closed.
        let _ = std::io::stderr().lock().write_all(line.as_bytes());
    }
}

fn render(
    encoding: LogEncoding,
    level: Level,
    now: jiff::Timestamp,
    message: &str,
    fields: Map<String, Value>,
) -> String {
    let level = level.as_str().to_ascii_lowercase();
    let time = format!("{now:.3}");
    match encoding {
        LogEncoding::Json => {
            // Level, time and message come first, where people and `kubectl logs` expect them; a map would sort them away.
            let head = format!("{{\"level\":\"{level}\",\"ts\":\"{time}\",\"msg\":{}", Value::from(message));
            let rest = Value::Object(fields).to_string();
            let rest = rest.trim_start_matches('{');
            let separator = if rest == "}" { "" } else { "," };
            format!("{head}{separator}{rest}\n")
        }
        LogEncoding::Console => {
            let mut line = format!("{time}\t{level}\t{message}");
            if !fields.is_empty() {
                // Writing to a string does not fail.
                let _ = write!(line, "\t{}", Value::Object(fields));
            }
            line.push('\n');
            line
        }
    }
}

struct JsonVisitor<'a>(&'a mut Map<String, Value>);

impl Visit for JsonVisitor<'_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name().into(), value.into());
    }
    fn record_i64(&mut self, field: &Field, value: i64) {
        self.0.insert(field.name().into(), value.into());
    }
    fn record_u64(&mut self, field: &Field, value: u64) {
        self.0.insert(field.name().into(), value.into());
    }
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.0.insert(field.name().into(), value.into());
    }
    fn record_bool(&mut self, field: &Field, value: bool) {
        self.0.insert(field.name().into(), value.into());
    }
    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        self.0.insert(field.name().into(), error_chain(value).into());
    }
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        self.0.insert(field.name().into(), format!("{value:?}").into());
    }
}

/// The error and its sources, joined by `: `, as users read it in conditions, events and logs.
pub fn error_chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        // Some libraries repeat their source in their own text; once is enough for a reader.
        if !text.ends_with(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields() -> Map<String, Value> {
        Map::from_iter([("name".to_owned(), Value::from("web"))])
    }

    #[test]
    fn a_json_line_has_level_time_message_and_fields() {
        let line = render(LogEncoding::Json, Level::INFO, jiff::Timestamp::UNIX_EPOCH, "stored artifact", fields());
        let parsed: Value = serde_json::from_str(&line).expect("the line is JSON");
        let expected = serde_json::json!({
            "level": "info", "ts": "1970-01-01T00:00:00.000Z", "msg": "stored artifact", "name": "web"
        });
        assert_eq!(parsed, expected);
        let start = "{\"level\":\"info\",\"ts\":\"1970-01-01T00:00:00.000Z\",\"msg\":\"stored artifact\",";
        assert!(line.starts_with(start), "{line}");
        let bare = render(LogEncoding::Json, Level::INFO, jiff::Timestamp::UNIX_EPOCH, "x", Map::new());
        assert_eq!(bare, "{\"level\":\"info\",\"ts\":\"1970-01-01T00:00:00.000Z\",\"msg\":\"x\"}\n");
    }

    #[test]
    fn a_console_line_is_tab_separated() {
        let line = render(LogEncoding::Console, Level::ERROR, jiff::Timestamp::UNIX_EPOCH, "failed", fields());
        assert_eq!(line, "1970-01-01T00:00:00.000Z\terror\tfailed\t{\"name\":\"web\"}\n");
    }

    #[derive(Debug, thiserror::Error)]
    #[error("outer")]
    struct Outer(#[source] std::num::ParseIntError);

    #[test]
    fn an_error_is_shown_with_its_causes() {
        let cause = "x".parse::<u8>().expect_err("x is no number");
        assert_eq!(error_chain(&Outer(cause)), "outer: invalid digit found in string");
    }
}
