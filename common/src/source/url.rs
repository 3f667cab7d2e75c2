//! What the text of an image source may be. Pure: whether its address may be opened is the policy's business.

use url::{Host, Url};

use crate::error::{Error, Kind, Result};

/// The longest URL that is read, in bytes.
const MAX_LENGTH: usize = 4096;

/// A URL that an image may be fetched from, as far as its text can tell: `http` or `https`, a host, no credentials.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceUrl(Url);

impl SourceUrl {
    /// Reads it strictly. The URL standard strips or repairs control characters, white space at the ends, backslashes and
    /// missing slashes; programs differ in how, so all of these are refused on the text as it came.
    pub fn parse(text: &str) -> Result<Self> {
        if text.len() > MAX_LENGTH {
            return Err(invalid("the url is longer than 4,096 bytes"));
        }
        if text.chars().any(char::is_control) || text.trim() != text {
            return Err(invalid("the url holds a control character, or white space at an end"));
        }
        let (scheme, rest) = text.split_once(':').unwrap_or_default();
        if !is_web(scheme) {
            return Err(invalid("the url must begin with http:// or https://"));
        }
        let rest = rest.strip_prefix("//").unwrap_or_default();
        let before_query = rest.split(['?', '#']).next().unwrap_or_default();
        let authority = before_query.split('/').next().unwrap_or_default();
        if authority.is_empty() {
            return Err(invalid("the url has no host"));
        }
        if before_query.contains('\\') {
            return Err(invalid("the url holds a backslash"));
        }
        if authority.contains('@') {
            return Err(invalid("the url holds credentials"));
        }
        let url = Url::parse(text).map_err(|cause| invalid("this is not a url").because(cause))?;
        Self::checked(url)
    }

    /// Where a redirect from here leads; `location` is absolute or relative to this URL. A redirect may lead to wherever a
    /// URL may be fetched from, but not from https back to http.
    pub(super) fn join(&self, location: &str) -> Result<Self> {
        let target =
            self.target(location).map_err(|cause| blocked("the source redirects to no valid url").because(cause))?;
        if self.0.scheme() == "https" && target.0.scheme() == "http" {
            return Err(blocked("the source redirects from https to http"));
        }
        Ok(target)
    }

    fn target(&self, location: &str) -> Result<Self> {
        let scheme = location.split_once(':').map(|(scheme, _)| scheme).unwrap_or_default();
        let absolute = scheme.starts_with(|first: char| first.is_ascii_alphabetic())
            && scheme.chars().all(|letter| letter.is_ascii_alphanumeric() || "+-.".contains(letter));
        if absolute {
            return Self::parse(location);
        }
        if location.chars().any(char::is_control) || location.contains('\\') {
            return Err(invalid("the redirect holds a control character or a backslash"));
        }
        let url = self.0.join(location).map_err(|cause| invalid("the redirect is not a url").because(cause))?;
        Self::checked(url)
    }

    fn checked(url: Url) -> Result<Self> {
        if url.as_str().len() > MAX_LENGTH {
            return Err(invalid("the url is longer than 4,096 bytes"));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(invalid("the url holds credentials"));
        }
        match url.host() {
            Some(Host::Domain(name)) if !is_host_name(name) => Err(invalid("the host is not a valid host name")),
            Some(_) => Ok(Self(url)),
            None => Err(invalid("the url has no host")),
        }
    }

    /// What may be stored and published: scheme, host, port and path.
    pub fn shown(&self) -> String {
        let mut url = self.0.clone();
        url.set_query(None);
        url.set_fragment(None);
        url.into()
    }

    /// Name or address, normalised; a name in ASCII and lower case.
    pub fn host(&self) -> Host<&str> {
        self.0.host().unwrap_or(Host::Domain(""))
    }

    /// The port, the scheme's own where none is written.
    pub fn port(&self) -> u16 {
        self.0.port_or_known_default().unwrap_or_default()
    }

    pub(super) fn as_url(&self) -> &Url {
        &self.0
    }
}

fn is_web(scheme: &str) -> bool {
    ["http", "https"].iter().any(|known| scheme.eq_ignore_ascii_case(known))
}

/// The rule of RFC 1123 section 2.1, and the underscore that real names have. `name` is in ASCII already.
fn is_host_name(name: &str) -> bool {
    let name = name.strip_suffix('.').unwrap_or(name);
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    };
    name.len() <= 253 && name.split('.').all(is_label)
}

fn blocked(message: &'static str) -> Error {
    Error::new(Kind::SourceBlocked, message)
}

fn invalid(message: &'static str) -> Error {
    Error::new(Kind::InvalidRequest, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strange_texts_are_refused() {
        let refused = [
            "",
            "//x",
            "ftp://x/",
            "file:///etc/passwd",
            "https:1.2.3.4",
            "http:/x",
            "http:///x",
            "http://",
            "http://?x",
            "http://a:b@x/",
            "http://@x/",
            "http://x\\y",
            "http:\\\\x",
            " http://x",
            "http://x ",
            "http://x\n",
            "http://x/\u{7f}",
            "http://x/\u{85}",
            "http://a..b/",
            "http://..",
            "http://[::1",
            "http://x:99999",
            "javascript:alert(1)",
            "http:x://y",
            "https:192.168.1.1/://x",
            "http://a!b/",
            "http://-a.b/",
            "http://a-.b/",
            "http://a.b../",
            "http://*.x/",
            "http://x\u{3000}",
            "\u{feff}http://x/",
        ];
        for text in refused {
            assert_eq!(SourceUrl::parse(text).map_err(|error| error.kind()), Err(Kind::InvalidRequest), "{text:?}");
        }
    }

    #[test]
    fn what_is_shown_keeps_no_secret() {
        let url = SourceUrl::parse("HTTPS://Example.com:443/a/b.jpg?signature=s#f").unwrap();
        assert_eq!(url.shown(), "https://example.com/a/b.jpg");
        assert_eq!(url.port(), 443);
    }

    #[test]
    fn ordinary_texts_are_read() {
        for text in [
            "http://foo.bar?q=Spaces should be encoded",
            "http://a_b.example.",
            "https://✪df.ws/a\u{300}",
            "HTTP://[::1]/",
        ] {
            assert!(SourceUrl::parse(text).is_ok(), "{text:?}");
        }
        let label = "a".repeat(63);
        assert!(SourceUrl::parse(&format!("http://{label}/")).is_ok());
        assert!(SourceUrl::parse(&format!("http://{label}a/")).is_err());
    }

    #[test]
    fn a_redirect_stays_on_the_web() {
        let url = SourceUrl::parse("https://example.com/a").unwrap();
        let leads = |location: &str| url.join(location).map(|target| target.shown()).map_err(|error| error.kind());
        assert_eq!(leads("/b?c"), Ok("https://example.com/b".to_owned()));
        assert_eq!(leads("b:c"), Err(Kind::SourceBlocked));
        assert_eq!(leads("./b:c"), Ok("https://example.com/b:c".to_owned()));
        assert_eq!(leads("//other.example/b"), Ok("https://other.example/b".to_owned()));
        let refused = [
            "file:///etc/passwd",
            "//u:p@example.com/",
            "http://example.com/",
            "https:127.0.0.1",
            "https:\\\\x",
            "/\\x/",
            "\\\\x/",
            "/a\tb",
            "//a..b/",
            "https://x y/",
            "gopher://x/",
        ];
        for location in refused {
            assert_eq!(leads(location), Err(Kind::SourceBlocked), "{location:?}");
        }
        let plain = SourceUrl::parse("http://example.com/a").unwrap();
        assert!(plain.join("https://example.com/").is_ok());
    }
}
