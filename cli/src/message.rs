//! `crosslens message`: speaks to an `up` without an account as Twilio would, and prints what a telephone would show.

use std::{collections::BTreeSet, io, path::PathBuf, process::ExitCode, time::Duration};

use clap::Args;
use common::{
    error::{Error, Kind, Result, internal},
    message::PhoneNumber,
    request::{Cloud, ImageId},
    tls,
};
use local::{From, Local, Tail};
use processors::messages::{AuthToken, LOCAL_URL, REPLIES, SIGNATURE, hashed, sign};
use reqwest::{Client, Response};
use serde_json::Value;
use tokio::time::{Instant, timeout_at};
use uuid::Uuid;

use crate::{
    config::Settings,
    lines::{print, printable},
    messages::{Front, SENT, SentMessage},
};

const FORM: &str = "application/x-www-form-urlencoded";
const MOST_PICTURES: usize = 10;

/// Sends a message to the `up` on this data folder, and prints the answers.
#[derive(Debug, Args)]
pub(crate) struct MessageArgs {
    /// The number that it comes from
    #[arg(long, value_name = "NUMBER", default_value = "+15550100", value_parser = number)]
    from: PhoneNumber,
    /// The number that it goes to
    #[arg(long, value_name = "NUMBER", default_value = "+15550199", value_parser = number)]
    to: PhoneNumber,
    /// A picture that comes with it; may be repeated
    #[arg(long, value_name = "FILE")]
    image: Vec<PathBuf>,
    /// The message's own name; the same name is the same message, delivered again
    #[arg(long, value_name = "SID")]
    sid: Option<String>,
    /// How long answers are waited for, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    wait: u64,
    /// What it says, as in "label" or "face match friends"
    #[arg(required = true, num_args = 1.., trailing_var_arg = false)]
    text: Vec<String>,
}

fn number(text: &str) -> Result<PhoneNumber, String> {
    text.parse().map_err(|error: Error| error.message().to_owned())
}

/// Sends, waits and prints.
pub(crate) async fn run(args: MessageArgs, settings: &Settings) -> Result<ExitCode> {
    if args.image.len() > MOST_PICTURES {
        return Err(Error::new(Kind::InvalidRequest, "a message has ten pictures at the most"));
    }
    let front = Front::find(&settings.data)?;
    let topics = Local::open_existing(&settings.data)?.topics;
    let mut tail = topics.tail(&[SENT], From::End).await?;
    let sender = Sender { client: client()?, url: front.url.clone(), token: front.token()? };
    let mut pictures = Vec::new();
    for path in &args.image {
        let failed = |cause: io::Error| Error::new(Kind::InvalidRequest, format!("{}: {cause}", path.display()));
        pictures.push(sender.hand_in(tokio::fs::read(path).await.map_err(failed)?).await?);
    }
    let sid = args.sid.clone().unwrap_or_else(|| format!("SM{}", Uuid::new_v4().simple()));
    let text = args.text.join(" ");
    let (said, replies) = sender.say(&sid, &args, &text, &pictures).await?;
    if let Some(said) = said {
        show(&said)?;
    }
    let awaited = Awaited {
        owner: args.from.owner().to_string(),
        about: (0..MOST_PICTURES).map(|n| ImageId::of_message(Cloud::Local, &sid, n)).collect(),
        // The rest of a text belongs to what was asked before.
        any: text.trim().eq_ignore_ascii_case("more"),
    };
    let deadline = Instant::now() + Duration::from_secs(args.wait);
    for _ in 0..replies {
        let late = "no answer has come in time; `crosslens events dead` tells what was given up";
        let next = timeout_at(deadline, awaited.next(&mut tail)).await;
        show(&next.map_err(|_| Error::new(Kind::DeadlineExceeded, late))??)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Whoever writes to the door.
struct Sender {
    client: Client,
    url: String,
    token: AuthToken,
}

impl Sender {
    /// Hands a picture in; returns its URL.
    async fn hand_in(&self, bytes: Vec<u8>) -> Result<String> {
        let (query, media) = (hashed(&bytes), "application/octet-stream");
        let signature = sign(&self.token, &format!("{LOCAL_URL}/pictures?{query}"), media, &bytes);
        let request = self.client.put(format!("{}/messages/pictures?{query}", self.url));
        let answer = self.ask(request.header("content-type", media).header(SIGNATURE, signature).body(bytes)).await?;
        let answer: Value = answer.json().await.map_err(internal)?;
        answer.get("url").and_then(Value::as_str).map(str::to_owned).ok_or_else(|| internal("there is no url"))
    }

    /// Says it; returns what is answered at once, and how many messages follow.
    async fn say(
        &self,
        sid: &str,
        args: &MessageArgs,
        text: &str,
        pictures: &[String],
    ) -> Result<(Option<String>, usize)> {
        let mut form = url::form_urlencoded::Serializer::new(String::new());
        form.append_pair("MessageSid", sid).append_pair("From", args.from.expose()).append_pair("To", args.to.expose());
        form.append_pair("Body", text).append_pair("NumMedia", &pictures.len().to_string());
        for (n, picture) in pictures.iter().enumerate() {
            form.append_pair(&format!("MediaUrl{n}"), picture);
        }
        let body = form.finish();
        let signature = sign(&self.token, LOCAL_URL, FORM, body.as_bytes());
        let request = self.client.post(format!("{}/messages", self.url)).header("content-type", FORM);
        let answer = self.ask(request.header(SIGNATURE, signature).body(body)).await?;
        let replies = answer.headers().get(REPLIES).and_then(|count| count.to_str().ok()?.parse().ok());
        Ok((said(&answer.text().await.map_err(internal)?), replies.unwrap_or_default()))
    }

    async fn ask(&self, request: reqwest::RequestBuilder) -> Result<Response> {
        let gone = |cause: reqwest::Error| {
            let message = format!("nothing answers at {}; is `crosslens up` running on this data folder?", self.url);
            Error::new(Kind::Unavailable, message).because(cause)
        };
        let answer = request.send().await.map_err(gone)?;
        if answer.status().is_success() {
            return Ok(answer);
        }
        let status = answer.status().as_u16();
        let problem: Value = answer.json().await.unwrap_or_default();
        let detail = problem.get("detail").and_then(Value::as_str).unwrap_or_default().to_owned();
        Err(Error::new(Kind::Unprocessable, format!("the message was answered {status}: {detail}")))
    }
}

/// Which of the messages that go out are answers to this one.
struct Awaited {
    owner: String,
    about: BTreeSet<ImageId>,
    any: bool,
}

impl Awaited {
    async fn next(&self, tail: &mut Tail) -> Result<String> {
        loop {
            let sent: SentMessage = tail.next().await?.parse()?;
            if sent.owner == self.owner && (self.any || self.about.contains(&sent.about)) {
                return Ok(sent.text);
            }
        }
    }
}

/// The text of a TwiML answer of ours.
fn said(twiml: &str) -> Option<String> {
    let body = twiml.split_once("<Body>")?.1.split_once("</Body>")?.0;
    let mut text = body.to_owned();
    for (escaped, letter) in
        [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&apos;", "'"), ("&#13;", "\r"), ("&amp;", "&")]
    {
        text = text.replace(escaped, letter);
    }
    Some(text)
}

/// A message on a line or several of its own, as far as a terminal may show it.
fn show(text: &str) -> Result<()> {
    for line in text.lines() {
        if print(&printable(line))?.is_break() {
            break;
        }
    }
    Ok(())
}

fn client() -> Result<Client> {
    let builder = Client::builder().tls_backend_preconfigured(tls::for_client()?).no_proxy();
    builder.timeout(Duration::from_secs(60)).build().map_err(internal)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_read_as_it_was_written() {
        let twiml = "<Response><Message><Body>a&lt;b&gt; &amp;lt; &quot;&apos;</Body></Message></Response>";
        assert_eq!(said(twiml).as_deref(), Some("a<b> &lt; \"'"));
        assert_eq!(said("<Response></Response>"), None);
    }
}
