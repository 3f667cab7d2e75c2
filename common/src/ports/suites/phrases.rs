//! The dictionary.

use std::collections::{BTreeMap, BTreeSet};

use uuid::Uuid;

use crate::{
    ports::Phrases,
    translation::{Language, Phrase},
};

/// The behaviour of [`Phrases`].
pub async fn phrases(phrases: &dyn Phrases) {
    what_is_kept_is_known(phrases).await;
    the_first_translation_stays(phrases).await;
    one_of_several_at_once_stays(phrases).await;
    many_at_once(phrases).await;
    any_text_is_a_phrase(phrases).await;
}

async fn what_is_kept_is_known(phrases: &dyn Phrases) {
    let (es, mx, fr) = (language("es"), language("es-MX"), language("fr"));
    let (cup, saucer, other) = (new("cup"), new("saucer"), new("other"));
    let asked = BTreeSet::from([cup.clone(), saucer.clone(), other.clone()]);
    assert_eq!(phrases.known(&es, &asked).await.unwrap(), BTreeMap::new(), "nothing is known of what nobody kept");

    let kept = BTreeMap::from([(cup.clone(), said("taza")), (saucer.clone(), said("platillo"))]);
    phrases.keep(&es, &kept).await.unwrap();
    assert_eq!(phrases.known(&es, &asked).await.unwrap(), kept, "only what is known comes back");
    let one = BTreeSet::from([cup.clone()]);
    assert_eq!(phrases.known(&es, &one).await.unwrap(), BTreeMap::from([(cup.clone(), said("taza"))]));
    for elsewhere in [&fr, &mx] {
        assert_eq!(phrases.known(elsewhere, &asked).await.unwrap(), BTreeMap::new(), "each language is its own");
    }
    phrases.keep(&fr, &BTreeMap::from([(cup.clone(), said("tasse"))])).await.unwrap();
    assert_eq!(phrases.known(&fr, &asked).await.unwrap(), BTreeMap::from([(cup, said("tasse"))]));
    assert_eq!(phrases.known(&es, &asked).await.unwrap(), kept);

    phrases.keep(&es, &BTreeMap::new()).await.unwrap();
    assert_eq!(phrases.known(&es, &BTreeSet::new()).await.unwrap(), BTreeMap::new());
}

async fn the_first_translation_stays(phrases: &dyn Phrases) {
    let es = language("es");
    let (old, fresh) = (new("old"), new("fresh"));
    phrases.keep(&es, &BTreeMap::from([(old.clone(), said("viejo"))])).await.unwrap();
    let later = Phrase { text: "antiguo".to_owned(), by: "another".to_owned() };
    let both = BTreeMap::from([(old.clone(), later), (fresh.clone(), said("fresco"))]);
    for _ in 0..2 {
        phrases.keep(&es, &both).await.unwrap();
        let asked = BTreeSet::from([old.clone(), fresh.clone()]);
        let expected = BTreeMap::from([(old.clone(), said("viejo")), (fresh.clone(), said("fresco"))]);
        assert_eq!(phrases.known(&es, &asked).await.unwrap(), expected, "what is new beside it is kept");
    }
}

async fn one_of_several_at_once_stays(phrases: &dyn Phrases) {
    let es = language("es");
    for _ in 0..8 {
        let phrase = new("contended");
        let asked = BTreeSet::from([phrase.clone()]);
        let keep = |text: &str| {
            let (asked, kept) = (asked.clone(), BTreeMap::from([(phrase.clone(), said(text))]));
            let es = es.clone();
            async move {
                phrases.keep(&es, &kept).await.unwrap();
                phrases.known(&es, &asked).await.unwrap()
            }
        };
        let (one, two, three) = tokio::join!(keep("uno"), keep("dos"), keep("tres"));
        assert_eq!(one.len(), 1);
        assert!(one == two && two == three, "everybody reads the same: {one:?} {two:?} {three:?}");
        assert_eq!(phrases.known(&es, &asked).await.unwrap(), one, "and it stays");
    }
}

async fn many_at_once(phrases: &dyn Phrases) {
    let es = language("es");
    let kept: BTreeMap<String, Phrase> =
        (0..250).map(|n| (new(&format!("word {n}")), said(&format!("palabra {n}")))).collect();
    phrases.keep(&es, &kept).await.unwrap();
    let asked = kept.keys().cloned().chain([new("unknown")]).collect();
    assert_eq!(phrases.known(&es, &asked).await.unwrap(), kept);
}

async fn any_text_is_a_phrase(phrases: &dyn Phrases) {
    let ja = language("ja");
    let kept: BTreeMap<String, Phrase> =
        ["' OR 1=1 --", "a#b/c|d", "jack-o'-lantern", "%_*", "crème brûlée", "犬", "two\nlines"]
            .into_iter()
            .map(|text| (new(text), said(text)))
            .chain([(new(&"long ".repeat(60)), said(&"ながい".repeat(60)))])
            .collect();
    phrases.keep(&ja, &kept).await.unwrap();
    assert_eq!(phrases.known(&ja, &kept.keys().cloned().collect()).await.unwrap(), kept);

    let word = new("polish");
    let capital = word.replacen("polish", "Polish", 1);
    let two = BTreeMap::from([(word, said("磨く")), (capital, said("ポーランド語"))]);
    phrases.keep(&ja, &two).await.unwrap();
    assert_eq!(
        phrases.known(&ja, &two.keys().cloned().collect()).await.unwrap(),
        two,
        "capitals make a phrase of their own"
    );
}

fn language(tag: &str) -> Language {
    tag.parse().unwrap()
}

/// A phrase that no earlier run has kept.
fn new(word: &str) -> String {
    format!("{word} {}", Uuid::new_v4().simple())
}

fn said(text: &str) -> Phrase {
    Phrase { text: text.to_owned(), by: "suite".to_owned() }
}
