//! `crosslens message`: the whole way without a telephone and without an account.

use tests::{Cli, Ended, Server, photo};

fn message(server: &Server, args: &[&str]) -> Ended {
    Cli::new(["message", "--data"]).arg(server.data()).args(args).run()
}

#[test]
fn a_picture_is_labelled_by_the_embedded_model() {
    let server = Server::start([] as [&str; 0]);
    let picture = photo("coffee.png").to_str().unwrap();
    let ended = message(&server, &["--from", "+15550100", "label", "--image", picture]);
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    let lines: Vec<&str> = ended.stdout.lines().collect();
    assert_eq!(lines[0], "All good. You should receive your response momentarily!");
    assert!(lines.len() == 2 && lines[1].starts_with("Image Results: espresso, "), "{lines:?}");

    let other = photo("rocket.jpg").to_str().unwrap();
    let ended = message(&server, &["label", "--image", picture, "--image", other, "--sid", "MM1"]);
    let mut lines: Vec<&str> = ended.stdout.lines().skip(1).collect();
    lines.sort_unstable();
    assert!(lines.len() == 2 && lines[0].starts_with("Image Results: espresso"), "{lines:?}");
    assert!(lines[1].starts_with("Image Results: missile"), "{lines:?}");
    let again = message(&server, &["label", "--image", picture, "--image", other, "--sid", "MM1"]);
    assert_eq!((again.code, again.stdout.as_str()), (0, ""), "the same message is answered once");

    let ended = message(&server, &["face", "dance", "friends"]);
    assert_eq!(ended.stdout, "Valid operators for service 'face' is 'match|addcol|addimg'.\n");
    let ended = message(&server, &["stop"]);
    assert_eq!((ended.code, ended.stdout.as_str()), (0, ""));
    assert_eq!(message(&server, &["help"]).stdout, "");
    assert!(message(&server, &["start"]).stdout.starts_with("You will get answers again."));
    assert!(!server.stderr().contains("5550100"), "{}", server.stderr());
}

#[test]
fn what_is_wrong_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let ended = Cli::new(["message", "--data"]).arg(folder.path()).arg("help").run();
    assert_ne!(ended.code, 0);
    assert!(ended.stderr.contains("no `crosslens up` takes messages"), "{}", ended.stderr);
    let mut server = Server::build().args(["--detector", "http://127.0.0.1:9"]).without_model().start();
    let ended = message(&server, &["--from", "nobody", "help"]);
    assert!(ended.code == 2 && ended.stderr.contains("this is not a phone number"), "{}", ended.stderr);
    let ended = message(&server, &["label", "--image", "/there/is/none.jpg"]);
    assert!(ended.code == 2 && ended.stderr.contains("none.jpg"), "{}", ended.stderr);
    server.kill9();
    let ended = message(&server, &["help"]);
    assert!(ended.code == 1 && ended.stderr.contains("nothing answers at http://127.0.0.1:"), "{}", ended.stderr);
}
