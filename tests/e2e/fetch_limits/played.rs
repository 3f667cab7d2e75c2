//! The foreign rows about what httpbin.org answers, and those answers.

use url::Url;

/// A body that no decoder of pictures takes.
pub(super) const PAGE: &str = "<!doctype html><script>alert(1)</script>";

/// The `Content-Type` of every row that smuggles one type in with another; empty where the foreign inputs are not there.
pub(super) fn smuggled() -> Vec<String> {
    let Some(cases) = tests::cases_dir() else { return Vec::new() };
    let table = std::fs::read_to_string(cases.join("ssrf_urls.tsv")).unwrap();
    let urls = table.lines().filter_map(|line| Url::parse(line.split('\t').next()?).ok());
    let rows = urls.filter(|url| url.host_str() == Some("httpbin.org") && url.path() == "/response-headers");
    rows.map(|url| url.query_pairs().find(|(key, _)| key == "Content-Type").unwrap().1.into_owned()).collect()
}
