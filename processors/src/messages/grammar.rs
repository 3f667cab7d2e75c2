//! What people may say. The commands of the system that this one descends from come with its replies, word for word, and its checks
//! in its order; beyond them there are some of our own. Case does not matter. Pure.

use common::{
    error::Result,
    message::{CollectionName, Operation, PersonName},
};

/// As many pictures as one message may be about.
const MOST_PICTURES: usize = 10;

pub(super) const USAGE: &str = "Usage: face match (collection-name)| face addimg (collection-name) (first-name)_(last-name) | addcol (collection-name). For match|addimg include an image attachment.";
pub(super) const ONLY_FACE: &str = "I only understand service 'face' right now.";
pub(super) const OPERATORS: &str = "Valid operators for service 'face' is 'match|addcol|addimg'.";
pub(super) const ADDIMG: &str =
    "Syntax for adding an image to a collection is: face addimg (collection-name) (first-name)_(last-name)";
pub(super) const ATTACH: &str = "Attach an image to 'match' or 'addimg' operations";
pub(super) const ALL_GOOD: &str = "All good. You should receive your response momentarily!";

pub(super) const ATTACH_LABEL: &str = "Attach an image to 'label'";
const COLLECTION: &str = "A collection's name is 1 to 100 of a-z, 0-9, _, - and .";
const PERSON: &str = "A person's name is (first-name)_(last-name): 1 to 100 of a-z, 0-9, _, - and .";
const DELCOL: &str = "Syntax for deleting a collection is: face delcol (collection-name)";
const FORGET: &str = "Syntax for forgetting a person is: face forget (collection-name) (first-name)_(last-name)";
pub(super) const HELP: &str = "Send a picture with: label, face match (collection), or face addimg (collection) (first)_(last). Without one: face addcol|delcol (collection), face forget (collection) (first)_(last), face list, face consent, status, more. STOP ends all messages, START begins them again.";

/// What somebody said.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Said {
    /// No more messages.
    Stop,
    /// Messages again.
    Start,
    /// `yes`: consent, or [`Said::Start`] from a number that has stopped.
    Yes,
    Help,
    Status,
    /// The rest of a text.
    More,
    /// Something that is worked on, once for each picture.
    Asked(Asked),
    /// Nothing that is understood; the reply says why.
    Refused(&'static str),
}

/// What is asked for.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Asked {
    pub(super) operation: Operation,
    pub(super) collection: Option<CollectionName>,
    pub(super) person: Option<PersonName>,
    /// URLs, as they were given; empty where no picture is needed.
    pub(super) pictures: Vec<String>,
}

/// Understands a text with these attachments. Pictures may also stand in the text, as URLs.
pub(super) fn understood(text: &str, attached: &[String]) -> Said {
    let is_url = |word: &&str| {
        let word = word.to_ascii_lowercase();
        word.starts_with("http://") || word.starts_with("https://")
    };
    let (urls, words): (Vec<&str>, Vec<&str>) = text.split_whitespace().partition(is_url);
    let words: Vec<String> = words.into_iter().map(str::to_lowercase).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let pictures = attached.iter().cloned().chain(urls.into_iter().map(str::to_owned));
    let pictures: Vec<String> = pictures.take(MOST_PICTURES).collect();
    match words.as_slice() {
        // The carriers' words (<https://help.twilio.com/articles/223134027>); a sentence that holds one is none.
        ["stop" | "stopall" | "unsubscribe" | "cancel" | "end" | "quit" | "optout" | "revoke"] => Said::Stop,
        ["start" | "unstop"] => Said::Start,
        ["yes"] => Said::Yes,
        ["help" | "info"] => Said::Help,
        ["status"] => Said::Status,
        ["more"] => Said::More,
        ["label"] if pictures.is_empty() => Said::Refused(ATTACH_LABEL),
        ["label"] => asked(Operation::Label, None, None, pictures),
        ["face", "list"] => asked(Operation::List, None, None, Vec::new()),
        ["face", "consent"] => asked(Operation::Consent, None, None, Vec::new()),
        ["face", "delcol", rest @ ..] => match rest {
            [collection] => named(Operation::DelCol, collection, None, Vec::new()),
            _ => Said::Refused(DELCOL),
        },
        ["face", "forget", rest @ ..] => match rest {
            [collection, person] => named(Operation::Forget, collection, Some(person), Vec::new()),
            _ => Said::Refused(FORGET),
        },
        words => original(words, pictures),
    }
}

/// The checks of the original, in its order.
fn original(words: &[&str], pictures: Vec<String>) -> Said {
    let (service, operation, collection, label) = match words {
        [service, operation, collection] => (*service, *operation, *collection, None),
        [service, operation, collection, label] => (*service, *operation, *collection, Some(*label)),
        _ => return Said::Refused(USAGE),
    };
    if service != "face" {
        return Said::Refused(ONLY_FACE);
    }
    match (operation, label) {
        // A fourth word is taken and left alone, as it was.
        ("addcol", _) => named(Operation::AddCol, collection, None, Vec::new()),
        ("addimg", None) => Said::Refused(ADDIMG),
        ("addimg" | "match", _) if pictures.is_empty() => Said::Refused(ATTACH),
        ("addimg", person) => named(Operation::AddImg, collection, person, pictures),
        ("match", _) => named(Operation::Match, collection, None, pictures),
        _ => Said::Refused(OPERATORS),
    }
}

fn named(operation: Operation, collection: &str, person: Option<&str>, pictures: Vec<String>) -> Said {
    let Ok(collection) = collection.parse() else { return Said::Refused(COLLECTION) };
    let person: Result<Option<PersonName>> = person.map(str::parse).transpose();
    let Ok(person) = person else { return Said::Refused(PERSON) };
    asked(operation, Some(collection), person, pictures)
}

fn asked(
    operation: Operation,
    collection: Option<CollectionName>,
    person: Option<PersonName>,
    pictures: Vec<String>,
) -> Said {
    Said::Asked(Asked { operation, collection, person, pictures })
}

#[cfg(test)]
mod tests {
    use super::*;

    const URL: &str = "https://m.example/0";

    fn alone(text: &str) -> Said {
        understood(text, &[])
    }

    fn with_picture(text: &str) -> Said {
        understood(text, &[URL.to_owned()])
    }

    fn expected(operation: Operation, collection: &str, person: Option<&str>, pictures: &[&str]) -> Said {
        asked(
            operation,
            (!collection.is_empty()).then(|| collection.parse().unwrap()),
            person.map(|person| person.parse().unwrap()),
            pictures.iter().map(|url| (*url).to_owned()).collect(),
        )
    }

    #[test]
    fn the_originals_commands_are_understood_in_any_case() {
        assert_eq!(alone("face addcol friends"), expected(Operation::AddCol, "friends", None, &[]));
        assert_eq!(alone("  FACE\tAddCol  Friends\n"), expected(Operation::AddCol, "friends", None, &[]));
        assert_eq!(alone("face addcol friends ignored"), expected(Operation::AddCol, "friends", None, &[]));
        let added = expected(Operation::AddImg, "friends", Some("tom_cruise"), &[URL]);
        assert_eq!(with_picture("Face addimg friends Tom_Cruise"), added);
        assert_eq!(alone("face addimg friends tom_cruise https://m.example/0"), added);
        assert_eq!(with_picture("face match friends"), expected(Operation::Match, "friends", None, &[URL]));
        assert_eq!(with_picture("face match friends ignored"), expected(Operation::Match, "friends", None, &[URL]));
    }

    #[test]
    fn the_originals_replies_come_in_its_order() {
        for (text, picture, reply) in [
            ("", true, USAGE),
            ("face", false, USAGE),
            ("face match", true, USAGE),
            ("face match a b c", true, USAGE),
            ("hello dear machine", false, ONLY_FACE),
            ("faces dance x", false, ONLY_FACE),
            ("face dance friends", false, OPERATORS),
            ("face dance friends x", true, OPERATORS),
            ("face addimg friends", false, ADDIMG),
            ("face addimg friends", true, ADDIMG),
            ("face addimg friends tom_cruise", false, ATTACH),
            ("face match friends", false, ATTACH),
            // The original asks for the picture before anything is made of the name.
            ("face match ../friends", false, ATTACH),
            ("label", false, ATTACH_LABEL),
            ("face delcol", false, DELCOL),
            ("face forget friends", false, FORGET),
        ] {
            let said = if picture { with_picture(text) } else { alone(text) };
            assert_eq!(said, Said::Refused(reply), "{text}");
        }
    }

    #[test]
    fn names_that_are_none_are_refused() {
        let long = "x".repeat(1600);
        for name in
            ["../etc", "a/b", "\"quoted\"", "<b>", "a'b", "\u{1f600}", "שלום", "a\u{202e}b", "..", "$(id)", &long]
        {
            assert_eq!(alone(&format!("face addcol {name}")), Said::Refused(COLLECTION), "{name}");
            assert_eq!(with_picture(&format!("face match {name}")), Said::Refused(COLLECTION), "{name}");
            assert_eq!(alone(&format!("face forget friends {name}")), Said::Refused(PERSON), "{name}");
            assert_eq!(with_picture(&format!("face addimg friends {name}")), Said::Refused(PERSON), "{name}");
        }
    }

    #[test]
    fn our_own_commands() {
        assert_eq!(with_picture("Label"), expected(Operation::Label, "", None, &[URL]));
        assert_eq!(alone("label HTTPS://m.example/A"), expected(Operation::Label, "", None, &["HTTPS://m.example/A"]));
        assert_eq!(alone("face list"), expected(Operation::List, "", None, &[]));
        assert_eq!(alone("face consent"), expected(Operation::Consent, "", None, &[]));
        assert_eq!(alone("face delcol friends"), expected(Operation::DelCol, "friends", None, &[]));
        let forgotten = expected(Operation::Forget, "friends", Some("tom_cruise"), &[]);
        assert_eq!(alone("face forget friends tom_cruise"), forgotten);
        for (text, said) in [("status", Said::Status), ("more", Said::More), ("Help", Said::Help), ("INFO", Said::Help)]
        {
            assert_eq!(alone(text), said);
        }
    }

    #[test]
    fn the_carriers_words_count_when_they_stand_alone() {
        for word in ["STOP", "stop", "StopAll", "UNSUBSCRIBE", "cancel", "End", "QUIT", "OPTOUT", "revoke", " stop\n"] {
            assert_eq!(alone(word), Said::Stop, "{word}");
            assert_eq!(with_picture(word), Said::Stop, "{word}");
        }
        for word in ["START", "unstop"] {
            assert_eq!(alone(word), Said::Start, "{word}");
        }
        assert_eq!(alone("yes"), Said::Yes);
        assert_eq!(alone("please stop it"), Said::Refused(ONLY_FACE));
        assert_eq!(alone("stop it"), Said::Refused(USAGE));
    }

    #[test]
    fn every_picture_counts_up_to_a_limit() {
        let attached: Vec<String> = (0..3).map(|n| format!("https://m.example/{n}")).collect();
        let Said::Asked(asked) = understood("label https://m.example/x", &attached) else { panic!("not asked") };
        assert_eq!(asked.pictures.len(), 4);
        let many: Vec<String> = (0..40).map(|n| format!("https://m.example/{n}")).collect();
        let Said::Asked(asked) = understood("label", &many) else { panic!("not asked") };
        assert_eq!(asked.pictures.len(), MOST_PICTURES);
    }
}
