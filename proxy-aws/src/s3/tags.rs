//! Which tags an object has after ours were written: those of others stay, and S3's limits hold. Pure.

use std::collections::BTreeMap;

use common::ports::OWN_TAGS;

/// The tag that the bucket's policy goes by.
const VERDICT: &str = "crosslens-verdict";

/// S3's limits: tags of an object, and characters of a name and of a value, which it counts in UTF-16
/// (<https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-tagging.html>).
const MOST: usize = 10;
const NAME: usize = 128;
const VALUE: usize = 256;

/// What to write, and whom there was no room for.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Merged {
    pub(super) tags: BTreeMap<String, String>,
    pub(super) left_out: Vec<String>,
}

/// The tags that an object has, with ours in place of our earlier ones.
pub(super) fn merged(present: BTreeMap<String, String>, ours: &BTreeMap<String, String>) -> Merged {
    let others = present.into_iter().filter(|(name, _)| !name.starts_with(OWN_TAGS));
    let mut merged = Merged { tags: others.collect(), left_out: Vec::new() };
    let mut ours: Vec<(String, String)> =
        ours.iter().map(|(name, value)| (fitting(name, NAME), fitting(value, VALUE))).collect();
    // Where not all of them fit, who may see the picture matters most.
    ours.sort_by_key(|(name, _)| name != VERDICT);
    for (name, value) in ours {
        if merged.tags.len() < MOST || merged.tags.contains_key(&name) {
            merged.tags.insert(name, value);
        } else {
            merged.left_out.push(name);
        }
    }
    merged
}

/// A text of which S3 takes every character.
fn fitting(text: &str, most: usize) -> String {
    let allowed = |c: char| c.is_alphanumeric() || c == ' ' || "+-=._:/@".contains(c);
    let mut room = most;
    let mut fits = |c: &char| {
        let left = room.checked_sub(c.len_utf16());
        room = left.unwrap_or_default();
        left.is_some()
    };
    text.chars().map(|c| if allowed(c) { c } else { '_' }).take_while(|c| fits(c)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tags(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn ours_are_replaced_and_others_stay() {
        let present = tags(&[("team", "pets"), ("crosslens-labels", "dog"), ("crosslens-verdict", "allow")]);
        let ours = tags(&[("crosslens-verdict", "blur"), ("crosslens-provider", "local")]);
        let wanted = tags(&[("team", "pets"), ("crosslens-verdict", "blur"), ("crosslens-provider", "local")]);
        assert_eq!(merged(present, &ours), Merged { tags: wanted, left_out: vec![] });
    }

    #[test]
    fn the_verdict_comes_first_where_there_is_little_room() {
        let others = |count: usize| (0..count).map(|n| (format!("of-others-{n}"), "x".to_owned())).collect();
        let ours = tags(&[("crosslens-labels", "cat"), ("crosslens-verdict", "allow"), ("crosslens-zoo", "no")]);
        let check = |count: usize, left_out: &[&str]| {
            let merged = merged(others(count), &ours);
            assert_eq!(merged.left_out, left_out);
            assert_eq!(merged.tags.len(), count + 3 - left_out.len());
            assert_eq!(merged.tags.contains_key(VERDICT), count < 10);
        };
        check(7, &[]);
        check(8, &["crosslens-zoo"]);
        check(9, &["crosslens-labels", "crosslens-zoo"]);
        check(10, &["crosslens-verdict", "crosslens-labels", "crosslens-zoo"]);
    }

    #[test]
    fn what_s3_refuses_is_replaced_or_cut() {
        let check = |given: &str, expected: &str| assert_eq!(fitting(given, VALUE), expected);
        check("Espresso; café+crème=1", "Espresso_ café+crème=1");
        check("a,b|c\n<d>", "a_b_c__d_");
        check("猫 @home:/x.y-z", "猫 @home:/x.y-z");
        assert_eq!(fitting(&"é".repeat(300), VALUE).chars().count(), 256);
        assert_eq!(fitting(&"𝒜".repeat(300), NAME).chars().count(), 64, "each counts twice");
    }
}
