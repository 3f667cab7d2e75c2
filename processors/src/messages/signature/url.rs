//! The public URL in all the forms in which it may have been signed: Twilio is not consistent about the standard port, and some of its
//! servers sign an escaped query (both as its own libraries have it). Pure.

use std::{fmt, fmt::Write as _, str::FromStr};

use url::Url;

/// The URL that Twilio was told to call: scheme, user if any, host, port if any, path. It is kept as it was written.
#[derive(Clone, PartialEq, Eq)]
pub struct PublicUrl {
    scheme: String,
    user: String,
    host: String,
    port: String,
    path: String,
    /// What was declared as the query; it holds where the request has none.
    query: Option<String>,
}

/// Not the user, who may be followed by a password.
impl fmt::Debug for PublicUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}{}{}", self.scheme, self.host, self.port, self.path)
    }
}

impl FromStr for PublicUrl {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let form = "write the public URL that Twilio calls, as in https://sms.example.com/messages";
        let url: Url = text.parse().map_err(|_| form)?;
        let plain = !text.chars().any(|letter| letter.is_control() || letter.is_whitespace() || letter == '\\');
        if !matches!(url.scheme(), "http" | "https") || url.fragment().is_some() || !plain {
            return Err(form);
        }
        let (scheme, rest) = text.split_once("://").ok_or(form)?;
        let (authority, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
        let (path, query) = match path.split_once('?') {
            Some((path, query)) => (path, Some(query.to_owned())),
            None => (path, None),
        };
        let (user, place) = authority.split_at(authority.rfind('@').map_or(0, |at| at.saturating_add(1)));
        // A colon begins the port only after the closing bracket of an IPv6 address.
        let bracket = place.rfind(']').map_or(0, |at| at.saturating_add(1));
        let colon = place.get(bracket..).and_then(|after| after.find(':')).map(|at| bracket.saturating_add(at));
        let (host, port) = place.split_at(colon.unwrap_or(place.len()));
        if host.is_empty() {
            return Err(form);
        }
        Ok(Self {
            scheme: format!("{scheme}://"),
            user: user.to_owned(),
            host: host.to_owned(),
            port: port.to_owned(),
            path: path.to_owned(),
            query,
        })
    }
}

impl PublicUrl {
    /// Whatever may have been signed for a request with this query: as received, without a port and with the standard one, and the
    /// same with the query escaped.
    pub(super) fn candidates(&self, query: Option<&str>) -> Vec<String> {
        let query = query.map(str::to_owned).or_else(|| self.query.clone());
        let after = query.map(|query| format!("?{query}")).unwrap_or_default();
        let standard = if self.scheme.eq_ignore_ascii_case("https://") { ":443" } else { ":80" };
        let with = if self.port.is_empty() { standard } else { &self.port };
        let mut candidates = Vec::new();
        let mut add = |candidate: String| {
            if !candidates.contains(&candidate) {
                candidates.push(candidate);
            }
        };
        for port in ["", with] {
            let url = format!("{}{}{}{port}{}{after}", self.scheme, self.user, self.host, self.path);
            let normal = url.parse::<Url>().map(|normal| self.with_port(&normal, port)).unwrap_or_else(|_| url.clone());
            let escaped = with_escaped_query(&normal);
            for candidate in [url, normal, escaped] {
                add(candidate);
            }
        }
        candidates
    }

    /// The URL as browsers write it, with this port even where it is the standard one.
    fn with_port(&self, url: &Url, port: &str) -> String {
        let user = &self.user;
        let host = url.host_str().unwrap_or_default();
        let query = url.query().map(|query| format!("?{query}")).unwrap_or_default();
        format!("{}://{user}{host}{port}{}{query}", url.scheme(), url.path())
    }
}

/// The query as Node's `querystring` parses and writes it, which groups equal names.
fn with_escaped_query(url: &str) -> String {
    let Some((place, query)) = url.split_once('?').filter(|(_, query)| !query.is_empty()) else {
        return url.to_owned();
    };
    let mut names: Vec<String> = Vec::new();
    let pairs: Vec<(String, String)> = url::form_urlencoded::parse(query.as_bytes()).into_owned().collect();
    for (name, _) in &pairs {
        if !names.contains(name) {
            names.push(name.clone());
        }
    }
    let mut text = String::new();
    for name in &names {
        for (_, value) in pairs.iter().filter(|(other, _)| other == name) {
            let and = if text.is_empty() { "" } else { "&" };
            let _ = write!(text, "{and}{}={}", escaped(name), escaped(value));
        }
    }
    format!("{place}?{text}")
}

fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.!~*'()".contains(&byte) {
            escaped.push(char::from(byte));
        } else {
            let _ = write!(escaped, "%{byte:02X}");
        }
    }
    escaped
}
