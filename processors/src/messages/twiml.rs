//! Answers in TwiML, Twilio's XML (<https://www.twilio.com/docs/messaging/twiml>). Pure.

/// The answer with this text; without one it says nothing.
pub(super) fn answer(text: Option<&str>) -> String {
    let inside = text.map(|text| format!("<Message><Body>{}</Body></Message>", escaped(text))).unwrap_or_default();
    format!("<Response>{inside}</Response>")
}

/// The text with everything escaped that XML would read, and without what XML 1.0 cannot hold at all
/// (<https://www.w3.org/TR/xml/#charsets>).
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&apos;"),
            // As it is, a reader would take it for a line feed.
            '\r' => escaped.push_str("&#13;"),
            '\t' | '\n' => escaped.push(letter),
            '\0'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => {}
            letter => escaped.push(letter),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_is_escaped() {
        assert_eq!(answer(None), "<Response></Response>");
        assert_eq!(
            answer(Some("a<b>&\"'\u{0}\u{b}\r\n\u{1f600}]]>")),
            "<Response><Message><Body>a&lt;b&gt;&amp;&quot;&apos;&#13;\n\u{1f600}]]&gt;</Body></Message></Response>"
        );
    }
}
