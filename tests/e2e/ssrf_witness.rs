//! The foreign rows through the real fetcher, with sockets as the witness.
//!
//! The tests in `inside` run in a network namespace of their own, whose routes make every address in the world arrive at a
//! listener of the test. Nothing can leave it: it has no device but the loopback.

mod dns;
mod inside;
mod witness;

use std::process::Command;

use tests::{Cli, crosslens};

/// Makes every address arrive here.
const ROUTES: &str = "ip link set lo up && ip route add local default dev lo && ip -6 route add local default dev lo";

/// How a namespace is made here, as root or as a user who may be root within it; `None`, with the reasons, where it cannot.
fn namespace() -> Option<&'static [&'static str]> {
    const WAYS: [&[&str]; 2] = [&["unshare", "--net"], &["unshare", "--map-root-user", "--net"]];
    let tried = WAYS.map(|way| match inside(way, ROUTES).output() {
        Ok(output) if output.status.success() => Ok(way),
        Ok(output) => Err(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
        Err(error) => Err(format!("unshare: {error}")),
    });
    let found = tried.iter().find_map(|way| way.as_ref().ok().copied());
    if found.is_none() {
        eprintln!("skipped: no network namespace can be made here: {tried:?}");
    }
    found
}

/// A script in a new namespace; more arguments are the script's.
fn inside(way: &[&str], script: &str) -> Command {
    let mut command = Command::new(way[0]);
    command.args(&way[1..]).args(["sh", "-c", script, "sh"]);
    command
}

#[test]
fn in_a_namespace_of_its_own() {
    let Some(way) = namespace() else { return };
    let mut command = inside(way, &format!("{ROUTES} && exec \"$@\""));
    command.arg(std::env::current_exe().unwrap());
    command.args(["ssrf_witness::inside::", "--ignored", "--nocapture", "--test-threads=1"]);
    // Nobody may ask a proxy of the environment; the witness listens on its port.
    for name in ["http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"] {
        command.env(name, "http://198.51.100.9:3128");
    }
    let output = command.output().unwrap();
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && said.contains("test result: ok"), "{said}");
    assert!(!said.contains(" 0 passed"), "the tests have other names now: {said}");
    // What was skipped within is skipped here.
    said.lines().filter(|line| line.contains("skipped:")).for_each(|line| eprintln!("{line}"));
}

#[test]
fn check_uri_asks_nobody() {
    let Some(way) = namespace() else { return };
    crosslens();
    let script = format!("{ROUTES} && \"$@\"; cat /proc/net/snmp");
    let lines = "http://localhost/\nhttp://example.com/\nhttp://8.8.8.8/\nhttps://169.254.169.254/\n";
    let ended = Cli::new(["check-uri", "-"]).inside(&[way, &["sh", "-c", &script, "sh"]].concat()).stdin(lines).run();
    assert_eq!(ended.stdout.matches("\"verdict\"").count(), 4, "{}{}", ended.stdout, ended.stderr);
    for (protocol, name) in [("Tcp", "ActiveOpens"), ("Udp", "OutDatagrams")] {
        assert_eq!(witness::counter(&ended.stdout, protocol, name), 0, "{}", ended.stdout);
    }
}
