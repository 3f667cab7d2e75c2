//! Translation with Amazon Translate, before a stand-in that checks what it is sent: no usable emulator of it is to be had.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
};

use async_trait::async_trait;
use common::{
    analysis::{Analysis, DetectorId, Findings, Label},
    error::{Kind, Result, Retry},
    event::{Event, Payload},
    image::{Digest, MediaType},
    ports::Phrases,
    request::Cloud,
    translation::{Language, Phrase, Translations},
};
use processors::{
    Processor,
    translation::{Glossaries, Translate, Translator},
};
use proxy_aws::{clients::Clients, translate::AmazonTranslate};
use serde_json::json;
use tests::{ACCESS_KEY, SECRET_KEY, TranslateStandIn};
use tokio::task::JoinSet;

async fn at(url: &str, secret: &str) -> AmazonTranslate {
    AmazonTranslate::new(Clients::at(url, tests::REGION, ACCESS_KEY, secret).await.translate)
}

async fn started() -> (TranslateStandIn, AmazonTranslate) {
    let stand_in = TranslateStandIn::start().await;
    let translate = at(&stand_in.url(), SECRET_KEY).await;
    (stand_in, translate)
}

async fn ask(translate: &AmazonTranslate, tag: &str, phrases: &[&str]) -> Result<BTreeMap<String, String>> {
    let phrases = phrases.iter().map(|&phrase| phrase.to_owned()).collect();
    translate.translate(&tag.parse().unwrap(), &phrases).await
}

fn said(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|&(phrase, text)| (phrase.to_owned(), text.to_owned())).collect()
}

#[tokio::test]
async fn phrases_travel_together_and_the_language_as_it_is() {
    let (stand_in, translate) = started().await;
    let answer = ask(&translate, "es-MX", &["Latte art", "Crème brûlée", "two\nlines"]).await.unwrap();
    let expected =
        [("Latte art", "es-MX:Latte art"), ("Crème brûlée", "es-MX:Crème brûlée"), ("two\nlines", "es-MX:two lines")];
    assert_eq!(answer, said(&expected));
    let asked = stand_in.asked();
    assert_eq!((asked.len(), asked[0].text.as_str()), (1, "Crème brûlée\nLatte art\ntwo lines"));

    // What does not fit into one text takes another, and what fits into none is left out.
    let many: Vec<String> = (0..120).map(|n| format!("{n:03} {}", "ö".repeat(98))).collect();
    let mut phrases: BTreeSet<String> = many.iter().cloned().collect();
    phrases.insert("x".repeat(10_001));
    let answer = translate.translate(&"pt-PT".parse().unwrap(), &phrases).await.unwrap();
    assert_eq!(answer.len(), 120);
    assert!(many.iter().all(|phrase| answer[phrase] == format!("pt-PT:{phrase}")));
    assert_eq!(stand_in.asked().len(), 1 + 3);
    assert!(ask(&translate, "es", &[]).await.unwrap().is_empty());
    assert_eq!((stand_in.asked().len(), stand_in.faults()), (4, Vec::new()));
}

#[tokio::test]
async fn another_number_of_lines_is_asked_one_by_one() {
    let (stand_in, translate) = started().await;
    for wrong in ["una sola línea", "uno\ndos\ntres\ncuatro"] {
        let before = stand_in.asked().len();
        stand_in.next(
            "TranslateText",
            200,
            json!({ "TranslatedText": wrong, "SourceLanguageCode": "en", "TargetLanguageCode": "es" }),
        );
        let answer = ask(&translate, "es", &["one", "two", "three"]).await.unwrap();
        assert_eq!(answer, said(&[("one", "es:one"), ("two", "es:two"), ("three", "es:three")]), "{wrong:?}");
        assert_eq!(stand_in.asked().len() - before, 4);
    }
    // A line that came back empty is no translation, and a phrase by itself is one line whatever comes back.
    for (answer, phrases, expected) in [
        ("uno\n\ntres", vec!["a", "b", "c"], said(&[("a", "uno"), ("c", "tres")])),
        ("uno\r\ndos\n", vec!["a", "b"], said(&[("a", "uno"), ("b", "dos")])),
        ("uno\ny  medio", vec!["a"], said(&[("a", "uno y medio")])),
    ] {
        stand_in.next(
            "TranslateText",
            200,
            json!({ "TranslatedText": answer, "SourceLanguageCode": "en", "TargetLanguageCode": "es" }),
        );
        assert_eq!(ask(&translate, "es", &phrases).await.unwrap(), expected);
    }
}

#[tokio::test]
async fn failures_are_classified_and_nothing_is_repeated() {
    let (stand_in, translate) = started().await;
    let rows = [
        (400, "TooManyRequestsException", Kind::RateLimited, Retry::Later),
        (400, "ThrottlingException", Kind::RateLimited, Retry::Later),
        (400, "UnsupportedLanguagePairException", Kind::Unsupported, Retry::Never),
        (400, "TextSizeLimitExceededException", Kind::TooLarge, Retry::Never),
        (400, "InvalidRequestException", Kind::InvalidRequest, Retry::Never),
        (500, "InternalServerException", Kind::Unavailable, Retry::Later),
        (500, "ServiceUnavailableException", Kind::Unavailable, Retry::Later),
        (400, "AccessDeniedException", Kind::Unavailable, Retry::Exhausted),
    ];
    for (status, code, kind, retry) in rows {
        stand_in.next("TranslateText", status, json!({ "__type": code, "message": "played" }));
        let error = ask(&translate, "es", &["one", "two"]).await.unwrap_err();
        assert_eq!((error.kind(), error.retry()), (kind, retry), "{code}");
        assert!(error.causes().contains(code), "{}", error.causes());
    }
    stand_in.next("TranslateText", 200, json!("no answer"));
    assert_eq!(ask(&translate, "es", &["one"]).await.unwrap_err().kind(), Kind::Unavailable);
    assert_eq!(stand_in.asked().len(), rows.len() + 1);

    let pair = ask(&translate, "tlh", &["one"]).await.unwrap_err();
    assert_eq!((pair.kind(), pair.is_permanent()), (Kind::Unsupported, true));
    let foreign = ask(&at(&stand_in.url(), "another").await, "es", &["one"]).await.unwrap_err();
    assert_eq!((foreign.kind(), foreign.retry()), (Kind::Unavailable, Retry::Exhausted));
    assert_eq!(stand_in.faults(), ["from en to tlh", "the signature does not match"]);

    let free = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap();
    let gone = ask(&at(&format!("http://{free}"), SECRET_KEY).await, "es", &["one"]).await.unwrap_err();
    assert_eq!((gone.kind(), gone.retry()), (Kind::Unavailable, Retry::Later));
}

#[tokio::test]
async fn what_was_paid_for_is_kept_when_the_rest_fails() {
    let (stand_in, translate) = started().await;
    let phrases: BTreeSet<String> = (0..120).map(|n| format!("{n:03} {}", "ö".repeat(98))).collect();
    let first: Vec<String> = phrases.iter().take(49).map(|phrase| format!("de:{phrase}")).collect();
    let answer = json!({ "TranslatedText": first.join("\n"), "SourceLanguageCode": "en", "TargetLanguageCode": "de" });
    stand_in.next("TranslateText", 200, answer);
    stand_in.next("TranslateText", 400, json!({ "__type": "TooManyRequestsException", "message": "played" }));
    let answer = translate.translate(&"de".parse().unwrap(), &phrases).await.unwrap();
    assert_eq!(answer.values().cloned().collect::<Vec<_>>(), first);
    assert_eq!(stand_in.asked().len(), 2, "a service that has too much to do is not asked for the rest");
}

/// A dictionary that is gone with the test; the real ones are held to the same suite elsewhere.
#[derive(Default)]
struct InMemory(Mutex<BTreeMap<(Language, String), Phrase>>);

#[async_trait]
impl Phrases for InMemory {
    async fn known(&self, language: &Language, phrases: &BTreeSet<String>) -> Result<BTreeMap<String, Phrase>> {
        let kept = self.0.lock().unwrap();
        let known = |phrase: &String| Some((phrase.clone(), kept.get(&(language.clone(), phrase.clone()))?.clone()));
        Ok(phrases.iter().filter_map(known).collect())
    }

    async fn keep(&self, language: &Language, phrases: &BTreeMap<String, Phrase>) -> Result<()> {
        let mut kept = self.0.lock().unwrap();
        for (phrase, said) in phrases {
            kept.entry((language.clone(), phrase.clone())).or_insert_with(|| said.clone());
        }
        Ok(())
    }
}

fn translator(tags: &[&str], service: AmazonTranslate, phrases: &Arc<InMemory>) -> Arc<Translator> {
    let languages = tags.iter().map(|tag| tag.parse().unwrap()).collect();
    let (glossaries, phrases) = (Glossaries::default(), phrases.clone() as Arc<dyn Phrases>);
    Arc::new(Translator::new(Cloud::Aws, languages, glossaries, Some(Arc::new(service)), phrases))
}

fn labelled(labels: &[&str]) -> Event {
    let label = |text: &&str| Label { description: (*text).to_owned(), score: 0.5, mid: None };
    let analysis = Analysis {
        part_of: None,
        id: "aws-aaaaaaaaaaaaaaaaaaaaaaaaaa".parse().unwrap(),
        request_id: "r".to_owned(),
        digest: Digest::of(b"picture"),
        source: None,
        media_type: MediaType::Jpeg,
        width: 4,
        height: 3,
        detector: DetectorId { provider: "google-vision".to_owned(), model: "m".to_owned() },
        findings: Findings { labels: Some(labels.iter().map(label).collect()), ..Findings::default() },
        analyzed_at: "2026-11-20T10:00:00Z".parse().unwrap(),
        duration_ms: 1,
    };
    Event::labelled(Cloud::Aws, &analysis, None)
}

async fn told(translator: &Translator, event: &Event) -> Translations {
    let settlement = translator.process(event).await.unwrap();
    let Payload::Translated(translations) = settlement.events[0].data.clone() else { panic!("{settlement:?}") };
    *translations
}

#[tokio::test]
async fn with_the_dictionary_warm_no_call_is_made() {
    let (stand_in, service) = started().await;
    let (phrases, event) = (Arc::new(InMemory::default()), labelled(&["Latte art", "Barista", "Espresso"]));
    let cold = told(&translator(&["es", "de"], service, &phrases), &event).await;
    let mut asked: Vec<_> = stand_in.asked().into_iter().map(|asked| (asked.language, asked.text)).collect();
    asked.sort();
    let expected = [("de", "Barista\nEspresso\nLatte art"), ("es", "Barista\nLatte art")];
    assert_eq!(asked, expected.map(|(language, text)| (language.to_owned(), text.to_owned())), "one call a language");

    // Another process, later.
    let again = translator(&["es", "de"], at(&stand_in.url(), SECRET_KEY).await, &phrases);
    for _ in 0..100 {
        assert_eq!(told(&again, &event).await, cold);
    }
    assert_eq!((stand_in.asked().len(), stand_in.faults()), (2, Vec::new()));
    let es = |label: usize| cold.translated[label].translations[&"es".parse::<Language>().unwrap()].clone();
    assert_eq!((es(0).text.as_str(), es(0).by.as_str()), ("es:Latte art", "amazon-translate"));
    assert_eq!((es(2).text.as_str(), es(2).by.as_str()), ("café exprés", "glossary"));
    assert!(cold.missing.is_empty());
}

#[tokio::test]
async fn a_service_that_fails_leaves_labels_untranslated_and_says_so() {
    let (stand_in, service) = started().await;
    let (phrases, event) = (Arc::new(InMemory::default()), labelled(&["Latte art", "Espresso"]));
    stand_in.next("TranslateText", 500, json!({ "__type": "InternalServerException", "message": "played" }));
    let translations = told(&translator(&["es"], service, &phrases), &event).await;
    assert_eq!(translations.missing, BTreeMap::from([("es".parse().unwrap(), vec!["Latte art".to_owned()])]));
    let labels: Vec<&str> = translations.translated.iter().map(|one| one.label.as_str()).collect();
    assert_eq!(labels, ["Latte art", "Espresso"], "the source always stays");
    assert_eq!(translations.translated[1].translations.len(), 1, "what needs no service is there");
    assert!(phrases.0.lock().unwrap().is_empty(), "a failure is not kept");

    let later = told(&translator(&["es"], at(&stand_in.url(), SECRET_KEY).await, &phrases), &event).await;
    assert!(later.missing.is_empty());
    assert_eq!(stand_in.asked().len(), 2);
}

#[tokio::test]
async fn the_same_event_three_times_at_once_pays_once() {
    let (stand_in, service) = started().await;
    let (phrases, event) = (Arc::new(InMemory::default()), labelled(&["Latte art", "Barista"]));
    let translator = translator(&["ja", "it"], service, &phrases);
    stand_in.hold();
    let mut tasks = JoinSet::new();
    for _ in 0..3 {
        let (translator, event) = (translator.clone(), event.clone());
        tasks.spawn(async move { told(&translator, &event).await });
    }
    tests::wait_until_async("both languages are asked for", async || (stand_in.asked().len() == 2).then_some(())).await;
    stand_in.release();
    let told = tasks.join_all().await;
    assert!(told.iter().all(|translations| *translations == told[0] && translations.missing.is_empty()));
    assert_eq!((stand_in.asked().len(), stand_in.faults()), (2, Vec::new()));
    assert_eq!(phrases.0.lock().unwrap().len(), 4);
}
