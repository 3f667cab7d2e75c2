//! Settings of messages, the same wherever they are taken in and sent: the standard names of Twilio's, and ours.

use std::time::Duration;

use common::settings::{Layers, number};
use url::Url;

use super::{Account, AuthToken, Limits, PublicUrl, Verifier, dispatch::SETTLES};

/// All names, for programs that have no use for them.
pub const NAMES: [&str; 5] =
    ["messages_url", "twilio_url", "messages_per_day", "message_segments", "message_settles_ms"];

/// Who messages come from and go to. Each part is there where its settings are.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Checks what comes in: needs `TWILIO_AUTH_TOKEN` and `CROSSLENS_MESSAGES_URL`.
    pub verifier: Option<Verifier>,
    /// Sends what goes out: needs `TWILIO_ACCOUNT_SID` and `TWILIO_AUTH_TOKEN`.
    pub account: Option<Account>,
    /// What a number may have.
    pub limits: Limits,
    /// How soon after a try Twilio's list is taken to be complete.
    pub settles: Duration,
}

impl Settings {
    /// Reads them; what is missing beside what is there is a problem.
    pub fn read(layers: &mut Layers<'_>) -> Self {
        let environment = layers.environment;
        let secret = |name: &str| environment.get(name).filter(|text| !text.is_empty()).cloned();
        let (sid, token) = (secret("TWILIO_ACCOUNT_SID"), secret("TWILIO_AUTH_TOKEN").and_then(AuthToken::new));
        let url: Option<PublicUrl> = layers.one("messages_url", None, str::parse);
        let base: Option<Url> = layers.one("twilio_url", None, str::parse::<Url>);
        if token.is_none() && (sid.is_some() || url.is_some()) {
            layers.problem(
                "TWILIO_AUTH_TOKEN is missing: it proves what comes from Twilio, and who we are to it".to_owned(),
            );
        }
        let account = sid.zip(token.clone()).and_then(|(sid, token)| {
            let account = Account::new(&sid, token, base);
            account.map_err(|error| layers.problem(format!("TWILIO_ACCOUNT_SID: {}", error.message()))).ok()
        });
        let limits = Limits::default();
        let milliseconds = |text: &str| text.parse::<u64>().map(Duration::from_millis);
        Self {
            verifier: token.zip(url).map(|(token, url)| Verifier::new(token, url)),
            account,
            limits: Limits {
                per_day: layers.one("messages_per_day", None, number).unwrap_or(limits.per_day),
                segments: layers.one("message_segments", None, number).unwrap_or(limits.segments),
            },
            settles: layers.one("message_settles_ms", None, milliseconds).unwrap_or(SETTLES),
        }
    }
}

#[cfg(test)]
mod tests {
    use common::settings::Environment;

    use super::*;

    const SID: &str = "AC0123456789abcdef0123456789abcdef";

    fn read(pairs: &[(&str, &str)]) -> Result<Settings, String> {
        let environment: Environment =
            pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let mut layers = Layers::new(None, &environment).unwrap();
        let settings = Settings::read(&mut layers);
        layers.settle(settings).map_err(|error| error.message().to_owned())
    }

    #[test]
    fn each_part_is_there_where_its_settings_are() {
        let (token, url) =
            (("TWILIO_AUTH_TOKEN", "hunter2"), ("CROSSLENS_MESSAGES_URL", "https://sms.example/messages"));
        let none = read(&[]).unwrap();
        assert!(none.verifier.is_none() && none.account.is_none());
        let both = read(&[("TWILIO_ACCOUNT_SID", SID), token, url]).unwrap();
        assert!(both.verifier.is_some() && both.account.is_some());
        assert!(!format!("{both:?}").contains("hunter2"), "{both:?}");
        assert!(read(&[token, url]).unwrap().account.is_none());
        assert!(read(&[url]).unwrap_err().contains("TWILIO_AUTH_TOKEN"));
        assert!(read(&[("TWILIO_ACCOUNT_SID", "AC1"), token]).unwrap_err().contains("TWILIO_ACCOUNT_SID"));
        assert!(read(&[token, ("CROSSLENS_MESSAGES_URL", "sms.example")]).unwrap_err().contains("public URL"));
    }
}
