//! From Amazon's categories of content that not everybody should see to our five likelihoods.
//!
//! | ours | Amazon's top categories, version 7 and before it |
//! |---|---|
//! | adult | Explicit; Explicit Nudity |
//! | racy | as adult, and Non-Explicit Nudity of Intimate parts and Kissing, Swimwear or Underwear; Suggestive |
//! | violence | Violence, Visually Disturbing |
//! | medical, spoof | there are none: always unknown, never unlikely |
//!
//! Amazon's other categories (drugs, alcohol, gambling, hate symbols, rude gestures) have no likelihood here. The categories are
//! those of <https://docs.aws.amazon.com/rekognition/latest/dg/moderation-api.html>.

use aws_sdk_rekognition::types::ModerationLabel;
use common::analysis::{Likelihood, SafeSearch};

/// Percent under which Rekognition is to say nothing, so that nothing said means very unlikely.
pub(super) const LEAST: f32 = 20.0;

/// From which percentage on, highest first.
const LIKELIHOODS: [(f32, Likelihood); 4] = [
    (90.0, Likelihood::VeryLikely),
    (75.0, Likelihood::Likely),
    (50.0, Likelihood::Possible),
    (LEAST, Likelihood::Unlikely),
];

const ADULT: [&str; 2] = ["Explicit", "Explicit Nudity"];
const RACY: [&str; 3] = ["Non-Explicit Nudity of Intimate parts and Kissing", "Swimwear or Underwear", "Suggestive"];
const VIOLENCE: [&str; 2] = ["Violence", "Visually Disturbing"];

pub(super) fn safe_search(labels: &[ModerationLabel]) -> SafeSearch {
    let adult = likelihood(labels, &ADULT);
    SafeSearch {
        adult,
        violence: likelihood(labels, &VIOLENCE),
        racy: likelihood(labels, &RACY).max(adult),
        medical: Likelihood::Unknown,
        spoof: Likelihood::Unknown,
    }
}

/// Of the most certain label in one of these categories. The names of categories are compared in any case, because Amazon's
/// own pages are not of one mind about it.
fn likelihood(labels: &[ModerationLabel], categories: &[&str]) -> Likelihood {
    let is_one = |name: Option<&str>| {
        name.is_some_and(|name| categories.iter().any(|category| category.eq_ignore_ascii_case(name)))
    };
    // A category comes with its labels, and a label may come alone where only it is certain enough.
    let within = labels.iter().filter(|label| is_one(label.name()) || is_one(label.parent_name()));
    let percent = within.filter_map(ModerationLabel::confidence).fold(0.0, f32::max);
    let found = LIKELIHOODS.into_iter().find(|(least, _)| percent >= *least);
    found.map_or(Likelihood::VeryUnlikely, |(_, likelihood)| likelihood)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn label(name: &str, parent: &str, confidence: f32) -> ModerationLabel {
        ModerationLabel::builder().name(name).parent_name(parent).confidence(confidence).build()
    }

    #[test]
    fn what_it_cannot_tell_is_unknown_and_what_it_does_not_say_very_unlikely() {
        let said = safe_search(&[]);
        assert_eq!((said.medical, said.spoof), (Likelihood::Unknown, Likelihood::Unknown));
        assert_eq!((said.adult, said.racy, said.violence), [Likelihood::VeryUnlikely; 3].into());
    }

    #[test]
    fn the_most_certain_label_decides() {
        let check = |percent, expected| {
            let labels = [label("Violence", "", percent), label("Weapons", "Violence", 1.0)];
            assert_eq!(safe_search(&labels).violence, expected, "{percent}");
        };
        check(19.0, Likelihood::VeryUnlikely);
        check(20.0, Likelihood::Unlikely);
        check(50.0, Likelihood::Possible);
        check(75.0, Likelihood::Likely);
        check(99.0, Likelihood::VeryLikely);
    }

    #[test]
    fn what_is_adult_is_racy_and_not_the_other_way_round() {
        let adult = safe_search(&[label("Exposed Buttocks or Anus", "Explicit Nudity", 80.0)]);
        assert_eq!((adult.adult, adult.racy), (Likelihood::Likely, Likelihood::Likely));
        let racy = safe_search(&[label("Swimwear or Underwear", "", 95.0), label("Drugs & Tobacco", "", 99.0)]);
        assert_eq!((racy.adult, racy.racy), (Likelihood::VeryUnlikely, Likelihood::VeryLikely));
        assert_eq!(racy.violence, Likelihood::VeryUnlikely);
    }
}
