//! Twilio's REST API: messages are created and looked up
//! (<https://www.twilio.com/docs/messaging/api/message-resource>).

use std::{fmt, str::FromStr, time::Duration};

use async_trait::async_trait;
use common::{
    error::{Error, Kind, Result, Retry, internal},
    tls,
};
use jiff::{Timestamp, fmt::rfc2822};
use reqwest::{Client, Response, StatusCode, header, redirect::Policy};
use serde::Deserialize;
use url::Url;

use super::{
    AuthToken,
    carrier::{Carrier, Outcome, Outgoing},
};

/// Where Twilio is.
const BASE: &str = "https://api.twilio.com";
/// The most that one call may take; a message is not repeated before it is over.
const PATIENCE: Duration = Duration::from_secs(15);
/// Twilio's clock and ours need not agree to the second.
const SKEW: Duration = Duration::from_secs(60);
/// Messages on one page of the list, newest first; one number has no more within the minutes that are looked at.
const PAGE: usize = 100;
/// "Attempt to send to unsubscribed recipient" (<https://www.twilio.com/docs/api/errors/21610>).
const UNSUBSCRIBED: u32 = 21610;
/// More than any answer that is read has, in bytes.
const LONGEST: usize = 1024 * 1024;

/// An account, and where it is.
#[derive(Clone)]
pub struct Account {
    sid: String,
    token: AuthToken,
    base: Url,
}

/// Not the token.
impl fmt::Debug for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Account").finish_non_exhaustive()
    }
}

impl Account {
    /// The account of this name, at Twilio's or, in tests, elsewhere.
    ///
    /// # Errors
    /// `invalid-request` for what is no account's name.
    pub fn new(sid: &str, token: AuthToken, base: Option<Url>) -> Result<Self> {
        let invalid = |message| Error::new(Kind::InvalidRequest, message);
        let valid = sid.len() == 34 && sid.starts_with("AC") && sid.bytes().all(|byte| byte.is_ascii_alphanumeric());
        if !valid {
            return Err(invalid("an account's SID is AC and 32 letters and digits"));
        }
        let base = base.map_or_else(|| Url::from_str(BASE), Ok).map_err(|_| invalid("this is no URL"))?;
        Ok(Self { sid: sid.to_owned(), token, base })
    }
}

/// Sends by Twilio.
pub struct Twilio {
    client: Client,
    account: Account,
    messages: Url,
}

#[derive(Deserialize)]
struct Created {
    sid: String,
}

#[derive(Deserialize)]
struct Refusal {
    code: Option<u32>,
}

#[derive(Deserialize)]
struct Listed {
    messages: Vec<Message>,
}

#[derive(Deserialize)]
struct Message {
    sid: String,
    body: Option<String>,
    direction: Option<String>,
    date_created: Option<String>,
}

impl Twilio {
    /// Sends in the name of this account.
    pub fn new(account: Account) -> Result<Self> {
        let path = format!("/2010-04-01/Accounts/{}/Messages.json", account.sid);
        let messages = account.base.join(&path).map_err(internal)?;
        let client = Client::builder()
            .tls_backend_preconfigured(tls::for_client()?)
            .no_proxy()
            .redirect(Policy::none())
            .connect_timeout(Duration::from_secs(5))
            .timeout(PATIENCE)
            .pool_idle_timeout(Duration::from_secs(60))
            .build()
            .map_err(internal)?;
        Ok(Self { client, account, messages })
    }
}

#[async_trait]
impl Carrier for Twilio {
    async fn send(&self, message: &Outgoing) -> Outcome {
        let body = url::form_urlencoded::Serializer::new(String::new())
            .append_pair("To", message.to.expose())
            .append_pair("From", message.from.expose())
            .append_pair("Body", &message.text)
            .finish();
        let request = self
            .client
            .post(self.messages.clone())
            .basic_auth(&self.account.sid, Some(self.account.token.expose()))
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header(header::ACCEPT, "application/json");
        match request.body(body).send().await {
            Ok(response) => judge(response).await,
            Err(error) if error.is_connect() => Outcome::NotTaken(unreachable(error)),
            Err(error) => Outcome::Unclear(unreachable(error)),
        }
    }

    async fn sent(&self, message: &Outgoing, since: Timestamp) -> Result<Vec<String>> {
        let mut url = self.messages.clone();
        // Not by `DateSent`: a message that still waits at Twilio's has none.
        url.query_pairs_mut()
            .append_pair("To", message.to.expose())
            .append_pair("From", message.from.expose())
            .append_pair("PageSize", &PAGE.to_string());
        let asked = self.client.get(url).basic_auth(&self.account.sid, Some(self.account.token.expose()));
        let response = asked.send().await.map_err(unreachable)?;
        if response.status() != StatusCode::OK {
            return Err(refused(&response));
        }
        let body = bytes(response).await.map_err(unreachable)?;
        let listed: Listed = serde_json::from_slice(&body).map_err(|cause| unreadable().because(cause))?;
        let earliest = since.checked_sub(SKEW).map_err(internal)?;
        let same = |listed: &Message| {
            let ours = listed.direction.as_deref().is_none_or(|direction| direction.starts_with("outbound-api"));
            let created = listed.date_created.as_deref().and_then(|date| rfc2822::parse(date).ok());
            // One without a readable date may be it.
            let recent = created.is_none_or(|created| created.timestamp() >= earliest);
            ours && recent && listed.body.as_deref() == Some(message.text.as_str())
        };
        Ok(listed.messages.into_iter().filter(same).map(|listed| listed.sid).collect())
    }
}

/// Twilio's answer to a new message, in one table.
async fn judge(response: Response) -> Outcome {
    let status = response.status();
    let error = refused(&response);
    match status.as_u16() {
        200..=299 => match bytes(response).await.ok().and_then(|body| serde_json::from_slice::<Created>(&body).ok()) {
            Some(created) if !created.sid.is_empty() => Outcome::Taken(created.sid),
            _ => Outcome::Unclear(unreadable()),
        },
        // Nothing was taken, and it may be otherwise later: too fast, or an account that somebody has to put right.
        401 | 403 | 404 | 429 => Outcome::NotTaken(error),
        // Before the body was read, or by something in between: it may have been taken.
        408 => Outcome::Unclear(error),
        400..=499 => {
            let refusal = bytes(response).await.ok().and_then(|body| serde_json::from_slice::<Refusal>(&body).ok());
            match refusal.and_then(|refusal| refusal.code) {
                Some(UNSUBSCRIBED) => Outcome::Stopped,
                _ => Outcome::NotTaken(error.with_retry(Retry::Never)),
            }
        }
        _ => Outcome::Unclear(error),
    }
}

async fn bytes(mut response: Response) -> reqwest::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        bytes.extend_from_slice(&chunk);
        if bytes.len() > LONGEST {
            break;
        }
    }
    Ok(bytes)
}

fn refused(response: &Response) -> Error {
    let status = response.status();
    let error = Error::new(Kind::Unavailable, format!("Twilio answered {}", status.as_u16()));
    let wait = response.headers().get(header::RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    match wait {
        Some(seconds) => error.after(Duration::from_secs(seconds)),
        None => error,
    }
}

fn unreadable() -> Error {
    Error::new(Kind::Unavailable, "Twilio's answer cannot be read")
}

/// The URL holds the account, and that of a look-up numbers.
fn unreachable(error: reqwest::Error) -> Error {
    Error::new(Kind::Unavailable, "Twilio does not answer").because(error.without_url())
}
