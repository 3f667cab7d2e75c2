//! Checks AWS Signature Version 4 with the secret at hand, as a server does: written from Amazon's description of it
//! (<https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html>), without any SDK.

use std::collections::BTreeMap;

use data_encoding::HEXLOWER;
use ring::{digest, hmac};

/// The key that tests sign with.
pub const ACCESS_KEY: &str = "AKIDEXAMPLE";
/// The secret that tests sign with.
pub const SECRET_KEY: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";

/// Who may sign, and with which secret: tests, and the functions that ministack runs.
const SIGNERS: [(&str, &str); 2] = [(ACCESS_KEY, SECRET_KEY), ("000000000000", "test")];

/// A request as it was signed.
#[derive(Debug)]
pub struct Signed<'a> {
    /// As in `POST`.
    pub method: &'a str,
    /// The path, encoded.
    pub path: &'a str,
    /// The query, encoded and sorted.
    pub query: &'a str,
    /// Every header, by its name in small letters.
    pub headers: BTreeMap<String, String>,
    /// The body.
    pub body: &'a [u8],
    /// As in `us-east-1`.
    pub region: &'a str,
    /// As in `rekognition`.
    pub service: &'a str,
}

impl Signed<'_> {
    /// The names of the headers that are signed.
    ///
    /// # Errors
    /// What is wrong with the signature.
    pub fn check(&self) -> Result<Vec<String>, String> {
        let header = |name: &str| self.headers.get(name).ok_or_else(|| format!("there is no header {name}"));
        let authorization = header("authorization")?;
        let parts = authorization.strip_prefix("AWS4-HMAC-SHA256 ").ok_or("it is not AWS4-HMAC-SHA256")?;
        let parts: BTreeMap<&str, &str> = parts.split(", ").filter_map(|part| part.split_once('=')).collect();
        let part = |name: &str| parts.get(name).copied().ok_or_else(|| format!("Authorization has no {name}"));
        let (credential, names, signature) = (part("Credential")?, part("SignedHeaders")?, part("Signature")?);
        let time = header("x-amz-date")?;
        let day = time.get(..8).ok_or("x-amz-date is no date")?;
        let scope = format!("{day}/{}/{}/aws4_request", self.region, self.service);
        let signer = SIGNERS.iter().find(|(key, _)| credential == format!("{key}/{scope}"));
        let (_, secret) = signer.ok_or_else(|| format!("the credential is {credential}"))?;
        let mut canonical = format!("{}\n{}\n{}\n", self.method, self.path, self.query);
        for name in names.split(';') {
            canonical.push_str(&format!("{name}:{}\n", header(name)?.trim()));
        }
        canonical.push_str(&format!("\n{names}\n{}", hash(self.body)));
        let to_sign = format!("AWS4-HMAC-SHA256\n{time}\n{scope}\n{}", hash(canonical.as_bytes()));
        let mut key = format!("AWS4{secret}").into_bytes();
        for step in [day, self.region, self.service, "aws4_request", &to_sign] {
            key = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &key), step.as_bytes()).as_ref().to_vec();
        }
        if HEXLOWER.encode(&key) != signature {
            return Err("the signature does not match".to_owned());
        }
        Ok(names.split(';').map(str::to_owned).collect())
    }
}

fn hash(bytes: &[u8]) -> String {
    HEXLOWER.encode(digest::digest(&digest::SHA256, bytes).as_ref())
}
