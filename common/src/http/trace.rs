//! W3C trace context (<https://www.w3.org/TR/trace-context/>): a trace is continued with a span of our own, or begun.

use http::HeaderMap;
use uuid::Uuid;

/// The value to hand on: the caller's trace id where it sent a valid one, and a new span id.
pub fn continued(headers: &HeaderMap) -> String {
    let span = format!("{:016x}", Uuid::new_v4().as_u64_pair().1);
    let incoming = headers.get("traceparent").and_then(|value| value.to_str().ok()).and_then(parse);
    match incoming {
        Some((trace, flags)) => format!("00-{trace}-{span}-{flags}"),
        None => format!("00-{}-{span}-00", Uuid::new_v4().simple()),
    }
}

/// The trace id of a value made by [`continued`].
pub fn trace_id(traceparent: &str) -> &str {
    traceparent.split('-').nth(1).unwrap_or_default()
}

/// Trace id and flags; `None` for anything that the specification calls invalid.
fn parse(value: &str) -> Option<(&str, &str)> {
    let mut fields = value.split('-');
    let (version, trace, span, flags) = (fields.next()?, fields.next()?, fields.next()?, fields.next()?);
    let hex = |text: &str, length| text.len() == length && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    let known_version = hex(version, 2) && version != "ff" && (version != "00" || fields.next().is_none());
    let set = |text: &str| text.bytes().any(|b| b != b'0');
    let valid = known_version && hex(trace, 32) && set(trace) && hex(span, 16) && set(span) && hex(flags, 2);
    valid.then_some((trace, flags))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

    #[test]
    fn a_valid_trace_is_continued_and_another_begun() {
        let check = |value: &str, kept: bool| {
            let mut headers = HeaderMap::new();
            headers.insert("traceparent", value.parse().unwrap());
            assert_eq!(trace_id(&continued(&headers)) == TRACE, kept, "{value}");
        };
        check(&format!("00-{TRACE}-00f067aa0ba902b7-01"), true);
        check(&format!("cc-{TRACE}-00f067aa0ba902b7-01-more"), true);
        check(&format!("00-{TRACE}-00f067aa0ba902b7-01-more"), false);
        check(&format!("ff-{TRACE}-00f067aa0ba902b7-01"), false);
        check(&format!("00-{TRACE}-0000000000000000-01"), false);
        check("nonsense", false);
    }
}
