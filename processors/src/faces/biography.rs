//! Who a matched person is, in words. What an encyclopaedia says under a name is told as being about the person on the picture only
//! where that one was recognised on it; a friend may bear an actor's name.

use common::faces::{Biography, Entry, Who};

/// The longest summary, in characters; it ends on a word.
const LONGEST: usize = 600;

/// In the form of the original's.
pub(super) fn text(who: &Who) -> String {
    let name = &who.name;
    match (&who.celebrity, &who.entry) {
        (Some(celebrity), entry) => {
            let mut lines = vec!["Person".to_owned(), "=====".to_owned(), format!("Name: {}", celebrity.name)];
            match entry {
                Entry::There(entry) => lines.extend(about(entry)),
                Entry::Missing => lines.push("Wikipedia has no entry under this name.".to_owned()),
                Entry::Unknown => lines.push("Wikipedia could not be asked.".to_owned()),
            }
            if !celebrity.links.is_empty() {
                lines.push(format!("Links: {}", celebrity.links.join(" ")));
            }
            lines.join("\n")
        }
        (None, Entry::There(entry)) => {
            let title = format!("Wikipedia on the name {name}, which others may bear as well:");
            std::iter::once(title).chain(about(entry)).collect::<Vec<_>>().join("\n")
        }
        (None, Entry::Missing) => format!("Wikipedia has no entry under the name {name}."),
        (None, Entry::Unknown) => format!("Wikipedia could not be asked about the name {name}."),
    }
}

fn about(entry: &Biography) -> Vec<String> {
    let description = entry.description.iter().map(|words| format!("About: {words}"));
    let summary = (!entry.summary.is_empty()).then(|| cut(&entry.summary));
    description.chain(summary).chain([format!("Source: {}", entry.source)]).collect()
}

fn cut(text: &str) -> String {
    let Some((end, _)) = text.char_indices().nth(LONGEST) else { return text.to_owned() };
    let begin = text.get(..end).unwrap_or_default();
    let words = begin.rsplit_once(char::is_whitespace).map_or(begin, |(words, _)| words);
    format!("{words} …")
}

#[cfg(test)]
mod tests {
    use common::faces::Celebrity;

    use super::*;

    fn who(celebrity: bool, entry: Entry) -> Who {
        let name = "Tom Cruise".to_owned();
        let links = vec!["www.imdb.com/name/nm0000129".to_owned()];
        Who { celebrity: celebrity.then(|| Celebrity { name: name.clone(), links }), name, entry }
    }

    fn entry(summary: &str) -> Entry {
        Entry::There(Biography {
            title: "Tom Cruise".to_owned(),
            description: Some("American actor (born 1962)".to_owned()),
            summary: summary.to_owned(),
            source: "https://en.wikipedia.org/wiki/Tom_Cruise".to_owned(),
        })
    }

    #[test]
    fn only_a_recognised_person_is_said_to_be_the_one_of_the_entry() {
        let sure = "Person\n=====\nName: Tom Cruise\nAbout: American actor (born 1962)\nHe acts.\n\
                    Source: https://en.wikipedia.org/wiki/Tom_Cruise\nLinks: www.imdb.com/name/nm0000129";
        assert_eq!(text(&who(true, entry("He acts."))), sure);
        let unsure = text(&who(false, entry("He acts.")));
        assert!(unsure.starts_with("Wikipedia on the name Tom Cruise, which others may bear"), "{unsure}");
        assert!(!unsure.contains("Person") && unsure.ends_with("Source: https://en.wikipedia.org/wiki/Tom_Cruise"));
    }

    #[test]
    fn no_entry_and_no_answer_are_said() {
        assert_eq!(text(&who(false, Entry::Missing)), "Wikipedia has no entry under the name Tom Cruise.");
        assert_eq!(text(&who(false, Entry::Unknown)), "Wikipedia could not be asked about the name Tom Cruise.");
        let known = text(&who(true, Entry::Missing));
        assert!(known.contains("no entry") && known.ends_with("Links: www.imdb.com/name/nm0000129"), "{known}");
    }

    #[test]
    fn a_long_summary_ends_on_a_word() {
        let long = "wörd ".repeat(400);
        let cut = cut(&long);
        assert!(cut.ends_with("wörd …") && cut.chars().count() <= LONGEST + 2, "{cut}");
    }
}
