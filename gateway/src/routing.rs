//! Where a request may go: what it asks for by name, by its id, by a rule, or by an earlier request with the same key. Pure.

use common::{
    error::{Error, Kind, Result},
    request::ImageId,
};
use http::{Method, request::Parts};

use crate::{
    config::Rule,
    fleet::{Fleet, Wish},
};

/// Addresses a colour: `aws/green`.
pub(crate) const COLOUR: &str = "x-crosslens-colour";
const IDEMPOTENCY: &str = "idempotency-key";

/// What the request asks of the choice.
///
/// # Errors
/// `invalid-request` where it names a colour that there is not, `not-found` for an image that no cloud keeps.
pub(crate) fn wish(request: &Parts, fleet: &Fleet, rules: &[Rule]) -> Result<Wish> {
    if let Some(named) = text(request, COLOUR) {
        return addressed(named, fleet);
    }
    if let Some(id) = image(request.uri.path()) {
        let id: ImageId = id.parse()?;
        let prefix = id.as_str().split('-').next().unwrap_or_default();
        let cloud = fleet.clouds.iter().position(|cloud| cloud.ids == prefix);
        let cloud = cloud.ok_or_else(|| Error::new(Kind::NotFound, "no cloud behind this gateway keeps such ids"))?;
        return Ok(Wish { cloud: Some(cloud), ..Wish::default() });
    }
    let key = text(request, IDEMPOTENCY).map(ToOwned::to_owned);
    let Some(rule) = rules.iter().find(|rule| holds(rule, request)) else {
        return Ok(Wish { key, ..Wish::default() });
    };
    let cloud = fleet.find(&rule.cloud);
    let known = cloud.and_then(|place| fleet.clouds.get(place));
    let colour = rule.colour.as_ref().and_then(|name| known?.colours.iter().position(|one| one.colour.name == *name));
    Ok(Wish { cloud, colour, key, anyway: false })
}

/// Whether a second try does no harm: the method says so, or the key does.
pub(crate) fn is_repeatable(request: &Parts) -> bool {
    let safe = matches!(request.method, Method::GET | Method::HEAD | Method::OPTIONS | Method::PUT | Method::DELETE);
    safe || (request.method == Method::POST && request.headers.contains_key(IDEMPOTENCY))
}

/// The route's pattern, for logs and metrics: paths are the caller's to invent.
pub(crate) fn pattern(path: &str) -> &'static str {
    const KNOWN: [&str; 9] = [
        "/detect",
        "/v1/detect",
        "/v1/images",
        "/v1/images:annotate",
        "/openapi.json",
        "/messages",
        "/sns",
        "/health/live",
        "/health/ready",
    ];
    match KNOWN.iter().find(|known| **known == path) {
        Some(known) => known,
        None if image(path).is_some() => "/v1/images/{id}",
        None => "other",
    }
}

fn image(path: &str) -> Option<&str> {
    path.strip_prefix("/v1/images/").filter(|id| !id.is_empty() && !id.contains('/'))
}

fn addressed(named: &str, fleet: &Fleet) -> Result<Wish> {
    let found = named.split_once('/').and_then(|(cloud, colour)| {
        let place = fleet.find(cloud.trim())?;
        let colour = fleet.clouds.get(place)?.colours.iter().position(|one| one.colour.name == colour.trim())?;
        Some(Wish { cloud: Some(place), colour: Some(colour), anyway: true, key: None })
    });
    found.ok_or_else(|| Error::new(Kind::InvalidRequest, "x-crosslens-colour names no colour, as in aws/green"))
}

fn holds(rule: &Rule, request: &Parts) -> bool {
    let path = rule.path.as_ref().is_none_or(|path| request.uri.path().starts_with(path));
    let header = rule.header.is_none()
        || rule.header().is_some_and(|(name, value)| {
            request.headers.get_all(name).iter().any(|sent| sent.as_bytes() == value.as_bytes())
        });
    let asks = |feature: &String| features(request.uri.query().unwrap_or_default()).any(|asked| asked == *feature);
    path && header && rule.feature.as_ref().is_none_or(asks)
}

/// The features of a query, decoded.
fn features(query: &str) -> impl Iterator<Item = String> {
    let pairs = url::form_urlencoded::parse(query.as_bytes());
    let lists = pairs.filter(|(name, _)| name == "features").map(|(_, list)| list.into_owned());
    lists.flat_map(|list| list.split(',').map(|feature| feature.trim().to_owned()).collect::<Vec<_>>())
}

fn text<'a>(request: &'a Parts, name: &str) -> Option<&'a str> {
    request.headers.get(name)?.to_str().ok()
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;
    use crate::config::{Config, Origin};

    const CLOUDS: &str = r#"
        [[clouds]]
        name = "aws"
        [[clouds.colours]]
        name = "blue"
        url = "http://127.0.0.1:1"
        [[clouds.colours]]
        name = "green"
        url = "http://127.0.0.1:2"
        weight = 0
        [[clouds]]
        name = "gcp"
        [[clouds.colours]]
        name = "blue"
        url = "http://127.0.0.1:3"
        [[rules]]
        path = "/v1/images:annotate"
        cloud = "gcp"
        [[rules]]
        feature = "celebrities"
        header = "x-team: research"
        cloud = "aws"
        colour = "green"
    "#;

    #[test]
    fn a_request_goes_where_its_header_its_id_or_a_rule_says() {
        let config = Config::parse(CLOUDS, &Origin::new(None, Default::default())).unwrap();
        let fleet = Fleet::new(&config, &Default::default(), None).unwrap();
        let check = |uri: &str, headers: &[(&str, &str)], cloud: Option<usize>, colour: Option<usize>| {
            let mut request = Request::get(uri);
            for (name, value) in headers {
                request = request.header(*name, *value);
            }
            let wish = wish(&request.body(()).unwrap().into_parts().0, &fleet, &config.rules).unwrap();
            assert_eq!((wish.cloud, wish.colour), (cloud, colour), "{uri} {headers:?}");
        };
        let id = "b".repeat(26);
        check("/detect", &[], None, None);
        check("/detect", &[("x-crosslens-colour", "aws/green")], Some(0), Some(1));
        check(&format!("/v1/images/gcp-{id}"), &[], Some(1), None);
        check("/v1/images:annotate", &[], Some(1), None);
        check("/detect?features=labels%2Ccelebrities", &[("x-team", "research")], Some(0), Some(1));
        check("/detect?features=labels,celebrities", &[], None, None);
        check("/detect?features=labels", &[("x-team", "research")], None, None);
    }

    #[test]
    fn routes_are_bounded() {
        let id = format!("/v1/images/aws-{}", "b".repeat(26));
        for (path, expected) in
            [("/detect", "/detect"), (&*id, "/v1/images/{id}"), ("/v1/images/a/b", "other"), ("/x", "other")]
        {
            assert_eq!(pattern(path), expected);
        }
    }
}
