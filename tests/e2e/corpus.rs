//! Pictures that were broken, blown up or bent on purpose, over HTTP, eight at a time: each is answered, and the server lives.

use std::{
    fs,
    time::{Duration, Instant},
};

use common::{error::Kind, image::MediaType, sample::SAMPLE};
use futures_util::{StreamExt as _, stream};
use serde_json::Value;
use tests::{Server, cases_dir, client};

const AT_A_TIME: usize = 8;
const MOST_MEMORY: u64 = 400_000_000;
/// An answer that takes longer has hung.
const PATIENCE: Duration = Duration::from_secs(2);

struct Case {
    name: String,
    bytes: Vec<u8>,
    /// What a bounded decoder made of it when the collection was put together.
    readable: bool,
}

struct Answer {
    name: String,
    took: Duration,
    wrong: Option<String>,
}

#[tokio::test(flavor = "multi_thread")]
async fn every_picture_of_the_collection_is_answered() {
    let Some(folder) = cases_dir().map(|cases| cases.join("images")) else { return };
    let manifest = fs::read_to_string(folder.join("MANIFEST.tsv")).unwrap();
    let cases = manifest.lines().skip(1).map(|row| {
        let columns: Vec<_> = row.split('\t').collect();
        let bytes = fs::read(folder.join(columns[0])).unwrap();
        let readable = columns[4].starts_with("ok") && MediaType::sniff(&bytes).is_ok();
        Case { name: columns[0].to_owned(), bytes, readable }
    });
    let server = Server::start(["--detector", "local"]);
    let (client, url) = (client(), server.at("/v1/images"));
    let answers: Vec<Answer> = stream::iter(cases)
        .map(|case| ask(client.clone(), url.clone(), case))
        .buffer_unordered(AT_A_TIME)
        .collect()
        .await;

    let wrong: Vec<_> = answers.iter().filter_map(|answer| Some((&answer.name, answer.wrong.as_ref()?))).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(answers.len() > 1000, "{} answers", answers.len());
    let slowest = answers.iter().max_by_key(|answer| answer.took).unwrap();
    let peak = server.memory().peak;
    eprintln!(
        "{} pictures; slowest {} in {:?}; peak {} MB",
        answers.len(),
        slowest.name,
        slowest.took,
        peak / 1_000_000
    );
    assert!(peak < MOST_MEMORY, "{peak} bytes");

    let answer = client.post(&url).header("content-type", SAMPLE.media_type).body(SAMPLE.bytes).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    let analysis: Value = answer.json().await.unwrap();
    assert_eq!(analysis["labels"][0]["description"], "espresso", "{analysis}");
}

async fn ask(client: reqwest::Client, url: String, case: Case) -> Answer {
    let begin = Instant::now();
    let request = client.post(url).header("content-type", "application/octet-stream").body(case.bytes);
    let wrong = match request.timeout(PATIENCE).send().await {
        Err(error) => Some(format!("{error:?}")),
        Ok(response) => {
            let status = response.status().as_u16();
            match response.json::<Value>().await {
                Err(error) => Some(format!("{status}: {error:?}")),
                Ok(body) => complaint(status, &body, case.readable),
            }
        }
    };
    Answer { name: case.name, took: begin.elapsed(), wrong }
}

/// Labels, or a problem that is the picture's own: none that a retry could help.
fn complaint(status: u16, body: &Value, readable: bool) -> Option<String> {
    if status == 200 {
        // A picture of nothing has an empty list of labels.
        return (!body["labels"].is_array()).then(|| format!("200 without labels: {body}"));
    }
    let slug = body["type"].as_str().and_then(|kind| kind.rsplit(['/', ':']).next()).unwrap_or_default();
    let known = Kind::from_slug(slug).filter(|kind| kind.status() == status);
    let own = matches!(known, Some(Kind::TooLarge | Kind::UnsupportedMedia | Kind::UndecodableImage));
    let refused = readable && known != Some(Kind::TooLarge);
    (!own || refused || body["retryable"] != false).then(|| format!("{status}: {body}"))
}
