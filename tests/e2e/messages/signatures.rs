//! Signatures: the collected vectors, Twilio's own libraries for Python and Node.js, and every bit flipped.

use std::{
    io::Write as _,
    process::{Command, Stdio},
};

use processors::messages::{AuthToken, PublicUrl, Signed, Verifier, sign};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tests::{cases_dir, node_with, twilio_python, workspace_root};

use super::FORM;

#[derive(Debug, Clone, Serialize)]
struct Case {
    token: String,
    url: String,
    params: Vec<(String, String)>,
    body: Option<String>,
    signature: String,
}

#[derive(Debug, Deserialize)]
struct Answer {
    made: String,
    valid: bool,
}

impl Case {
    fn encoded(&self) -> (Vec<u8>, &'static str) {
        match &self.body {
            Some(body) => (body.clone().into_bytes(), "application/json"),
            None => {
                (url::form_urlencoded::Serializer::new(String::new()).extend_pairs(&self.params).finish().into(), FORM)
            }
        }
    }

    fn made(&self) -> String {
        let (body, media) = self.encoded();
        sign(&AuthToken::new(self.token.as_str()).unwrap(), &self.url, media, &body)
    }

    fn is_valid(&self) -> bool {
        let (body, content_type) = self.encoded();
        self.takes(&self.url, &body, content_type)
    }

    /// The verifier is told the URL without its query, as an operator writes it down.
    fn takes(&self, url: &str, body: &[u8], content_type: &str) -> bool {
        let (declared, query) = url.split_once('?').map_or((url, None), |(declared, query)| (declared, Some(query)));
        let Ok(declared) = declared.parse::<PublicUrl>() else { return false };
        let verifier = Verifier::new(AuthToken::new(self.token.as_str()).unwrap(), declared);
        verifier.verify(&Signed { query, content_type, body, signature: &self.signature }).is_ok()
    }
}

fn vectors() -> Option<Vec<(Case, bool)>> {
    let path = cases_dir().map(|cases| cases.join("twilio_signatures.json"))?;
    let text = std::fs::read_to_string(path).unwrap();
    let read = |vector: Value| {
        let text = |name: &str| vector[name].as_str().map(str::to_owned);
        let params = vector["params"].as_object().unwrap().iter();
        let params = params.flat_map(|(name, values)| {
            let values = values.as_array().unwrap().iter();
            values.map(|value| (name.clone(), value.as_str().unwrap().to_owned())).collect::<Vec<_>>()
        });
        let case = Case {
            token: text("auth_token").unwrap(),
            url: text("url").unwrap(),
            params: params.collect(),
            body: text("body"),
            signature: text("signature").unwrap(),
        };
        (case, vector["valid"].as_bool().unwrap())
    };
    Some(serde_json::from_str::<Vec<Value>>(&text).unwrap().into_iter().map(read).collect())
}

#[test]
fn the_collected_vectors_are_judged_as_they_say() {
    let Some(vectors) = vectors() else { return };
    assert!(!vectors.is_empty());
    for (case, valid) in vectors {
        assert_eq!(case.is_valid(), valid, "{case:?}");
    }
}

#[test]
fn no_bit_may_be_another() {
    let Some(vectors) = vectors() else { return };
    for (case, _) in vectors.into_iter().filter(|(_, valid)| *valid) {
        let (body, media) = case.encoded();
        for place in 0..case.signature.len() * 8 {
            let mut bytes = case.signature.clone().into_bytes();
            bytes[place / 8] ^= 1 << (place % 8);
            let Ok(signature) = String::from_utf8(bytes) else { continue };
            assert!(!Case { signature, ..case.clone() }.is_valid(), "bit {place} of the signature of {case:?}");
        }
        for place in 0..body.len() * 8 {
            let mut changed = body.clone();
            changed[place / 8] ^= 1 << (place % 8);
            // `+` and `%20` may say the same; what is said is what is signed.
            let same = |body: &[u8]| {
                let mut pairs: Vec<_> = url::form_urlencoded::parse(body).into_owned().collect();
                pairs.sort();
                pairs.dedup();
                pairs
            };
            if media == FORM && same(&changed) == same(&body) {
                continue;
            }
            assert!(!case.takes(&case.url, &changed, media), "bit {place} of the body of {case:?}");
        }
        let other = Case { token: format!("{}0", case.token), ..case.clone() };
        assert!(!other.is_valid(), "{other:?}");
        assert!(!case.takes(&format!("{}&x=1", case.url), &body, media), "{case:?}");
    }
}

/// Numbers that are the same in every run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % sides
    }

    fn one<'a>(&mut self, of: &[&'a str]) -> &'a str {
        of[self.roll(of.len())]
    }

    fn text(&mut self) -> String {
        const LETTERS: [&str; 16] =
            ["a", "Z", "7", " ", "+", "%", "&", "=", "\"", "'", "<", "\u{e9}", "\u{5e9}", "\u{1f98a}", "\n", "/"];
        (0..self.roll(12)).map(|_| self.one(&LETTERS)).collect()
    }

    fn case(&mut self) -> Case {
        let scheme = self.one(&["https", "http"]);
        let port = self.one(&["", ":443", ":80", ":8443"]);
        let path = self.one(&["/messages", "/a/b.php", "/x%20y", "/"]);
        let query = self.one(&["", "?foo=1&bar=2", "?a=1%202&b=%C3%A9", "?Body=It%27s+amazing"]);
        let host = self.one(&["sms.example.com", "h.example"]);
        let mut url = format!("{scheme}://{host}{port}{path}{query}");
        let names = ["Body", "From", "To", "MessageSid", "MediaUrl0", "MediaUrl1", "Digits", "A.b", "a"];
        let params: Vec<_> = (0..self.roll(8)).map(|_| (self.one(&names).to_owned(), self.text())).collect();
        let body = (self.roll(5) == 0).then(|| serde_json::json!({ "Body": self.text() }).to_string());
        if let Some(body) = &body {
            let and = if url.contains('?') { '&' } else { '?' };
            url = format!("{url}{and}{}", processors::messages::hashed(body.as_bytes()));
        }
        let token = format!("{}{}", self.one(&["t", "token", "\u{e9}"]), self.roll(1000));
        let mut case = Case { token, url, params, body, signature: String::new() };
        case.signature = case.made();
        case
    }

    /// The same request as somebody else may have sent it, or as a proxy may have changed it.
    fn changed(&mut self, mut case: Case) -> Case {
        match self.roll(8) {
            0 => case.url = case.url.replacen(":443", "", 1),
            1 => case.url = case.url.replacen(".example", ".example2", 1),
            2 => case.url = case.url.replacen("://h.example/", "://h.example:8080/", 1),
            3 => case.params.push(("Body".to_owned(), self.text())),
            4 => case.params.reverse(),
            5 => case.body = case.body.map(|body| format!("{body} ")),
            6 => case.signature = case.signature.to_lowercase(),
            _ => {}
        }
        case
    }
}

fn cases() -> Vec<Case> {
    let mut dice = Dice(7);
    (0..1000).map(|_| dice.case()).collect()
}

fn changed(cases: &[Case]) -> Vec<Case> {
    let mut dice = Dice(11);
    cases.iter().cloned().map(|case| dice.changed(case)).collect()
}

fn ask(mut oracle: Command, cases: &[Case]) -> Vec<Answer> {
    let mut oracle = oracle.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    oracle.stdin.take().unwrap().write_all(serde_json::to_string(cases).unwrap().as_bytes()).unwrap();
    serde_json::from_slice(&oracle.wait_with_output().unwrap().stdout).unwrap()
}

fn script(name: &str) -> std::path::PathBuf {
    workspace_root().join("tests/e2e/messages").join(name)
}

#[test]
fn the_official_library_for_python_agrees() {
    let oracle = || {
        let mut python = Command::new(twilio_python());
        python.arg(script("oracle.py"));
        python
    };
    let cases = cases();
    for (case, answer) in cases.iter().zip(ask(oracle(), &cases)) {
        assert_eq!((case.made(), true, true), (answer.made, answer.valid, case.is_valid()), "{case:?}");
    }
    let changed = changed(&cases);
    for (case, answer) in changed.iter().zip(ask(oracle(), &changed)) {
        assert_eq!(case.is_valid(), answer.valid, "{case:?}");
    }
}

#[test]
fn the_official_library_for_node_agrees() {
    let oracle = || {
        let mut node = node_with("twilio@6.2.0")?;
        node.arg(script("oracle.cjs"));
        Ok::<_, String>(node)
    };
    let node = match oracle() {
        Ok(node) => node,
        Err(why) => {
            eprintln!("skipped: {why}");
            return;
        }
    };
    let cases = cases();
    for (case, answer) in cases.iter().zip(ask(node, &cases)) {
        assert_eq!((case.made(), true, true), (answer.made, answer.valid, case.is_valid()), "{case:?}");
    }
    let changed = changed(&cases);
    let answers = ask(oracle().unwrap(), &changed);
    assert!(answers.iter().any(|answer| answer.valid) && answers.iter().any(|answer| !answer.valid));
    for (case, answer) in changed.iter().zip(answers) {
        assert_eq!(case.is_valid(), answer.valid, "{case:?}");
    }
}
