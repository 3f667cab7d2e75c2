//! What came first for one object, as S3 tells it. Pure.

/// Orders what happened to one key: numbers in hexadecimal, compared as if they were equally long
/// (<https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html>).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Sequencer(String);

/// More than S3 writes, which is 18 today.
const DIGITS: usize = 64;

impl Sequencer {
    /// Reads one; `None` for what is no such number and orders nothing.
    pub fn read(text: &str) -> Option<Self> {
        let is_number = (1..=DIGITS).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        is_number.then(|| Self(format!("{:0>DIGITS$}", text.to_ascii_uppercase())))
    }

    /// The number at its full length, so that texts are ordered as the numbers are.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_any_length_are_ordered_and_words_are_not() {
        let read = |text: &str| Sequencer::read(text).unwrap();
        assert!(read("FF") < read("100") && read("0055aed6dcd90281e6") > read("0055AED6DCD90281E5"));
        assert_eq!(read("0a"), read("A"));
        for word in ["", "Happy Sequencer", "0x0A", "-1", &"0".repeat(65)] {
            assert_eq!(Sequencer::read(word), None, "{word}");
        }
    }
}
