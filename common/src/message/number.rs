//! Phone numbers, and what stands for them wherever the number itself is not needed.

use std::{fmt, str::FromStr};

use data_encoding::BASE32_NOPAD;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::{
    error::{Error, Kind},
    request::Caller,
};

/// A number that messages come from and go to: 3 to 15 digits, with `+` before those of a whole number, and before it the channel
/// where that is not SMS, as in `whatsapp:+15550100`. Never shown.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PhoneNumber(String);

impl PhoneNumber {
    /// The text form, for whoever carries messages; for no log and no key.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// What stands for the number in keys.
    pub fn owner(&self) -> Owner {
        Owner::of("number", &self.0)
    }
}

impl FromStr for PhoneNumber {
    type Err = Error;

    /// What is wrong is said without the number.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let number = match text.split_once(':') {
            Some(("whatsapp" | "messenger" | "rcs", number)) => number,
            Some(_) => "",
            None => text,
        };
        let digits = number.strip_prefix('+').unwrap_or(number);
        let valid = (3..=15).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit());
        if valid {
            Ok(Self(text.to_owned()))
        } else {
            Err(Error::new(Kind::InvalidRequest, "this is not a phone number"))
        }
    }
}

impl TryFrom<String> for PhoneNumber {
    type Error = Error;
    fn try_from(text: String) -> Result<Self, Error> {
        text.parse()
    }
}

impl From<PhoneNumber> for String {
    fn from(number: PhoneNumber) -> Self {
        number.0
    }
}

impl fmt::Debug for PhoneNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PhoneNumber(…)")
    }
}

/// Who collections, consents and conversations belong to: 26 characters of `a-z` and `2-7`, the first 128 bits of a SHA-256.
/// Whoever has all numbers can find the number behind one; nobody reads it by accident.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Owner(String);

impl Owner {
    /// A caller of the API.
    pub fn of_caller(caller: &Caller) -> Self {
        Self::of("caller", &caller.0)
    }

    fn of(kind: &str, name: &str) -> Self {
        let mut hash = Sha256::new();
        hash.update(kind.as_bytes());
        hash.update([0]);
        hash.update(name.as_bytes());
        let bits = hash.finalize();
        Self(BASE32_NOPAD.encode(bits.get(..16).unwrap_or_default()).to_lowercase())
    }

    /// The text form.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_and_neither_they_nor_what_is_none_is_shown() {
        for right in ["+15550100", "15550100", "88202", "whatsapp:+447700900123"] {
            assert_eq!(right.parse::<PhoneNumber>().unwrap().expose(), right);
        }
        for wrong in ["", "+", "12", "+1555010012345678", "+1 555", "+1555a", "sip:+15550100", "+15550100\n", "+١٢٣٤٥"]
        {
            let error = wrong.parse::<PhoneNumber>().unwrap_err();
            assert_eq!(error.message(), "this is not a phone number", "{wrong:?}");
        }
        let number: PhoneNumber = "+15550100".parse().unwrap();
        assert!(!format!("{number:?}{:?}", number.owner()).contains("5550100"));
    }

    #[test]
    fn owners_are_told_apart() {
        let owner = |number: &str| number.parse::<PhoneNumber>().unwrap().owner();
        assert_eq!(owner("+15550100"), owner("+15550100"));
        assert_ne!(owner("+15550100"), owner("+15550101"));
        assert_ne!(owner("+15550100"), Owner::of_caller(&Caller("+15550100".to_owned())));
        assert_eq!(owner("+15550100").as_str().len(), 26);
    }
}
