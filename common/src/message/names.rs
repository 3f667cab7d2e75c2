//! Names that people give to collections and to faces. They become parts of other services' keys, so that they are plain.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::error::{Error, Kind};

/// The longest name; what we add to it in keys has its place within the 255 characters that Amazon Rekognition allows
/// (<https://docs.aws.amazon.com/rekognition/latest/APIReference/API_CreateCollection.html>).
const LONGEST: usize = 100;

/// The name of a collection: 1 to 100 of `a-z`, `0-9`, `_`, `-` and `.`, beginning with a letter or digit; taken in lower case.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct CollectionName(String);

/// The name of a person as `first_last`, of the same characters as a collection's; taken in lower case. Never shown.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PersonName(String);

impl CollectionName {
    /// The text form.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl PersonName {
    /// The text form, for whoever keeps faces; for no log.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// As people write it, with a capital after whatever is no letter: `Tom Cruise` for `tom_cruise`, `Jean-Luc` for `jean-luc`.
    pub fn spoken(&self) -> String {
        let words: Vec<&str> = self.0.split('_').filter(|word| !word.is_empty()).collect();
        let mut before = ' ';
        let capital = |letter: char| {
            let begins = !before.is_ascii_alphabetic();
            before = letter;
            if begins { letter.to_ascii_uppercase() } else { letter }
        };
        words.join(" ").chars().map(capital).collect()
    }
}

fn plain(text: &str) -> Option<String> {
    let name = text.to_ascii_lowercase();
    let fits = (1..=LONGEST).contains(&name.len());
    let begins = name.starts_with(|first: char| first.is_ascii_alphanumeric());
    let plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte));
    (fits && begins && plain && !name.contains("..")).then_some(name)
}

impl FromStr for CollectionName {
    type Err = Error;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let message = "the name of a collection is 1 to 100 of a-z, 0-9, _, - and ., beginning with a letter or digit";
        plain(text).map(Self).ok_or_else(|| Error::new(Kind::InvalidRequest, message))
    }
}

impl FromStr for PersonName {
    type Err = Error;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let message =
            "a person's name is first_last: 1 to 100 of a-z, 0-9, _, - and ., beginning with a letter or digit";
        plain(text).map(Self).ok_or_else(|| Error::new(Kind::InvalidRequest, message))
    }
}

impl TryFrom<String> for CollectionName {
    type Error = Error;
    fn try_from(text: String) -> Result<Self, Error> {
        text.parse()
    }
}

impl TryFrom<String> for PersonName {
    type Error = Error;
    fn try_from(text: String) -> Result<Self, Error> {
        text.parse()
    }
}

impl From<CollectionName> for String {
    fn from(name: CollectionName) -> Self {
        name.0
    }
}

impl From<PersonName> for String {
    fn from(name: PersonName) -> Self {
        name.0
    }
}

impl fmt::Display for CollectionName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for PersonName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PersonName(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_plain_or_none() {
        let longest = "a".repeat(LONGEST);
        for (right, name) in
            [("Friends", "friends"), ("a", "a"), ("tom_cruise-2.b", "tom_cruise-2.b"), (&longest, &longest)]
        {
            assert_eq!(right.parse::<CollectionName>().unwrap().as_str(), name);
            assert_eq!(right.parse::<PersonName>().unwrap().expose(), name);
        }
        let too_long = "a".repeat(LONGEST + 1);
        for wrong in [
            "",
            "../x",
            "a..b",
            "a/b",
            "a\\b",
            "a b",
            "\"",
            "<b>",
            "_a",
            ".a",
            "friends😀",
            "שלום",
            "a\u{202e}b",
            "a\0",
            &too_long,
        ] {
            assert!(wrong.parse::<CollectionName>().is_err(), "{wrong:?}");
            let error = wrong.parse::<PersonName>().unwrap_err();
            assert!(wrong.is_empty() || wrong.len() < 3 || !error.to_string().contains(wrong), "{wrong:?}");
        }
    }

    #[test]
    fn a_person_is_named_as_people_write_it_and_never_in_a_log() {
        let name: PersonName = "TOM_van__cruise".parse().unwrap();
        assert_eq!((name.spoken().as_str(), format!("{name:?}").as_str()), ("Tom Van Cruise", "PersonName(…)"));
        assert_eq!("jean-luc_o.neil_3po".parse::<PersonName>().unwrap().spoken(), "Jean-Luc O.Neil 3Po");
    }
}
