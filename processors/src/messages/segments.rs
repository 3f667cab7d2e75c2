//! What a text costs, and where it is cut: carriers count segments of 140 bytes, in the alphabet GSM-7 where all letters are in it and
//! in UCS-2 otherwise (3GPP TS 23.038, <https://www.twilio.com/docs/glossary/what-is-gsm-7-character-encoding>). Pure.

/// The most characters that Twilio takes in one message
/// (<https://www.twilio.com/docs/messaging/api/message-resource#create-a-message-resource>).
const LONGEST: usize = 1600;
/// What stands at the end of a text whose rest may be asked for.
const MORE: &str = " ... (reply MORE)";

/// Of the default alphabet, those that ASCII does not have; of ASCII it lacks what [`is_basic`] leaves out.
const BASIC: &str = "@£$¥èéùìòÇØøÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ¤¡ÄÖÑÜ§¿äöñüà";
/// Those that take two places.
const EXTENDED: &str = "\u{c}^{}\\[~]|€";

/// An alphabet with the places of a single segment, and of each of several.
struct Alphabet {
    alone: usize,
    of_many: usize,
    width: fn(char) -> usize,
}

const GSM_7: Alphabet =
    Alphabet { alone: 160, of_many: 153, width: |letter| if EXTENDED.contains(letter) { 2 } else { 1 } };
const UCS_2: Alphabet = Alphabet { alone: 70, of_many: 67, width: char::len_utf16 };

fn is_basic(letter: char) -> bool {
    let ascii = matches!(letter, ' '..='~' | '\n' | '\r') && !"`^{}\\[~]|".contains(letter);
    ascii || BASIC.contains(letter)
}

fn alphabet(text: &str) -> &'static Alphabet {
    if text.chars().all(|letter| is_basic(letter) || EXTENDED.contains(letter)) { &GSM_7 } else { &UCS_2 }
}

/// The segments of a text, 0 for an empty one. No letter is divided between two.
pub fn segments(text: &str) -> u32 {
    let alphabet = alphabet(text);
    let places: usize = text.chars().map(alphabet.width).sum();
    if places <= alphabet.alone {
        return u32::from(places > 0);
    }
    let (mut segments, mut filled) = (1_u32, 0_usize);
    for width in text.chars().map(alphabet.width) {
        if filled.saturating_add(width) > alphabet.of_many {
            (segments, filled) = (segments.saturating_add(1), 0);
        }
        filled = filled.saturating_add(width);
    }
    segments
}

/// A text and what was too long for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cut {
    /// What is sent.
    pub head: String,
    /// What may be asked for.
    pub rest: Option<String>,
}

/// Cuts a text to this many segments, at least one, on a word where it has words.
pub fn cut(text: &str, most: u32) -> Cut {
    let (text, most) = (text.trim(), most.max(1));
    let fits = |text: &str| segments(text) <= most && text.chars().count() <= LONGEST;
    if fits(text) {
        return Cut { head: text.to_owned(), rest: None };
    }
    // Cuts are tried from the longest that may fit: each shorter text has as many segments or fewer.
    let places: Vec<usize> = text.char_indices().map(|(place, _)| place).skip(1).take(LONGEST).collect();
    let head = |place: usize| text.get(..place).map(|head| format!("{}{MORE}", head.trim_end())).unwrap_or_default();
    let longest = places.partition_point(|place| fits(&head(*place)));
    let within = places.get(..longest).unwrap_or_default();
    let word = within
        .iter()
        .rev()
        .copied()
        .find(|place| text.get(*place..).is_some_and(|rest| rest.starts_with(char::is_whitespace)));
    let letter = within.iter().rev().copied().find(|place| begins_a_letter(text, *place));
    let place = word.or(letter).or(within.last().copied()).or(places.first().copied()).unwrap_or(text.len());
    let rest = text.get(place..).map(str::trim).filter(|rest| !rest.is_empty()).map(str::to_owned);
    Cut { head: head(place), rest }
}

/// Whether what stands here is no part of the letter before it, as a combining mark or the second half of a joined emoji is.
fn begins_a_letter(text: &str, place: usize) -> bool {
    let joins = |letter: char| matches!(letter, '\u{200d}' | '\u{fe00}'..='\u{fe0f}' | '\u{300}'..='\u{36f}' | '\u{20d0}'..='\u{20ff}' | '\u{1f3fb}'..='\u{1f3ff}');
    let here = text.get(place..).and_then(|rest| rest.chars().next());
    let before = text.get(..place).and_then(|head| head.chars().next_back());
    !here.is_some_and(joins) && before != Some('\u{200d}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segments_are_counted_as_carriers_do() {
        for (text, count) in [
            (String::new(), 0),
            ("a".to_owned(), 1),
            ("a".repeat(160), 1),
            ("a".repeat(161), 2),
            ("a".repeat(306), 2),
            ("a".repeat(307), 3),
            ("€".repeat(80), 1),
            ("€".repeat(81), 2),
            // An extended letter does not begin in the last place of a segment.
            (format!("{}{}", "a".repeat(152), "€".repeat(77)), 3),
            (format!("{}{}", "a".repeat(153), "€".repeat(76)), 2),
            ("é".repeat(160), 1),
            ("ê".repeat(70), 1),
            ("ê".repeat(71), 2),
            ("`".repeat(71), 2),
            ("\u{1f600}".repeat(35), 1),
            ("\u{1f600}".repeat(36), 2),
            // 33 pairs fill 66 of 67 places.
            ("\u{1f600}".repeat(67), 3),
            ("שלום ".repeat(14), 1),
        ] {
            assert_eq!(segments(&text), count, "{} letters of {:?}", text.chars().count(), text.chars().next());
        }
    }

    #[test]
    fn the_whole_alphabet_is_known() {
        let basic = (' '..='\u{3a9}').chain(['\n', '\r']).filter(|letter| is_basic(*letter)).count();
        // 128 places, less the escape; the extended ones are none of them.
        assert_eq!((basic, EXTENDED.chars().count()), (127, 10));
    }

    #[test]
    fn long_texts_are_cut_on_a_word_and_nothing_is_lost() {
        let words: Vec<String> = (0..500).map(|n| format!("word{n}")).collect();
        let mut left = words.join(" ");
        let mut heads = Vec::new();
        loop {
            let Cut { head, rest } = cut(&left, 4);
            assert!(segments(&head) <= 4 && head.chars().count() <= LONGEST, "{head}");
            assert_eq!(head.ends_with(MORE), rest.is_some(), "{head}");
            heads.push(head.trim_end_matches(MORE).to_owned());
            match rest {
                Some(rest) => left = rest,
                None => break,
            }
        }
        assert!(heads.len() > 4);
        assert_eq!(heads.join(" ").split(' ').collect::<Vec<_>>(), words);
    }

    #[test]
    fn what_has_no_words_is_cut_between_letters() {
        let family = "\u{1f469}\u{200d}\u{1f467}\u{fe0f}".repeat(200);
        for text in ["x".repeat(3000), "漢".repeat(900), family] {
            let Cut { head, rest } = cut(&text, 2);
            assert!(segments(&head) <= 2 && segments(&head) > 0);
            let (head, rest) = (head.trim_end_matches(MORE), rest.unwrap());
            assert_eq!(format!("{head}{rest}"), text);
            assert!(!rest.starts_with(['\u{200d}', '\u{fe0f}']) && !head.ends_with('\u{200d}'));
        }
        assert_eq!(cut(&"a".repeat(1600), 100).rest, None);
        assert!(cut(&"a".repeat(1601), 100).rest.is_some());
        assert_eq!(cut("  short ", 4), Cut { head: "short".to_owned(), rest: None });
    }
}
