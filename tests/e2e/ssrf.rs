//! The address rule through `crosslens check-uri`: every foreign row gets its verdict, and the command keeps its promises.

mod command;
pub(crate) mod played;
pub(crate) mod rows;

use serde::Deserialize;
use tests::{Cli, Ended, run};

use self::rows::{names, rows};

#[derive(Deserialize)]
struct Line {
    uri: String,
    verdict: String,
    reason: String,
}

fn lines(ended: &Ended) -> Vec<Line> {
    ended.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn every_row_gets_its_verdict() {
    let Some(rows) = rows() else { return };
    let mut call = Cli::new(["check-uri", "-"]);
    for (name, addresses) in names(&rows) {
        let addresses: Vec<String> = addresses.iter().map(ToString::to_string).collect();
        call = call.arg("--resolve").arg(format!("{name}={}", addresses.join(",")));
    }
    let input: Vec<String> = rows.iter().map(|row| serde_json::to_string(&row.uri).unwrap()).collect();
    let ended = call.stdin(input.join("\n")).run();
    let lines = lines(&ended);
    assert_eq!((lines.len(), ended.code), (rows.len(), 1), "{}", ended.stderr);
    let wrong: Vec<_> = rows
        .iter()
        .zip(&lines)
        .filter(|(row, line)| line.uri != row.uri || (line.verdict == "allowed") != row.opens())
        .map(|(row, line)| format!("{:?} opens: {}, but is {} ({})", row.uri, row.opens(), line.verdict, line.reason))
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    for row in &rows {
        if let Some(reason) = row.waiver {
            eprintln!("waived: {}: {reason}", row.uri);
        }
    }
}

#[test]
fn lines_are_plain_or_json_and_each_gets_one_line() {
    let input = "http://8.8.8.8/a b\r\n\"http://127.0.0.1/\\n\"\n\n\"not json\n\"\"\nhttp://x.example/\n\"http:\\u002f/1.1.1.1\"";
    let ended = Cli::new(["check-uri", "-"]).stdin(input).run();
    let verdicts: Vec<_> = lines(&ended).into_iter().map(|line| (line.uri, line.verdict, line.reason)).collect();
    let short: Vec<_> = verdicts.iter().map(|(uri, verdict, _)| (uri.as_str(), verdict.as_str())).collect();
    let expected = [
        ("http://8.8.8.8/a b", "allowed"),
        ("http://127.0.0.1/\n", "blocked"),
        ("\"not json", "blocked"),
        ("", "blocked"),
        ("http://x.example/", "blocked"),
        ("http://1.1.1.1", "allowed"),
    ];
    assert_eq!((short.as_slice(), ended.code), (expected.as_slice(), 1), "{}", ended.stderr);
    assert_eq!(verdicts[4].2, "unresolved");
}

#[test]
fn the_exit_code_is_the_verdict() {
    let check = |args: &[&str], code: i32, part: &str| {
        let ended = run([&["check-uri"], args].concat());
        assert_eq!(ended.code, code, "{args:?}: {}{}", ended.stdout, ended.stderr);
        assert!(
            format!("{}{}", ended.stdout, ended.stderr).contains(part),
            "{args:?}: {}{}",
            ended.stdout,
            ended.stderr
        );
    };
    check(&["https://8.8.8.8/"], 0, "allowed");
    check(&["https://x.example/"], 1, "unresolved");
    check(&["https://x.example/", "--resolve", "x.example=8.8.8.8"], 0, "allowed");
    check(&["https://X.Example./", "--resolve", "x.EXAMPLE=8.8.8.8,2606:4700::1", "--json"], 0, "\"allowed\"");
    check(&["https://x.example/", "--resolve", "x.example=8.8.8.8,10.0.0.1"], 1, "blocked");
    check(&["https://x.example/", "--resolve", "x.example=8.8.8.8", "--resolve", "x.example=::1"], 1, "blocked");
    check(&["http://localhost:8000/", "--resolve", "localhost=127.0.0.1"], 1, "--allow-source localhost:8000");
    check(&["http://127.0.0.1:8000/"], 1, "--allow-source 127.0.0.1:8000");
    check(&["http://127.0.0.1:8000/", "--allow-source", "127.0.0.1:8000"], 0, "allowed");
    check(&["http://127.0.0.1:8001/", "--allow-source", "127.0.0.1:8000"], 1, "blocked");
    check(&["https://x.example/", "--resolve", "x.example"], 2, "HOST=IP");
}
