//! Signatures of webhooks: HMAC-SHA256 over id, time and body, one for each secret, so that secrets can be changed one side at a
//! time (<https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md>).

use std::{ops::RangeInclusive, str::FromStr};

use data_encoding::BASE64;
use ring::hmac;
use secrecy::{ExposeSecret, SecretString};

/// How a secret begins.
const PREFIX: &str = "whsec_";
/// How many bytes a secret may have.
const LENGTH: RangeInclusive<usize> = 24..=64;

/// What a target and we know. Never shown.
#[derive(Debug, Clone)]
pub struct Secret(SecretString);

impl FromStr for Secret {
    type Err = &'static str;

    /// Reads `whsec_` and base64 of 24 to 64 bytes; what is wrong is said without the secret.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let form =
            "a secret is whsec_ and base64 of 24 to 64 bytes, as `echo whsec_$(openssl rand -base64 32)` makes one";
        let key = text.strip_prefix(PREFIX).and_then(|encoded| BASE64.decode(encoded.as_bytes()).ok()).ok_or(form)?;
        if LENGTH.contains(&key.len()) { Ok(Self(SecretString::from(text))) } else { Err(form) }
    }
}

impl Secret {
    fn sign(&self, message: &[u8]) -> String {
        let encoded = self.0.expose_secret().strip_prefix(PREFIX).unwrap_or_default();
        let key = hmac::Key::new(hmac::HMAC_SHA256, &BASE64.decode(encoded.as_bytes()).unwrap_or_default());
        BASE64.encode(hmac::sign(&key, message).as_ref())
    }
}

/// The value of `webhook-signature`: `v1,` and the signature, for each secret.
pub(super) fn signatures(secrets: &[Secret], id: &str, seconds: i64, body: &[u8]) -> String {
    let message = [format!("{id}.{seconds}.").as_bytes(), body].concat();
    let signatures: Vec<String> = secrets.iter().map(|secret| format!("v1,{}", secret.sign(&message))).collect();
    signatures.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_has_its_form_and_is_never_shown() {
        let secret = |bytes: usize| format!("whsec_{}", BASE64.encode(&vec![7; bytes]));
        for bytes in [24, 32, 64] {
            assert!(secret(bytes).parse::<Secret>().is_ok(), "{bytes}");
        }
        let long = secret(32);
        let wrong =
            [&secret(23), &secret(65), long.trim_start_matches("whsec_"), &long[..long.len() - 1], "whsec_", ""];
        for text in wrong {
            let problem = text.parse::<Secret>().unwrap_err();
            assert!(text.len() < 10 || !problem.contains(&text[..text.len() - 8]), "{problem}");
        }
        assert!(!format!("{:?}", long.parse::<Secret>().unwrap()).contains("BwcH"));
    }

    /// The secret and the message of the example in the specification's libraries; the expected value was computed with Python's
    /// `hmac`.
    #[test]
    fn every_secret_signs() {
        let secret: Secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".parse().unwrap();
        let signed = signatures(
            &[secret.clone(), secret],
            "msg_p5jXN8AQM9LWM0D4loKWxJek",
            1_614_265_330,
            br#"{"test": 2432232314}"#,
        );
        let one = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";
        assert_eq!(signed, format!("{one} {one}"));
    }
}
