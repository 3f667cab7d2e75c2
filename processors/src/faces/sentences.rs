//! What people are told about faces. Word for word as the original says it, where it says something; numbers as its Python rounds
//! and prints them.

use common::{
    faces::Likeness,
    message::{CollectionName, PersonName},
};

/// Asked once, before anything about a face is kept or compared, and before the picture is even fetched. What was asked for is said
/// again after it: keeping a pending request would be keeping a picture's address and a number without consent.
pub const QUESTION: &str = "Before faces are kept or compared: a numeric description of each face that you add is kept in your own \
                            collections, where nobody else can use it, until you say \"face forget\" or \"face delcol\" or its time is \
                            over. The name of a match is looked up in Wikipedia. Do you agree, and do the people on your pictures? \
                            Then answer \"yes\" or \"face consent\", and send your picture again.";

pub(super) const AGREED: &str = "Thank you, your consent is noted. Send your picture again.";
pub(super) const NO_SERVICE: &str = "This Crosslens has no face service, so that it keeps and matches no faces.";
pub(super) const INCOMPLETE: &str = "Something is missing in what you asked for. Send \"help\" to see how to ask.";
pub(super) const NOTHING_TO_ADD: &str = "No faces in given image or invalid image format";
pub(super) const NOTHING_TO_MATCH: &str = "No faces in given image, invalid image format or no known face detected";
pub(super) const UNKNOWN: &str = "Face detected, but not a known face";
pub(super) const NOT_LISTED: &str = "Listing of collections failed!";

pub(super) fn created(name: &CollectionName) -> String {
    format!("Collection {name} was created successfully")
}

pub(super) fn exists(name: &CollectionName) -> String {
    format!("Collection {name} already exists!")
}

pub(super) fn not_created(name: &CollectionName) -> String {
    format!("Creation of collection {name} failed!")
}

pub(super) fn deleted(name: &CollectionName) -> String {
    format!("Collection {name} was deleted successfully")
}

pub(super) fn nothing_to_delete(name: &CollectionName) -> String {
    format!("Collection {name} does not exist")
}

pub(super) fn not_deleted(name: &CollectionName) -> String {
    format!("Deletion of collection {name} failed!")
}

pub(super) fn listed(names: &[CollectionName]) -> String {
    if names.is_empty() {
        return "You have no collections".to_owned();
    }
    let names: Vec<&str> = names.iter().map(CollectionName::as_str).collect();
    format!("Your collections: {}", names.join(", "))
}

pub(super) fn added(person: &PersonName, name: &CollectionName) -> String {
    format!("Picture of {} added to Collection {name}", person.expose())
}

pub(super) fn not_added(person: &PersonName, name: &CollectionName) -> String {
    format!("Adding the picture of {} to Collection {name} failed! Please send it again later", person.expose())
}

pub(super) fn missing(name: &CollectionName) -> String {
    format!("Given collection {name} does not exist in your account")
}

pub(super) fn missing_and_no_face(name: &CollectionName) -> String {
    format!("No faces in given image and given collection {name} does not exist in your account")
}

pub(super) fn matched(likeness: &Likeness) -> String {
    format!(
        "Face matched {} with {} similarity and {} confidence",
        likeness.person.spoken(),
        rounded(likeness.similarity, 1),
        rounded(likeness.confidence, 2)
    )
}

pub(super) fn not_matched(name: &CollectionName) -> String {
    format!("Matching in Collection {name} failed! Please send the picture again later")
}

pub(super) fn forgotten(person: &PersonName, name: &CollectionName, vectors: usize) -> String {
    let person = person.expose();
    match vectors {
        0 => format!("There is no picture of {person} in Collection {name}"),
        1 => format!("1 picture of {person} was deleted from Collection {name}"),
        vectors => format!("{vectors} pictures of {person} were deleted from Collection {name}"),
    }
}

pub(super) fn not_forgotten(person: &PersonName, name: &CollectionName) -> String {
    format!("Deleting {} from Collection {name} failed! Please try again later", person.expose())
}

/// `99.9` for 99.904 and `100.0` for 99.999: at most so many places, at least one.
fn rounded(value: f32, places: usize) -> String {
    let mut text = format!("{value:.places$}");
    while places > 1 && text.ends_with('0') && !text.ends_with(".0") {
        text.pop();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_rounded_and_printed_as_in_the_original() {
        let check = |value, places, text| assert_eq!(rounded(value, places), text, "{value}");
        check(99.967_89, 1, "100.0");
        check(97.25, 1, "97.2");
        check(85.0, 1, "85.0");
        check(99.904, 2, "99.9");
        check(99.999, 2, "100.0");
        check(99.987, 2, "99.99");
        check(90.0, 2, "90.0");
    }

    #[test]
    fn a_match_reads_as_in_the_original() {
        let person = "tom_cruise".parse().unwrap();
        let likeness = Likeness { person, similarity: 99.25, confidence: 99.98 };
        assert_eq!(matched(&likeness), "Face matched Tom Cruise with 99.2 similarity and 99.98 confidence");
    }
}
