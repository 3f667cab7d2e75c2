//! What `check-uri` says about texts that no list holds, and about lines that are no text at all.

use serde_json::{Value, json};
use tests::{Cli, Ended};

fn check(lines: impl Into<Vec<u8>>, args: &[&str]) -> Ended {
    Cli::new(["check-uri", "-"].iter().chain(args)).stdin(lines).run()
}

fn verdicts(ended: &Ended) -> Vec<Value> {
    ended.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn all_allowed_is_0_and_nothing_is_no_failure() {
    let all = check("http://8.8.8.8/a\nhttps://[2606:4700:4700::1111]/\n", &[]);
    assert_eq!((all.code, verdicts(&all).len()), (0, 2), "{}", all.stdout);
    let one = check("http://8.8.8.8/a\nhttp://10.0.0.1/\nhttp://8.8.8.8/b\n", &[]);
    assert_eq!((one.code, verdicts(&one).len()), (1, 3), "{}", one.stdout);
    for nothing in ["", "\n", "\r\n\n"] {
        let none = check(nothing, &[]);
        assert_eq!((none.code, none.stdout.as_str()), (0, ""));
    }
}

#[test]
fn a_terminal_is_told_in_words_that_it_does_not_obey() {
    let words = tests::run(["check-uri", "http://8.8.8.8/a.jpg"]);
    assert_eq!((words.code, words.stdout.trim_end()), (0, "allowed: http://8.8.8.8/a.jpg (public address)"));
    let escape = tests::run(["check-uri", "http://x/\u{1b}[2J\u{9b}2J"]);
    assert_eq!(escape.code, 1);
    assert!(!escape.stdout.trim_end().contains(char::is_control), "{:?}", escape.stdout);
}

#[test]
fn one_bad_address_of_a_name_blocks_it() {
    for bad in ["10.0.0.1", "::1", "169.254.169.254", "::ffff:192.168.0.1", "fe80::1", "0.0.0.0"] {
        for resolved in [format!("{bad},8.8.8.8"), format!("8.8.8.8,{bad}"), format!("2606:4700::1,{bad},8.8.8.8")] {
            let ended =
                check("http://pictures.example/a.png\n", &["--resolve", &format!("PICTURES.example.={resolved}")]);
            assert_eq!((ended.code, &verdicts(&ended)[0]["verdict"]), (1, &json!("blocked")), "{resolved}");
        }
    }
    let unicode = check("http://مثال.إختبار/\n", &["--resolve", "مثال.إختبار=8.8.8.8"]);
    assert_eq!(unicode.code, 0, "{}", unicode.stdout);
}

#[test]
fn an_exception_opens_one_host_and_one_port() {
    let closed = [
        ("http://127.0.0.2:9000/", "127.0.0.1:9000"),
        ("http://localhost:9000/", "127.0.0.1:9000"),
        ("http://[::ffff:127.0.0.1]:9000/", "127.0.0.1:9000"),
        ("http://u@127.0.0.1:9000/", "127.0.0.1:9000"),
        ("ftp://127.0.0.1:9000/", "127.0.0.1:9000"),
        ("http://a.localhost:9000/", "localhost:9000"),
        ("http://127.0.0.1/", "127.0.0.1:443"),
    ];
    for (url, open) in closed {
        assert_eq!(check(url, &["--allow-source", open]).code, 1, "{url} with {open} opened");
    }
    for verdict in verdicts(&check("http://169.254.169.254/latest/\nhttp://[fd00:ec2::254]/\n", &[])) {
        assert!(!verdict["reason"].as_str().unwrap().contains("--allow-source"), "{verdict}");
    }
}

#[test]
fn a_line_that_cannot_be_read_is_blocked_and_the_others_are_not_lost() {
    let lines = [
        (b"http://8.8.8.8/a".as_slice(), true),
        (b"http://8.8.8.8/\xff", false),
        (b"\"http://8.8.8.8/b", false),
        (b"\"http://8.8.8.8/\\ud800\"", false),
        (b"\"http://8.8.8.8/c\" and more", false),
        (b"\"\"", false),
        (b"\"http://8.8.8.8\\u0000/\"", false),
        (b" http://8.8.8.8/", false),
        (b"\"http://8.8.8.8/d\"\r", true),
        (b"http://8.8.8.8/e\r", true),
    ];
    let ended = check(lines.map(|(line, _)| line).join(b"\n".as_slice()), &[]);
    let got: Vec<bool> = verdicts(&ended).iter().map(|verdict| verdict["verdict"] == "allowed").collect();
    assert_eq!((got, ended.code), (lines.map(|(_, allowed)| allowed).to_vec(), 1), "{}", ended.stdout);
}

#[test]
fn spellings_that_no_list_holds() {
    let blocked = [
        // Numbers, dots and digits of other scripts.
        "http://2130706433/",
        "http://017700000001/",
        "http://0x7f.1/",
        "http://127.0.0.1./",
        "http://127。0。0。1/",
        "http://１２７.0.0.1/",
        "http://%31%32%37.0.0.1/",
        "http://[::ffff:7f00:1]/",
        "http://[0:0:0:0:0:FFFF:127.0.0.1]/",
        // Addresses that hide others, or are no one's.
        "http://[::ffff:0:127.0.0.1]/",
        "http://[64:ff9b:1:7f00:0:100::]/",
        "http://[2606:4700::5efe:127.0.0.1]/",
        "http://[2606:4700::200:5efe:127.0.0.1]/",
        "http://[fe80::1%25eth0]/",
        "http://[fe80::1%eth0]/",
        "http://[3fff::1]/",
        "http://[4000::1]/",
        "http://[fd20:ce::254]/",
        "http://[fd00:42::42]/",
        "http://100.100.100.200/",
        "http://192.0.0.192/",
        // Who is asked depends on who reads it.
        "http://8.8.8.8\\@127.0.0.1/",
        "http://8.8.8.8\\a",
        "http://8.8.8.8/\t",
        "http:8.8.8.8/",
        "http:/8.8.8.8/",
        "http:///8.8.8.8/",
        "http://@8.8.8.8/",
        "http://:@8.8.8.8/",
        "http://8.8.8.8:0/",
        "http://8.8.8.8:22/",
        "http://8.8.8.8:65536/",
        "http://8.8.8.8:80:80/",
        "HTTP:\\\\8.8.8.8/",
        "s3://bucket/key",
        "data:image/png;base64,AA==",
        "blob:http://8.8.8.8/x",
        "view-source:http://8.8.8.8/",
        "jar:http://8.8.8.8!/",
        "//8.8.8.8/",
        "8.8.8.8",
    ];
    let ended = check(blocked.map(|uri| json!(uri).to_string()).join("\n"), &[]);
    let wrong: Vec<Value> = verdicts(&ended).into_iter().filter(|verdict| verdict["verdict"] != "blocked").collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert_eq!(verdicts(&ended).len(), blocked.len());
    let allowed = [
        "http://8.8.8.8",
        "HTTPS://8.8.8.8:443/",
        "http://8.8.8.8:80/?u=http://127.0.0.1/",
        "http://8.8.8.8/@127.0.0.1",
        "http://[::ffff:8.8.8.8]/",
    ];
    let ended = check(allowed.join("\n"), &[]);
    assert_eq!(ended.code, 0, "{}", ended.stdout);
}
