//! The translator with a dictionary in memory and a service that counts.

use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard},
};

use common::{
    analysis::{DetectorId, Findings, Label},
    error::{Error, Kind},
    event::Failure,
    image::{Digest, MediaType},
    ports::suites,
};
use tokio::{sync::Semaphore, task::JoinSet, time::advance};

use super::*;

/// A dictionary that is gone with the test.
#[derive(Default)]
struct InMemory {
    kept: Mutex<BTreeMap<(Language, String), Phrase>>,
    fails: Mutex<bool>,
}

impl InMemory {
    fn kept(&self) -> Result<MutexGuard<'_, BTreeMap<(Language, String), Phrase>>> {
        if *self.fails.lock().unwrap() {
            return Err(Error::new(Kind::Unavailable, "the dictionary is lost"));
        }
        Ok(self.kept.lock().unwrap())
    }
}

#[async_trait]
impl Phrases for InMemory {
    async fn known(&self, language: &Language, phrases: &BTreeSet<String>) -> Result<BTreeMap<String, Phrase>> {
        let kept = self.kept()?;
        let known = |phrase: &String| Some((phrase.clone(), kept.get(&(language.clone(), phrase.clone()))?.clone()));
        Ok(phrases.iter().filter_map(known).collect())
    }

    async fn keep(&self, language: &Language, phrases: &BTreeMap<String, Phrase>) -> Result<()> {
        let mut kept = self.kept()?;
        for (phrase, said) in phrases {
            kept.entry((language.clone(), phrase.clone())).or_insert_with(|| said.clone());
        }
        Ok(())
    }
}

/// Puts the language before each phrase; `untranslatable` it leaves out.
struct Counted {
    asked: Mutex<Vec<(String, Vec<String>)>>,
    failures: Mutex<VecDeque<Kind>>,
    gate: Semaphore,
}

impl Counted {
    fn open() -> Arc<Self> {
        Arc::new(Self { asked: Mutex::default(), failures: Mutex::default(), gate: Semaphore::new(1000) })
    }

    fn asked(&self) -> Vec<(String, Vec<String>)> {
        self.asked.lock().unwrap().clone()
    }
}

#[async_trait]
impl Translate for Counted {
    fn name(&self) -> &str {
        "counted"
    }

    async fn translate(&self, language: &Language, phrases: &BTreeSet<String>) -> Result<BTreeMap<String, String>> {
        self.asked.lock().unwrap().push((language.to_string(), phrases.iter().cloned().collect()));
        self.gate.acquire().await.unwrap().forget();
        if let Some(kind) = self.failures.lock().unwrap().pop_front() {
            return Err(Error::new(kind, "played"));
        }
        let said = phrases.iter().filter(|phrase| *phrase != "untranslatable");
        Ok(said.map(|phrase| (phrase.clone(), format!(" {language}:{phrase} "))).collect())
    }
}

struct World {
    translator: Arc<Translator>,
    service: Arc<Counted>,
    phrases: Arc<InMemory>,
    glossaries: Glossaries,
}

fn world(languages: &[&str]) -> World {
    let (service, phrases, glossaries) = (Counted::open(), Arc::new(InMemory::default()), Glossaries::default());
    let languages = languages.iter().map(|tag| tag.parse().unwrap()).collect();
    let (asked, held) = (Some(service.clone() as Arc<dyn Translate>), glossaries.clone());
    let translator = Arc::new(Translator::new(Cloud::Local, languages, held, asked, phrases.clone()));
    World { translator, service, phrases, glossaries }
}

fn labelled(provider: &str, labels: &[&str]) -> Event {
    let label = |text: &&str| Label { description: (*text).to_owned(), score: 0.5, mid: None };
    let analysis = Analysis {
        part_of: None,
        id: "local-aaaaaaaaaaaaaaaaaaaaaaaaaa".parse().unwrap(),
        request_id: "r".to_owned(),
        digest: Digest::of(b"picture"),
        source: Some("bucket://photos/a.jpg".to_owned()),
        media_type: MediaType::Jpeg,
        width: 4,
        height: 3,
        detector: DetectorId { provider: provider.to_owned(), model: "m".to_owned() },
        findings: Findings { labels: Some(labels.iter().map(label).collect()), ..Findings::default() },
        analyzed_at: jiff::Timestamp::UNIX_EPOCH,
        duration_ms: 1,
    };
    Event::labelled(Cloud::Local, &analysis, Some("00-trace".to_owned()))
}

async fn told(translator: &Translator, event: &Event) -> Translations {
    let settlement = translator.process(event).await.unwrap();
    assert_eq!((settlement.events.len(), settlement.audit.len(), settlement.review), (1, 0, None));
    let event = settlement.events.into_iter().next().unwrap();
    assert_eq!(
        (event.id.as_str(), event.topic()),
        ("local-aaaaaaaaaaaaaaaaaaaaaaaaaa:translated", Topic::LabelsTranslated)
    );
    assert_eq!(event.traceparent.as_deref(), Some("00-trace"));
    let Payload::Translated(translations) = event.data else { panic!("{event:?}") };
    *translations
}

/// `text (by)` of each label in one language, `-` where there is none.
fn words(translations: &Translations, tag: &str) -> Vec<String> {
    let language: Language = tag.parse().unwrap();
    let word = |label: &TranslatedLabel| {
        let phrase = label.translations.get(&language);
        phrase.map_or("-".to_owned(), |phrase| format!("{} ({})", phrase.text, phrase.by))
    };
    translations.translated.iter().map(word).collect()
}

#[tokio::test]
async fn the_dictionary_of_these_tests_behaves() {
    suites::phrases(&InMemory::default()).await;
}

#[tokio::test]
async fn the_users_word_comes_first_then_the_built_in_then_the_dictionary_then_the_service() {
    let world = world(&["es", "fr", "es"]);
    let es: Language = "es".parse().unwrap();
    world.glossaries.replace("[es]\nEspresso = \"cafecito\"").unwrap();
    let kept = |text: &str| Phrase { text: text.to_owned(), by: "earlier".to_owned() };
    let known = [("Barista", "barista"), ("Espresso", "never"), ("cup", "never")];
    let known = known.map(|(phrase, text)| (phrase.to_owned(), kept(text)));
    world.phrases.keep(&es, &BTreeMap::from(known)).await.unwrap();

    let labels = ["Espresso", "cup", "Barista", "Latte art", "untranslatable", "cup", " "];
    let translations = told(&world.translator, &labelled("google-vision", &labels)).await;
    let expected =
        ["cafecito (user-glossary)", "taza (glossary)", "barista (earlier)", "es:Latte art (counted)", "-", "-"];
    assert_eq!(words(&translations, "es"), expected);
    let expected =
        ["expresso (glossary)", "tasse (glossary)", "fr:Barista (counted)", "fr:Latte art (counted)", "-", "-"];
    assert_eq!(words(&translations, "fr"), expected);
    let labels: Vec<&str> = translations.translated.iter().map(|one| one.label.as_str()).collect();
    assert_eq!(labels, ["Espresso", "cup", "Barista", "Latte art", "untranslatable", " "], "the source always stays");
    let tags: Vec<&str> = translations.languages.iter().map(Language::tag).collect();
    assert_eq!((tags, translations.source.as_deref()), (vec!["es", "fr"], Some("bucket://photos/a.jpg")));
    let missing = vec!["untranslatable".to_owned(), " ".to_owned()];
    assert_eq!(translations.missing, BTreeMap::from([(es, missing.clone()), ("fr".parse().unwrap(), missing)]));

    let call =
        |tag: &str, phrases: &[&str]| (tag.to_owned(), phrases.iter().map(|&phrase| phrase.to_owned()).collect());
    let expected =
        [call("es", &["Latte art", "untranslatable"]), call("fr", &["Barista", "Latte art", "untranslatable"])];
    assert_eq!(world.service.asked(), expected, "one call a language");
}

#[tokio::test]
async fn a_region_falls_back_to_its_language_and_english_is_the_label_itself() {
    let world = world(&["es-MX", "en", "en-GB"]);
    world.glossaries.replace("[en-GB]\ntruck = \"lorry\"").unwrap();
    let translations = told(&world.translator, &labelled("local", &["espresso", "truck"])).await;
    assert_eq!(words(&translations, "es-MX"), ["café exprés (glossary)", "es-MX:truck (counted)"]);
    assert_eq!(words(&translations, "en"), ["espresso (source)", "truck (source)"]);
    assert_eq!(words(&translations, "en-GB"), ["espresso (source)", "lorry (user-glossary)"]);
    assert_eq!(world.service.asked().len(), 1);
}

#[tokio::test]
async fn the_models_own_sense_is_for_the_model_alone() {
    let world = world(&["es"]);
    let ours = told(&world.translator, &labelled("local", &["ear", "Cardigan"])).await;
    assert_eq!(words(&ours, "es"), ["mazorca (glossary)", "corgi galés de Cardigan (glossary)"]);
    let theirs = told(&world.translator, &labelled("google-vision", &["Ear", "Cardigan"])).await;
    assert_eq!(words(&theirs, "es"), ["es:Ear (counted)", "cárdigan (glossary)"]);
}

#[tokio::test]
async fn what_is_not_asked_for_is_not_published() {
    let nobody = world(&[]);
    assert_eq!(nobody.translator.process(&labelled("local", &["cup"])).await.unwrap(), Settlement::default());
    let world = world(&["es"]);
    assert_eq!(world.translator.process(&labelled("local", &[])).await.unwrap(), Settlement::default());
    let failure = Failure::new(labelled("local", &[]).image(), None, &Error::new(Kind::TooLarge, "too large"));
    let failed = Event::failed(Cloud::Local, &failure, None);
    assert_eq!(world.translator.process(&failed).await.unwrap(), Settlement::default());
    assert_eq!((world.translator.name(), world.translator.consumes()), ("translation", &[Topic::ImageLabelled][..]));
}

#[tokio::test]
async fn events_at_the_same_time_pay_once() {
    let world = world(&["de", "it"]);
    world.service.gate.forget_permits(1000);
    let mut tasks = JoinSet::new();
    for n in 0..32 {
        let translator = world.translator.clone();
        let event = labelled("google-vision", if n % 2 == 0 { &["Latte", "Barista"] } else { &["Barista"] });
        tasks.spawn(async move { told(&translator, &event).await.missing });
    }
    while world.service.asked().len() < 2 {
        tokio::task::yield_now().await;
    }
    world.service.gate.add_permits(1000);
    assert!(tasks.join_all().await.iter().all(BTreeMap::is_empty));
    for tag in ["de", "it"] {
        let asked = world.service.asked().into_iter().filter(|(language, _)| language == tag);
        let mut phrases: Vec<String> = asked.flat_map(|(_, phrases)| phrases).collect();
        phrases.sort();
        assert_eq!(phrases, ["Barista", "Latte"], "{tag}: each phrase once");
    }
}

#[tokio::test(start_paused = true)]
async fn a_service_that_fails_leaves_labels_and_is_left_alone_for_a_while() {
    let world = world(&["de"]);
    let event = labelled("google-vision", &["Latte"]);
    let missing = BTreeMap::from([("de".parse().unwrap(), vec!["Latte".to_owned()])]);
    world.service.failures.lock().unwrap().extend([Kind::Unavailable, Kind::RateLimited]);
    for calls in [1, 1] {
        let translations = told(&world.translator, &event).await;
        assert_eq!((words(&translations, "de"), &translations.missing), (vec!["-".to_owned()], &missing));
        assert_eq!(world.service.asked().len(), calls, "nobody asks again at once");
    }
    for (calls, expected) in [(2, "-"), (3, "de:Latte (counted)"), (3, "de:Latte (counted)")] {
        advance(std::time::Duration::from_secs(60)).await;
        assert_eq!(words(&told(&world.translator, &event).await, "de"), [expected]);
        assert_eq!(world.service.asked().len(), calls);
    }
}

#[tokio::test]
async fn without_the_dictionary_nobody_is_paid() {
    let world = world(&["de"]);
    let event = labelled("google-vision", &["Latte"]);
    *world.phrases.fails.lock().unwrap() = true;
    assert!(!world.translator.process(&event).await.unwrap_err().is_permanent(), "the event comes back");
    assert_eq!(world.service.asked(), []);
    *world.phrases.fails.lock().unwrap() = false;
    assert_eq!(words(&told(&world.translator, &event).await, "de"), ["de:Latte (counted)"]);
}

#[tokio::test]
async fn without_a_service_the_rest_is_named() {
    let languages = vec!["es".parse().unwrap()];
    let phrases = Arc::new(InMemory::default());
    let translator = Translator::new(Cloud::Local, languages, Glossaries::default(), None, phrases);
    let translations = told(&translator, &labelled("local", &["espresso", "Latte art"])).await;
    assert_eq!(words(&translations, "es"), ["café exprés (glossary)", "-"]);
    assert_eq!(translations.missing.into_values().next().unwrap(), ["Latte art"]);
}
