//! Wikipedia's page summaries (<https://en.wikipedia.org/api/rest_v1/>), read through the guarded client and remembered for a day.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use async_trait::async_trait;
use common::{
    error::{Error, Kind, Result, internal},
    faces::Biography,
    ports::{Biographies, Fetch},
    request::ImageSource,
    source::{FetchLimits, HostPort, SourcePolicy, SourceUrl, SystemResolver, WebFetcher},
};
use quick_cache::sync::Cache;
use serde::Deserialize;
use url::Url;

/// Where summaries are read unless it is said otherwise.
pub const WIKIPEDIA: &str = "https://en.wikipedia.org";
/// With a page about whoever asks, as Wikimedia wants it (<https://foundation.wikimedia.org/wiki/Policy:User-Agent_policy>).
const USER_AGENT: &str = concat!("crosslens/", env!("CARGO_PKG_VERSION"), " (https://crosslens.dev)");
/// A summary has a few kilobytes.
const FETCHED: FetchLimits = FetchLimits { max_bytes: 256 * 1024, total: Duration::from_secs(5), redirects: 3 };
/// Entries that are remembered, and for how long.
const ENTRIES: usize = 1024;
const FRESH: Duration = Duration::from_secs(24 * 60 * 60);

/// Asks a Wikipedia. Cheap to clone.
#[derive(Clone)]
pub struct Wikipedia {
    base: Url,
    fetch: Arc<dyn Fetch>,
    known: Arc<Cache<String, (Instant, Option<Biography>)>>,
}

impl Wikipedia {
    /// The one at this address, without a path; [`WIKIPEDIA`] is the English one. The operator's own choice may be a local address.
    ///
    /// # Errors
    /// `invalid-request` for an address without a host; where this machine's root certificates cannot be read.
    pub fn new(base: Url) -> Result<Self> {
        let invalid = || Error::new(Kind::InvalidRequest, "an encyclopaedia has a host");
        let (host, port) = base.host_str().zip(base.port_or_known_default()).ok_or_else(invalid)?;
        let policy = SourcePolicy::new(vec![format!("{host}:{port}").parse::<HostPort>()?]);
        let fetch = WebFetcher::new(policy, FETCHED, Arc::new(SystemResolver))?;
        let fetch = Arc::new(fetch.asking_for("application/json", USER_AGENT));
        Ok(Self { base, fetch, known: Arc::new(Cache::new(ENTRIES)) })
    }

    /// The one at this address as the port, or nobody where there is none.
    ///
    /// # Errors
    /// As of [`Self::new`].
    pub fn at(base: Option<&Url>) -> Result<Option<Arc<dyn Biographies>>> {
        base.map(|base| Ok(Arc::new(Self::new(base.clone())?) as Arc<dyn Biographies>)).transpose()
    }

    fn url(&self, name: &str) -> Result<SourceUrl> {
        let mut url = self.base.clone();
        let lost = |()| internal("an encyclopaedia's address has no path");
        url.path_segments_mut().map_err(lost)?.pop_if_empty().extend([
            "api",
            "rest_v1",
            "page",
            "summary",
            &name.replace(' ', "_"),
        ]);
        SourceUrl::parse(url.as_str())
    }
}

#[async_trait]
impl Biographies for Wikipedia {
    async fn about(&self, name: &str) -> Result<Option<Biography>> {
        if self.known.get(name).is_some_and(|(at, _)| at.elapsed() >= FRESH) {
            self.known.remove(name);
        }
        // Of several who ask for one name at the same time one goes; a failure is not remembered.
        let asked = async {
            match self.fetch.fetch(&ImageSource::Url(self.url(name)?)).await {
                Ok(json) => Ok((Instant::now(), read(&json)?)),
                Err(error) if error.kind() == Kind::SourceNotFound => Ok((Instant::now(), None)),
                Err(error) => Err(error),
            }
        };
        let (_, found) = self.known.get_or_insert_async(name, asked).await?;
        Ok(found)
    }
}

/// A summary, as <https://www.mediawiki.org/wiki/Specs/Summary/1.4.2> has it.
#[derive(Deserialize)]
struct Summary {
    r#type: String,
    title: String,
    description: Option<String>,
    #[serde(default)]
    extract: String,
    content_urls: Option<ContentUrls>,
}

#[derive(Deserialize)]
struct ContentUrls {
    desktop: Option<Page>,
}

#[derive(Deserialize)]
struct Page {
    page: String,
}

/// Only a page about one thing says who somebody is.
fn read(json: &[u8]) -> Result<Option<Biography>> {
    let unreadable = |_| Error::new(Kind::SourceUnavailable, "the encyclopaedia's answer cannot be read");
    let summary: Summary = serde_json::from_slice(json).map_err(unreadable)?;
    let source = summary.content_urls.and_then(|urls| urls.desktop).map(|page| page.page);
    let (true, Some(source)) = (summary.r#type == "standard", source) else { return Ok(None) };
    let description = summary.description.filter(|words| !words.is_empty());
    Ok(Some(Biography { title: summary.title, description, summary: summary.extract, source }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_part_of_the_path() {
        let wikipedia = Wikipedia::new("https://en.wikipedia.org".parse().unwrap()).unwrap();
        let url = |name: &str| wikipedia.url(name).unwrap().shown();
        assert_eq!(url("Tom Cruise"), "https://en.wikipedia.org/api/rest_v1/page/summary/Tom_Cruise");
        assert_eq!(url("A/B?c#d"), "https://en.wikipedia.org/api/rest_v1/page/summary/A%2FB%3Fc%23d");
    }

    #[test]
    fn only_a_page_about_one_thing_is_an_entry() {
        let json = |kind: &str| {
            let urls = r#"{"desktop":{"page":"https://en.wikipedia.org/wiki/X"}}"#;
            format!(
                r#"{{"type":"{kind}","title":"X","description":"","extract":"X is.","content_urls":{urls},"lang":"en"}}"#
            )
        };
        let found = read(json("standard").as_bytes()).unwrap().unwrap();
        assert_eq!((found.summary.as_str(), found.description), ("X is.", None));
        assert_eq!(read(json("disambiguation").as_bytes()).unwrap(), None);
        assert_eq!(read(json("no-extract").as_bytes()).unwrap(), None);
        assert_eq!(read(b"<html>").unwrap_err().kind(), Kind::SourceUnavailable);
    }
}
