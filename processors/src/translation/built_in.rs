//! The glossary that comes with the program: the embedded model's 1,000 classes in Spanish and French.

use std::{collections::HashMap, sync::LazyLock};

use super::folded;

/// By the language's tag.
static TABLES: LazyLock<[(&str, Table); 2]> = LazyLock::new(|| {
    [("es", Table::read(include_str!("glossary/es.txt"))), ("fr", Table::read(include_str!("glossary/fr.txt")))]
});

/// Words that mean something else to most people than to the embedded model: the `ear` is of maize, the `hip` of a rose. From
/// any other detector they are not for this glossary.
const OTHER_SENSES: [&str; 45] = [
    "admiral",
    "amphibian",
    "angora",
    "bonnet",
    "bow",
    "brass",
    "cairn",
    "chest",
    "chime",
    "chow",
    "coil",
    "cornet",
    "drumstick",
    "ear",
    "file",
    "hip",
    "hook",
    "iron",
    "jersey",
    "kite",
    "lhasa",
    "liner",
    "monarch",
    "muzzle",
    "nail",
    "newfoundland",
    "nipple",
    "organ",
    "pembroke",
    "pick",
    "pirate",
    "pitcher",
    "plane",
    "pole",
    "pot",
    "puffer",
    "racer",
    "ringlet",
    "slot",
    "sorrel",
    "stole",
    "swab",
    "upright",
    "vault",
    "walking stick",
];

struct Table {
    /// By the class's exact name.
    exact: HashMap<&'static str, &'static str>,
    /// By the name in small letters. Of two classes that differ in capitals only, the one without them.
    any: HashMap<String, &'static str>,
}

impl Table {
    fn read(text: &'static str) -> Self {
        let (mut exact, mut any) = (HashMap::new(), HashMap::new());
        for (name, said) in lines(text) {
            exact.insert(name, said);
            let small = folded(name);
            if small == name || !any.contains_key(&small) {
                any.insert(small, said);
            }
        }
        Self { exact, any }
    }
}

/// What the class is called in this language, by its tag without a region. `embedded` says that the embedded model said it.
pub(super) fn find(base: &str, phrase: &str, embedded: bool) -> Option<&'static str> {
    let (_, table) = TABLES.iter().find(|(tag, _)| *tag == base)?;
    if embedded && let Some(said) = table.exact.get(phrase) {
        return Some(said);
    }
    let small = folded(phrase);
    if !embedded && OTHER_SENSES.contains(&small.as_str()) {
        return None;
    }
    table.any.get(&small).copied()
}

/// English and translation; lines that begin with `#` are comments.
fn lines(text: &'static str) -> impl Iterator<Item = (&'static str, &'static str)> {
    text.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.split_once('\t'))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    const CLASSES: &str = include_str!("../../../detector-local/src/classes.txt");
    const TEXTS: [(&str, &str); 2] = [("es", include_str!("glossary/es.txt")), ("fr", include_str!("glossary/fr.txt"))];

    #[test]
    fn every_class_has_a_name_in_every_language() {
        let classes: Vec<&str> = CLASSES.lines().collect();
        assert_eq!(classes.len(), 1000);
        for (tag, text) in TEXTS {
            let names: Vec<&str> = lines(text).map(|(name, _)| name).collect();
            assert_eq!(names, classes, "{tag}: the classes, in their order");
            for (name, said) in lines(text) {
                assert!(!said.is_empty() && said == said.trim() && !said.contains('\t'), "{tag}: {name}: {said:?}");
                assert!(
                    said.chars().all(|letter| letter.is_alphabetic() || " '-".contains(letter)),
                    "{tag}: {name}: {said}"
                );
                assert_eq!(find(tag, name, true), Some(said));
            }
        }
    }

    /// Many animals and dishes are called the same, but a glossary that were mostly English would be none.
    #[test]
    fn names_are_not_left_in_english() {
        for (tag, text) in TEXTS {
            let same: Vec<&str> =
                lines(text).filter(|(name, said)| folded(name) == folded(said)).map(|(n, _)| n).collect();
            assert!(same.len() <= 120, "{tag}: {} names are the English ones: {same:?}", same.len());
            let english: BTreeSet<&str> = CLASSES.lines().filter(|name| !same.contains(name)).collect();
            let words = [
                "the", "of", "and", "dog", "cat", "bird", "snake", "spider", "beetle", "monkey", "hound", "fish",
                "house", "car", "bottle", "machine", "clock", "ball", "water", "shop",
            ];
            for (name, said) in lines(text).filter(|(name, _)| english.contains(name)) {
                // `machine` and `car` are French words as well.
                let left =
                    said.split([' ', '-']).find(|word| words.contains(word) && !(tag == "fr" && *word == "machine"));
                assert_eq!(left, None, "{tag}: {name}: {said}");
            }
        }
    }

    #[test]
    fn a_name_is_found_in_any_case() {
        assert_eq!(find("es", " Espresso ", false), Some("café exprés"));
        assert_eq!(find("fr", "EGYPTIAN CAT", false), Some("chat égyptien"));
        assert_eq!(find("fr", "espresso", true), Some("expresso"));
        assert_eq!(find("es", "nobody's word", true), None);
        assert_eq!(find("de", "espresso", true), None);
    }

    #[test]
    fn a_word_with_another_sense_is_only_for_the_model_that_means_it() {
        assert_eq!((find("es", "ear", true), find("es", "Ear", false)), (Some("mazorca"), None));
        assert_eq!(find("es", "Cardigan", true), Some("corgi galés de Cardigan"));
        let worn = Some("cárdigan");
        assert_eq!((find("es", "cardigan", true), find("es", "Cardigan", false)), (worn, worn));
        let names: BTreeSet<String> = CLASSES.lines().map(folded).collect();
        assert!(OTHER_SENSES.is_sorted());
        for word in OTHER_SENSES {
            assert!(names.contains(word), "{word} is no class");
        }
    }
}
