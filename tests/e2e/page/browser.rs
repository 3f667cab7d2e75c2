//! A headless Chromium driven over plain WebDriver: JSON over HTTP, no library.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpStream,
    path::Path,
    process::{Child, Command, Stdio},
};

use serde_json::{Value, json};
use tempfile::TempDir;
use tests::{chromedriver, chromium, client, wait_until_async};

/// The key under which WebDriver names an element.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// A browser with one empty profile and one window. It ends when this is dropped.
pub(super) struct Browser {
    driver: Child,
    session: String,
    _profile: TempDir,
}

impl Browser {
    /// Starts one; `None`, with the reason on stderr, where there is no browser.
    pub(super) async fn start(width: u32, height: u32) -> Option<Self> {
        let (chromium, chromedriver) = (chromium()?, chromedriver()?);
        let mut driver =
            Command::new(chromedriver).arg("--port=0").stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut lines = BufReader::new(driver.stdout.take().unwrap()).lines();
        let port = lines
            .find_map(|line| Some(line.ok()?.split_once(" successfully on port ")?.1.trim_end_matches('.').to_owned()));
        let driver_url = format!("http://127.0.0.1:{}", port.expect("the driver names its port"));
        let profile = tempfile::tempdir().unwrap();
        let mut browser = Self { driver, session: format!("{driver_url}/session"), _profile: profile };

        let profile = format!("--user-data-dir={}", browser._profile.path().display());
        let size = format!("--window-size={width},{height}");
        // Nothing but the page is to be asked for anything, and containers have no sandbox of their own to give.
        let args = [
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--disable-dev-shm-usage",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
            &profile,
            &size,
        ];
        let options = json!({ "binary": chromium, "args": args });
        let wanted = json!({ "goog:chromeOptions": options, "goog:loggingPrefs": { "browser": "ALL" } });
        let made = browser.command("", json!({ "capabilities": { "alwaysMatch": wanted } })).await;
        browser.session = format!("{driver_url}/session/{}", made["sessionId"].as_str().unwrap());
        Some(browser)
    }

    pub(super) async fn open(&self, url: &str) {
        self.command("/url", json!({ "url": url })).await;
    }

    /// Types into the first element that the selector finds; into a file field, chooses that file.
    pub(super) async fn type_into(&self, selector: &str, text: &str) {
        let found = self.command("/element", json!({ "using": "css selector", "value": selector })).await;
        let element = found[ELEMENT].as_str().unwrap();
        self.command(&format!("/element/{element}/value"), json!({ "text": text })).await;
    }

    pub(super) async fn choose_file(&self, selector: &str, file: &Path) {
        self.type_into(selector, file.to_str().unwrap()).await;
    }

    pub(super) async fn click(&self, selector: &str) {
        let found = self.command("/element", json!({ "using": "css selector", "value": selector })).await;
        let element = found[ELEMENT].as_str().unwrap();
        self.command(&format!("/element/{element}/click"), json!({})).await;
    }

    /// Runs the body of a function in the page and returns what it returns.
    pub(super) async fn script(&self, body: &str, args: &[Value]) -> Value {
        self.command("/execute/sync", json!({ "script": body, "args": args })).await
    }

    /// Waits until an element shows exactly this text.
    pub(super) async fn shows(&self, selector: &str, text: &str) {
        self.wait_for(selector, &format!("`{text}`"), |shown| shown == text).await;
    }

    /// Waits until an element's text holds this.
    pub(super) async fn mentions(&self, selector: &str, text: &str) -> String {
        self.wait_for(selector, &format!("text with `{text}`"), |shown| shown.contains(text)).await
    }

    /// How many elements there are.
    pub(super) async fn count(&self, selector: &str) -> u64 {
        self.script("return document.querySelectorAll(arguments[0]).length", &[selector.into()]).await.as_u64().unwrap()
    }

    async fn wait_for(&self, selector: &str, what: &str, fits: impl Fn(&str) -> bool) -> String {
        const TEXT: &str =
            "const found = document.querySelector(arguments[0]); return found && !found.hidden && found.textContent";
        wait_until_async(&format!("{selector} to show {what}"), async || {
            let shown = self.script(TEXT, &[selector.into()]).await;
            shown.as_str().filter(|shown| fits(shown)).map(str::to_owned)
        })
        .await
    }

    /// What the page has complained about on its console.
    pub(super) async fn complaints(&self) -> Vec<String> {
        let log = self.command("/se/log", json!({ "type": "browser" })).await;
        let messages = log.as_array().unwrap().iter().map(|entry| entry["message"].as_str().unwrap().to_owned());
        // An answer that is no success is written there too; the page shows it, which is what counts.
        messages.filter(|message| !message.contains("Failed to load resource")).collect()
    }

    /// The window as PNG, in base64.
    pub(super) async fn screenshot(&self) -> String {
        let shot = json!({ "cmd": "Page.captureScreenshot", "params": { "captureBeyondViewport": false } });
        self.command("/goog/cdp/execute", shot).await["data"].as_str().unwrap().to_owned()
    }

    async fn command(&self, path: &str, body: Value) -> Value {
        let response = client().post(format!("{}{path}", self.session)).json(&body).send().await.unwrap();
        let (status, mut answer) = (response.status(), response.json::<Value>().await.unwrap());
        assert!(status.is_success(), "{path}: {answer}");
        answer["value"].take()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // The driver ends its browser only when it is asked to, and nothing here may wait for a runtime.
        let (address, session) = self.session.trim_start_matches("http://").split_once('/').unwrap();
        let goodbye = format!("DELETE /{session} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
        if let Ok(mut driver) = TcpStream::connect(address) {
            // It answers once the browser has ended, and keeps the connection.
            driver.write_all(goodbye.as_bytes()).and_then(|()| driver.read(&mut [0; 1024])).unwrap_or_default();
        }
        self.driver.kill().unwrap_or_default();
        self.driver.wait().unwrap();
    }
}
