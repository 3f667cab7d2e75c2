//! The 1,000 classes of ImageNet (ILSVRC 2012) in English, in ImageNet's order. The names are those of the list in
//! `torchvision/models/_meta.py` of the package `torchvision` 0.29.2, against which they were checked; two pairs of classes
//! share a name there (`crane`, `maillot`).

/// One name a line.
const CLASSES: &str = include_str!("classes.txt");

/// The names, in order.
pub(crate) fn classes() -> Vec<String> {
    CLASSES.lines().map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_class_has_a_name_at_its_place() {
        let classes = classes();
        assert_eq!(classes.len(), crate::efficientnet::CLASSES);
        assert!(classes.iter().all(|name| !name.is_empty() && name.trim() == name && name.is_ascii()));
        for (place, name) in [
            (0, "tench"),
            (281, "tabby"),
            (282, "tiger cat"),
            (285, "Egyptian cat"),
            (657, "missile"),
            (967, "espresso"),
            (968, "cup"),
            (999, "toilet tissue"),
        ] {
            assert_eq!(classes[place], name);
        }
    }
}
