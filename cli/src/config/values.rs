//! What the text of a setting means, and what is wrong with it.

use std::time::Duration;

use common::{error::Result, log::Format, settings::number};
use jiff::{SignedDuration, Span, SpanRelativeTo};
use reqwest::Url;

pub(super) const SECOND: Duration = Duration::from_secs(1);
pub(super) const DAY: Duration = Duration::from_hours(24);

/// A time longer than none: a whole number counts `unit`s, anything else names its own, as in `500ms`, `36h` or `1d 12h`.
pub(super) fn duration(text: &str, unit: Duration) -> Result<Duration, String> {
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        return number::<u32>(text).map(|count| unit.saturating_mul(count));
    }
    let form = |_| format!("`{text}` is no time; write a whole number, or one with a unit as in 500ms, 36h or 30d");
    let span: Span = text.parse().map_err(form)?;
    let signed: SignedDuration = span.to_duration(SpanRelativeTo::days_are_24_hours()).map_err(form)?;
    let positive = Duration::try_from(signed).ok().filter(|duration| !duration.is_zero());
    positive.ok_or_else(|| "must be longer than no time".to_owned())
}

/// A whole number counts days.
pub(super) fn days(text: &str) -> Result<Duration, String> {
    duration(text, DAY)
}

pub(super) fn http_url(text: &str) -> Result<Url, String> {
    let url: Url = text.parse().map_err(|error| format!("{error}"))?;
    if matches!(url.scheme(), "http" | "https") { Ok(url) } else { Err("write http:// or https://".to_owned()) }
}

/// Any name, but not an empty one.
#[cfg(feature = "aws")]
pub(super) fn text(text: &str) -> Result<String, String> {
    if text.is_empty() { Err("must not be empty".to_owned()) } else { Ok(text.to_owned()) }
}

pub(super) fn log_format(text: &str) -> Result<Format, String> {
    match text {
        "auto" => Ok(Format::Auto),
        "json" => Ok(Format::Json),
        "text" => Ok(Format::Text),
        _ => Err("auto, json or text".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_a_number_or_names_its_units() {
        let check = |text: &str, milliseconds: Option<u64>| {
            let expected = milliseconds.map(Duration::from_millis);
            assert_eq!(duration(text, DAY).ok(), expected, "{text}");
        };
        check("30", Some(30 * 86_400_000));
        check("30d", Some(30 * 86_400_000));
        check("1w", Some(7 * 86_400_000));
        check("1d 12h", Some(36 * 3_600_000));
        check("36h", Some(36 * 3_600_000));
        check("300ms", Some(300));
        check("1.5s", Some(1500));
        for wrong in
            ["", "0", "0s", "-1", "-2s", "2s ago", "1mo", "1y", "soon", "1.5", "99999999999", "s", "1 lightyear"]
        {
            check(wrong, None);
        }
    }
}
