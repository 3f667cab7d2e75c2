//! `crosslens check-uri`: whether a source would be opened, and why not, without any network.

use std::{
    collections::HashMap,
    io::{self, BufRead, ErrorKind, Write},
    net::IpAddr,
    process::ExitCode,
    str::FromStr,
};

use clap::Args;
use common::{
    error::{Error, Kind, Result, internal},
    source::SourcePolicy,
};
use serde::Serialize;

use crate::config::Settings;

/// Says whether an image source would be opened.
#[derive(Debug, Args)]
pub(crate) struct CheckUriArgs {
    /// The URL, or `-` for one a line on standard input (a JSON string where the line begins with a quote)
    #[arg(value_name = "URL|-")]
    uri: String,
    /// What a host name resolves to; a name without this is blocked as unresolved
    #[arg(long, value_name = "HOST=IP[,IP]")]
    resolve: Vec<Resolved>,
    /// Writes the verdict as JSON, as `-` always does
    #[arg(long)]
    json: bool,
}

/// A host name and its addresses.
#[derive(Debug, Clone)]
struct Resolved {
    host: String,
    addresses: Vec<IpAddr>,
}

impl FromStr for Resolved {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (host, addresses) = text.split_once('=').ok_or("write HOST=IP[,IP]")?;
        let parse =
            |text: &str| text.trim().trim_matches(['[', ']']).parse().map_err(|_| format!("{text} is no address"));
        let addresses = addresses.split(',').map(parse).collect::<Result<_, _>>()?;
        // A name is compared as a URL would spell it: in ASCII, in lower case, without the root's dot.
        let spelled = reqwest::Url::parse(&format!("http://{host}/")).map_err(|_| format!("{host} is no host name"))?;
        let host = spelled.host_str().unwrap_or_default().trim_end_matches('.').to_owned();
        Ok(Self { host, addresses })
    }
}

#[derive(Serialize)]
struct Verdict {
    uri: String,
    verdict: &'static str,
    reason: String,
}

/// 0 when every source would be opened, otherwise 1.
pub(crate) fn run(args: CheckUriArgs, settings: &Settings) -> Result<ExitCode> {
    let policy = SourcePolicy::new(settings.allow_source.clone());
    let mut names: HashMap<String, Vec<IpAddr>> = HashMap::new();
    for Resolved { host, addresses } in args.resolve {
        names.entry(host).or_default().extend(addresses);
    }
    let judge = |uri: String| match policy.verdict(&uri, &names) {
        Ok(reason) => Verdict { uri, verdict: "allowed", reason: reason.to_owned() },
        Err(error) => Verdict { uri, verdict: "blocked", reason: error.message().to_owned() },
    };
    let mut out = io::stdout().lock();
    let mut all_allowed = true;
    if args.uri != "-" {
        let verdict = judge(args.uri);
        let text = format!("{}: {} ({})", verdict.verdict, verdict.uri.escape_debug(), verdict.reason);
        written(writeln!(out, "{}", if args.json { line(&verdict)? } else { text }))?;
        all_allowed = verdict.verdict == "allowed";
    } else {
        for uri in io::stdin().lock().split(b'\n') {
            let uri = uri.map_err(internal)?;
            if uri.trim_ascii().is_empty() {
                continue;
            }
            let verdict = match read(&uri) {
                Ok(uri) => judge(uri),
                Err(uri) => {
                    Verdict { uri, verdict: "blocked", reason: "the line is not a JSON string or not UTF-8".to_owned() }
                }
            };
            all_allowed &= verdict.verdict == "allowed";
            if !written(writeln!(out, "{}", line(&verdict)?))? {
                break;
            }
        }
    }
    Ok(if all_allowed { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

/// The URL of a line; a line that cannot be read comes back as the error.
fn read(line: &[u8]) -> Result<String, String> {
    let text = str::from_utf8(line).map_err(|_| String::from_utf8_lossy(line).into_owned())?;
    if text.starts_with('"') {
        return serde_json::from_str(text.trim_end()).map_err(|_| text.to_owned());
    }
    Ok(text.strip_suffix('\r').unwrap_or(text).to_owned())
}

fn line(verdict: &Verdict) -> Result<String> {
    serde_json::to_string(verdict).map_err(internal)
}

/// False once nobody reads any more.
fn written(result: io::Result<()>) -> Result<bool> {
    match result {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(false),
        Err(cause) => Err(Error::new(Kind::Internal, "standard output cannot be written").because(cause)),
    }
}
