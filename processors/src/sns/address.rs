//! Which URLs in a message are AWS's own. Pure: nothing else is ever opened on a message's word.

use common::{
    error::{Error, Result},
    source::SourceUrl,
};
use url::{Host, Url};

use super::forbidden;

/// The URL of a certificate.
pub(super) fn certificate_url(text: &str) -> Result<Url> {
    let refused = || forbidden("the signing certificate is not at an address of SNS");
    let url = of_sns(text, refused)?;
    if url.path().ends_with(".pem") && url.query().is_none() { Ok(url) } else { Err(refused()) }
}

/// The URL that confirms a subscription to this topic.
pub(super) fn confirmation_url(text: &str, topic: &str) -> Result<Url> {
    let refused = || forbidden("the subscription is not confirmed at an address of SNS");
    let url = of_sns(text, refused)?;
    let has = |name: &str, value: &str| {
        let mut values = url.query_pairs().filter(|(key, _)| key == name);
        values.next().is_some_and(|(_, found)| found == value) && values.next().is_none()
    };
    let confirms = has("Action", "ConfirmSubscription") && has("TopicArn", topic);
    if confirms { Ok(url) } else { Err(refused()) }
}

/// `https`, the standard port, `sns.REGION.amazonaws.com` or the same in China, no credentials and no fragment; on the text as it
/// came, so that two programs cannot read it differently.
fn of_sns(text: &str, refused: impl Fn() -> Error) -> Result<Url> {
    let strict = SourceUrl::parse(text).map_err(|cause| refused().because(cause))?;
    let url = Url::parse(text).map_err(|cause| refused().because(cause))?;
    let own = matches!(strict.host(), Host::Domain(name) if is_of_sns(name));
    if own && url.scheme() == "https" && strict.port() == 443 && url.fragment().is_none() {
        Ok(url)
    } else {
        Err(refused())
    }
}

fn is_of_sns(host: &str) -> bool {
    let aws = host.strip_suffix(".amazonaws.com").or_else(|| host.strip_suffix(".amazonaws.com.cn"));
    aws.and_then(|host| host.strip_prefix("sns.")).is_some_and(|region| {
        region.len() >= 3 && region.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    })
}

/// The same path and query on another host, where one is given.
pub(super) fn opened_at(url: &Url, instead: Option<&Url>) -> Url {
    let Some(base) = instead else { return url.clone() };
    let mut base = base.clone();
    base.set_path(url.path());
    base.set_query(url.query());
    base
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOPIC: &str = "arn:aws:sns:eu-central-1:123456789012:image_labelled";

    #[test]
    fn certificates_come_from_sns_alone() {
        for fine in [
            "https://sns.us-west-2.amazonaws.com/SimpleNotificationService-0123.pem",
            "https://sns.cn-north-1.amazonaws.com.cn/a.pem",
            "https://sns.us-gov-west-1.amazonaws.com:443/a.pem",
        ] {
            assert!(certificate_url(fine).is_ok(), "{fine}");
        }
        for refused in [
            "http://sns.us-west-2.amazonaws.com/a.pem",
            "https://sns.us-west-2.amazonaws.com/a.pem?x",
            "https://sns.us-west-2.amazonaws.com/a.pem#x",
            "https://sns.us-west-2.amazonaws.com/a.pe",
            "https://sns.us-west-2.amazonaws.com/?a.pem",
            "https://sns.us-west-2.amazonaws.com:8443/a.pem",
            "https://sns.us-west-2.amazonaws.com:80/a.pem",
            "https://sns.evil.amazonaws.com.attacker.tld/a.pem",
            "https://attacker.tld/sns.us-west-2.amazonaws.com/a.pem",
            "https://sns.us-west-2.amazonaws.com@attacker.tld/a.pem",
            "https://attacker.tld@sns.us-west-2.amazonaws.com/a.pem",
            "https://u:p@sns.us-west-2.amazonaws.com/a.pem",
            "https://attacker.tld\\@sns.us-west-2.amazonaws.com/a.pem",
            "https://attacker.tld#@sns.us-west-2.amazonaws.com/a.pem",
            "https://sns.us-west-2.amazonaws.com.cn.attacker.tld/a.pem",
            "https://sns.us-west-2.amazonaws.comm/a.pem",
            "https://sns.us-west-2.amazonaws.com./a.pem",
            "https://sns.a.b.amazonaws.com/a.pem",
            "https://sns.ab.amazonaws.com/a.pem",
            "https://sns.a_b.amazonaws.com/a.pem",
            "https://sns.amazonaws.com/a.pem",
            "https://xsns.us-west-2.amazonaws.com/a.pem",
            "https://s3.us-west-2.amazonaws.com/sns/a.pem",
            "https://bucket.s3.amazonaws.com/a.pem",
            "https://127.0.0.1/a.pem",
            "https://sns.us-west-2.amazonaws.com/\ta.pem",
            " https://sns.us-west-2.amazonaws.com/a.pem",
            "https:sns.us-west-2.amazonaws.com/a.pem",
            "file:///a.pem",
            "",
        ] {
            assert!(certificate_url(refused).is_err(), "{refused}");
        }
    }

    #[test]
    fn a_subscription_is_confirmed_at_sns_for_its_topic_alone() {
        let url = |query: &str| format!("https://sns.eu-central-1.amazonaws.com/?{query}");
        let fine = format!("Action=ConfirmSubscription&TopicArn={TOPIC}&Token=2336412f");
        assert!(confirmation_url(&url(&fine), TOPIC).is_ok());
        for query in [
            "",
            "Action=ConfirmSubscription&Token=1",
            &format!("Action=DeleteTopic&TopicArn={TOPIC}"),
            &format!("{fine}&Action=DeleteTopic"),
            &format!("Action=ConfirmSubscription&TopicArn={TOPIC}-other&Token=1"),
        ] {
            assert!(confirmation_url(&url(query), TOPIC).is_err(), "{query}");
        }
        assert!(confirmation_url(&format!("https://attacker.tld/?{fine}"), TOPIC).is_err());
        assert!(confirmation_url(&format!("http://sns.eu-central-1.amazonaws.com/?{fine}"), TOPIC).is_err());
    }

    #[test]
    fn an_emulator_gets_the_same_path() {
        let url = Url::parse("https://sns.us-west-2.amazonaws.com/a.pem").unwrap();
        let base = Url::parse("http://127.0.0.1:5000").unwrap();
        assert_eq!(opened_at(&url, Some(&base)).as_str(), "http://127.0.0.1:5000/a.pem");
        assert_eq!(opened_at(&url, None), url);
    }
}
