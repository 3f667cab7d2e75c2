//! Logs as Cloud Logging reads them: one JSON object a line on standard error, with `severity`, the trace and the HTTP request
//! in the fields that it knows (<https://cloud.google.com/logging/docs/structured-logging>).

use std::{collections::BTreeMap, fmt};

use common::error::{Error, Kind, Result, internal};
use jiff::Timestamp;
use serde_json::{Map, Value, json};
use tracing::{
    Event, Level, Subscriber,
    field::{Field, Visit},
    span,
};
use tracing_subscriber::{
    EnvFilter, Layer,
    layer::{Context, SubscriberExt},
    registry::LookupSpan,
    util::SubscriberInitExt,
};

/// Starts logging for the whole process. `filter` is in `RUST_LOG`'s syntax; with the project's name, traces are linked.
pub fn init(filter: &str, project: Option<String>) -> Result<()> {
    let filter = EnvFilter::try_new(filter)
        .map_err(|cause| Error::new(Kind::InvalidRequest, "RUST_LOG is not a valid filter").because(cause))?;
    tracing_subscriber::registry().with(filter).with(CloudLogging { project }).try_init().map_err(internal)
}

struct CloudLogging {
    project: Option<String>,
}

/// The fields of a span or an event, as JSON.
#[derive(Debug, Default)]
struct Fields(BTreeMap<&'static str, Value>);

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.0.insert(field.name(), format!("{value:?}").into());
    }
    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name(), value.into());
    }
    fn record_u64(&mut self, field: &Field, value: u64) {
        self.0.insert(field.name(), value.into());
    }
    fn record_i64(&mut self, field: &Field, value: i64) {
        self.0.insert(field.name(), value.into());
    }
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.0.insert(field.name(), value.into());
    }
    fn record_bool(&mut self, field: &Field, value: bool) {
        self.0.insert(field.name(), value.into());
    }
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for CloudLogging {
    fn on_new_span(&self, attributes: &span::Attributes<'_>, id: &span::Id, context: Context<'_, S>) {
        let mut fields = Fields::default();
        attributes.record(&mut fields);
        if let Some(span) = context.span(id) {
            span.extensions_mut().insert(fields);
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let mut fields = Fields::default();
        for span in context.event_scope(event).into_iter().flatten() {
            if let Some(known) = span.extensions().get::<Fields>() {
                fields.0.extend(known.0.iter().map(|(name, value)| (*name, value.clone())));
            }
        }
        event.record(&mut fields);
        let entry = entry(*event.metadata().level(), fields.0, self.project.as_deref());
        // A log that cannot be written has nowhere to say so.
        let _ = std::io::Write::write_all(&mut std::io::stderr().lock(), format!("{entry}\n").as_bytes());
    }
}

/// One log entry.
fn entry(level: Level, mut fields: BTreeMap<&'static str, Value>, project: Option<&str>) -> Value {
    let severity = match level {
        Level::ERROR => "ERROR",
        Level::WARN => "WARNING",
        Level::INFO => "INFO",
        _ => "DEBUG",
    };
    let mut entry = Map::from_iter([
        ("severity".to_owned(), severity.into()),
        ("time".to_owned(), Timestamp::now().to_string().into()),
        ("message".to_owned(), fields.remove("message").unwrap_or_default()),
    ]);
    if let Some(trace) = fields.remove("trace.id").as_ref().and_then(Value::as_str) {
        let trace = project.map_or_else(|| trace.to_owned(), |project| format!("projects/{project}/traces/{trace}"));
        entry.insert("logging.googleapis.com/trace".to_owned(), trace.into());
    }
    if let (Some(method), Some(route), Some(status)) =
        (fields.remove("http.method"), fields.remove("http.route"), fields.remove("http.status"))
    {
        let seconds = fields.get("duration_ms").and_then(Value::as_f64).unwrap_or_default() / 1000.0;
        // The route and not the path: a path may hold what is nobody's business.
        let request = json!({
            "requestMethod": method, "requestUrl": route, "status": status, "latency": format!("{seconds:.6}s"),
        });
        entry.insert("httpRequest".to_owned(), request);
    }
    entry.extend(fields.into_iter().map(|(name, value)| (name.to_owned(), value)));
    Value::Object(entry)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_has_the_fields_that_cloud_logging_knows() {
        let fields = BTreeMap::from([
            ("message", "request".into()),
            ("trace.id", "4bf92f35".into()),
            ("http.method", "GET".into()),
            ("http.route", "/detect".into()),
            ("http.status", 200.into()),
            ("duration_ms", 12.5.into()),
            ("request.id", "r-1".into()),
        ]);
        let entry = entry(Level::WARN, fields, Some("shop"));
        assert_eq!(entry["severity"], "WARNING");
        assert_eq!(entry["message"], "request");
        assert_eq!(entry["logging.googleapis.com/trace"], "projects/shop/traces/4bf92f35");
        assert_eq!(entry["httpRequest"]["latency"], "0.012500s");
        assert_eq!(entry["httpRequest"]["status"], 200);
        assert_eq!(entry["request.id"], "r-1");
    }
}
