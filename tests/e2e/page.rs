//! The page of `crosslens up` in a real headless Chromium: a picture in, labels and events to be seen.

mod browser;

use std::fs;

use browser::Browser;
use data_encoding::BASE64;
use serde_json::Value;
use tests::{Server, client, numbered_picture, photo, wait_until_async, workspace_root};

/// Drops a file on the page as a hand would, as far as the page can tell.
const DROP: &str = "
    const bytes = Uint8Array.from(atob(arguments[0]), (one) => one.charCodeAt(0));
    const transfer = new DataTransfer();
    transfer.items.add(new File([bytes], arguments[1]));
    const event = new DragEvent('drop', { dataTransfer: transfer, bubbles: true, cancelable: true });
    document.querySelector('#drop').dispatchEvent(event);";

#[tokio::test(flavor = "multi_thread")]
async fn a_dropped_picture_shows_its_labels_and_its_event() {
    let server = Server::start::<_, &str>([]);
    let Some(browser) = Browser::start(1200, 1000).await else { return };
    browser.open(server.url()).await;
    browser.shows("#link-text", "following events").await;

    drop_on(&browser, "coffee.png").await;
    browser.shows("#labels li:first-child .word", "espresso").await;
    let score = browser.mentions("#labels li:first-child .score", " %").await;
    let score: f64 = score.trim_end_matches(" %").parse().unwrap();
    assert!((85.0..=100.0).contains(&score), "{score}");
    browser.mentions("#facts", "local").await;
    browser.mentions("#events [data-topic=image_labelled] .what", "espresso").await;
    browser.mentions("#kept li:first-child .what", "espresso").await;
    assert_eq!(browser.count("#preview:not([hidden])").await, 1, "the picture is not shown");

    put(&server, "shelf/rocket.jpg", fs::read(photo("rocket.jpg")).unwrap()).await;
    browser.mentions("#events [data-topic=image_labelled] .from", "shelf/rocket.jpg").await;
    browser.mentions("#events [data-topic=image_labelled] .what", "missile").await;
    browser.click("#events [data-topic=image_labelled] button").await;
    browser.shows("#labels li:first-child .word", "missile").await;

    put(&server, "notes.png", b"not a picture".to_vec()).await;
    browser.mentions("#events [data-topic=image_failed] .what", "unsupported-media").await;
    assert_eq!(browser.count("#events [data-topic=image_labelled], #events [data-topic=image_failed]").await, 3);
    assert_eq!(browser.complaints().await, [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn files_addresses_and_the_sample_are_ways_in_too() {
    let server = Server::start::<_, &str>([]);
    let Some(browser) = Browser::start(420, 900).await else { return };
    browser.open(server.url()).await;
    browser.shows("#link-text", "following events").await;

    browser.choose_file("#file", photo("coffee.png")).await;
    browser.mentions("#said", "coffee.png: espresso").await;
    browser.choose_file("#file", &workspace_root().join("Cargo.toml")).await;
    browser.mentions("#problem", "Not an accepted image type").await;
    assert_eq!(browser.count("#labels li").await, 0, "old labels stand beside a problem");

    browser.type_into("#address", "http://127.0.0.1:9/a.png\u{e007}").await;
    browser.mentions("#problem", "--allow-source 127.0.0.1:9").await;

    browser.click(".ask summary").await;
    browser.click("[value=safe_search]").await;
    browser.click("#sample").await;
    browser.mentions("#said", "the sample: ").await;
    browser.mentions("#unsupported", "cannot tell: safe search").await;
    let wide = browser.script("return document.documentElement.scrollWidth > innerWidth", &[]).await;
    assert_eq!(wide, Value::Bool(false), "a narrow window scrolls sideways");
    assert_eq!(browser.complaints().await, [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn names_from_outside_stay_text() {
    let server = Server::start::<_, &str>([]);
    let Some(browser) = Browser::start(1200, 1000).await else { return };
    browser.open(server.url()).await;
    browser.shows("#link-text", "following events").await;
    let (name, encoded) = ("<img src=x onerror=hit=1>.bmp", "%3Cimg%20src=x%20onerror=hit=1%3E.bmp");
    put(&server, encoded, numbered_picture(1)).await;
    browser.mentions("#events [data-topic=image_labelled] .from", name).await;
    browser.click("#events [data-topic=image_labelled] button").await;
    browser.mentions("#facts", name).await;
    browser.open(server.url()).await;
    browser.mentions("#kept li:first-child .from", name).await;
    assert_eq!(browser.count("main img").await, 2, "the preview and the sample");
    assert_eq!(browser.script("return typeof hit", &[]).await, "undefined");
    assert_eq!(browser.complaints().await, [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_for_a_person_is_worked_off_on_the_page() {
    let folder = tempfile::tempdir().unwrap();
    let policy = folder.path().join("policy.toml");
    let cats = "[[rule]]\nname = \"cats\"\naction = \"review\"\nany = [{ label_matches = \"cat\", score = 0.2 }]\n";
    fs::write(&policy, cats).unwrap();
    let server = Server::build().arg("--policy").arg(&policy).start();
    let Some(browser) = Browser::start(1200, 1400).await else { return };
    browser.open(server.url()).await;
    browser.shows("#link-text", "following events").await;
    assert_eq!(browser.count("#waiting-card[hidden]").await, 1, "nothing waits yet");

    put(&server, "pets/chelsea.png", fs::read(photo("chelsea.png")).unwrap()).await;
    browser.mentions("#waiting .what", "review by the rule “cats”").await;
    browser.mentions("#waiting .from", "pets/chelsea.png").await;
    browser.click("#events [data-topic=image_moderated] button").await;
    browser.mentions("#findings", "review by the rule").await;
    browser.mentions("#findings", "gato").await;

    // Nobody decides without a name and a reason.
    browser.click("#waiting [data-verdict=allow]").await;
    assert_eq!(browser.count("#waiting li").await, 1);
    browser.type_into("#reviewer", "Ada").await;
    browser.type_into("#waiting input", "only a cat").await;
    browser.click("#waiting [data-verdict=allow]").await;
    browser.mentions("#events [data-topic=image_moderated] .what", "allow by Ada").await;
    wait_until_async("the list to be empty", async || {
        (browser.count("#waiting-card[hidden]").await == 1).then_some(())
    })
    .await;
    assert_eq!(browser.complaints().await, [""; 0]);
}

/// `cargo test --release -p tests --test e2e -- --ignored picture_for_the_readme`
#[tokio::test(flavor = "multi_thread")]
#[ignore = "writes docs/page.png"]
async fn picture_for_the_readme() {
    let server = Server::start::<_, &str>([]);
    let browser = Browser::start(1180, 1270).await.expect("a browser");
    browser.open(server.url()).await;
    browser.shows("#link-text", "following events").await;
    for name in ["rocket.jpg", "chelsea.png"] {
        put(&server, name, fs::read(photo(name)).unwrap()).await;
        browser.mentions("#events [data-topic=image_labelled] .from", name).await;
    }
    browser.click("#sample").await;
    browser.mentions("#said", "the sample: ").await;
    browser.script("document.activeElement.blur()", &[]).await;
    let shot = browser.screenshot().await;
    fs::write(workspace_root().join("docs/page.png"), BASE64.decode(shot.as_bytes()).unwrap()).unwrap();
}

async fn drop_on(browser: &Browser, name: &str) {
    let bytes = fs::read(photo(name)).unwrap();
    browser.script(DROP, &[BASE64.encode(&bytes).into(), name.into()]).await;
}

async fn put(server: &Server, key: &str, bytes: Vec<u8>) {
    let stored = client().put(server.at(&format!("/uploads/{key}"))).body(bytes).send().await.unwrap();
    assert_eq!(stored.status(), 201);
}
