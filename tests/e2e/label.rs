//! `crosslens label`: files, folders, URLs and standard input; every format; exit codes; and doing nothing twice.

use std::{
    fs,
    path::{Path, PathBuf},
};

use serde_json::Value;
use tempfile::TempDir;
use tests::{Cli, Ended, model_cache, numbered_picture, photo, serve_picture};

/// A call with a data folder of its own.
fn label(data: &Path, args: &[&str]) -> Ended {
    model_cache();
    Cli::new(["label", "--data"]).arg(data).args(args).run()
}

/// A folder of pictures, some of them below others: two photographs, three dots, and files that are no pictures.
fn album() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let album = folder.path().join("album");
    fs::create_dir_all(album.join("deep/deeper")).unwrap();
    fs::copy(photo("coffee.png"), album.join("coffee.png")).unwrap();
    fs::copy(photo("chelsea.png"), album.join("deep/chelsea.png")).unwrap();
    for number in 0..3 {
        fs::write(album.join(format!("deep/deeper/{number}.bmp")), numbered_picture(number)).unwrap();
    }
    fs::write(album.join("notes.txt"), "no picture, and not said to be one").unwrap();
    (folder, album)
}

fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))).collect()
}

fn best(row: &Value) -> &str {
    row["labels"][0]["description"].as_str().unwrap()
}

#[test]
fn a_picture_is_labelled_in_every_format() {
    let data = tempfile::tempdir().unwrap();
    let coffee = photo("coffee.png").to_str().unwrap();
    let run = |format: &str| {
        let ended = label(data.path(), &["--format", format, "--max-labels", "1", coffee]);
        assert_eq!(ended.code, 0, "{ended:?}");
        ended.stdout
    };
    let table = label(data.path(), &[coffee]);
    assert!(table.code == 0 && table.stdout.contains("coffee.png") && table.stdout.contains("espresso 9"), "{table:?}");

    let array: Value = serde_json::from_str(&run("json")).unwrap();
    assert_eq!(
        (best(&array[0]), array[0]["labels"].as_array().unwrap().len(), &array[0]["input"]),
        ("espresso", 1, &coffee.into())
    );
    assert_eq!(lines(&run("jsonl")), *array.as_array().unwrap());

    let csv = run("csv");
    let rows: Vec<Vec<&str>> = csv.lines().map(|line| line.split(',').collect()).collect();
    assert_eq!(rows.len(), 2, "a head and one label: {csv}");
    let column = |name: &str| rows[0].iter().position(|head| *head == name).unwrap();
    assert_eq!((rows[1][column("input")], rows[1][column("label")]), (coffee, "espresso"));
    assert!((0.85..=1.0).contains(&rows[1][column("score")].parse::<f64>().unwrap()), "{csv}");
}

#[test]
fn a_folder_is_walked_and_what_is_no_picture_is_passed_over() {
    let (data, (_folder, album)) = (tempfile::tempdir().unwrap(), album());
    let ended = label(data.path(), &["--format", "jsonl", album.to_str().unwrap()]);
    assert_eq!(ended.code, 0, "{ended:?}");
    let mut inputs: Vec<String> =
        lines(&ended.stdout).iter().map(|row| row["input"].as_str().unwrap().to_owned()).collect();
    inputs.sort();
    let wanted = ["coffee.png", "deep/chelsea.png", "deep/deeper/0.bmp", "deep/deeper/1.bmp", "deep/deeper/2.bmp"];
    assert_eq!(inputs, wanted.map(|name| album.join(name).display().to_string()));
    assert!(ended.stderr.contains('1') && ended.stderr.contains("not pictures"), "{}", ended.stderr);
    assert!(!ended.stderr.contains('\u{1b}'), "a progress bar without a terminal: {:?}", ended.stderr);
}

#[test]
fn a_second_run_asks_no_detector() {
    let (data, (_folder, album)) = (tempfile::tempdir().unwrap(), album());
    let rows = |ended: &Ended| {
        assert_eq!(ended.code, 0, "{ended:?}");
        let mut rows = lines(&ended.stdout);
        rows.sort_by_key(|row| row["input"].to_string());
        rows
    };
    let first = rows(&label(data.path(), &["--format", "jsonl", album.to_str().unwrap()]));
    fs::write(album.join("new.bmp"), numbered_picture(99)).unwrap();
    // Nobody is there to be asked, so whatever is answered was known; only the new picture cannot be.
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let detector = format!("http://{nobody}");
    let again = label(data.path(), &["--format", "jsonl", "--detector", &detector, album.to_str().unwrap()]);
    assert_eq!(again.code, 1, "{again:?}");
    assert!(again.stderr.contains("new.bmp"), "{}", again.stderr);
    let mut known = lines(&again.stdout);
    known.sort_by_key(|row| row["input"].to_string());
    assert_eq!(known, first, "another answer, or another time of analysis");
}

#[test]
fn each_failure_is_named_and_the_rest_is_labelled() {
    let (data, (_folder, album)) = (tempfile::tempdir().unwrap(), album());
    let whole = fs::read(photo("coffee.png")).unwrap();
    fs::write(album.join("cut.png"), &whole[..3000]).unwrap();
    fs::write(album.join("words.jpg"), "words").unwrap();
    let ended = label(data.path(), &["--format", "jsonl", album.to_str().unwrap()]);
    assert_eq!(ended.code, 1, "{ended:?}");
    assert_eq!(lines(&ended.stdout).len(), 5);
    let complaint =
        |name: &str| ended.stderr.lines().find(|line| line.contains(name)).unwrap_or_else(|| panic!("{ended:?}"));
    assert!(complaint("cut.png").contains("undecodable-image"));
    assert!(complaint("words.jpg").contains("unsupported-media"));
}

#[test]
fn standard_input_is_a_picture_too() {
    model_cache();
    let data = tempfile::tempdir().unwrap();
    let call =
        |stdin: Vec<u8>| Cli::new(["label", "-", "--format", "jsonl", "--data"]).arg(data.path()).stdin(stdin).run();
    let ended = call(fs::read(photo("coffee.png")).unwrap());
    assert_eq!((ended.code, best(&lines(&ended.stdout)[0])), (0, "espresso"), "{ended:?}");
    let nothing = call(Vec::new());
    assert_eq!((nothing.code, nothing.stdout.as_str()), (1, ""), "{nothing:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_url_is_opened_by_the_rules_of_the_server() {
    let picture = serve_picture(fs::read(photo("coffee.png")).unwrap(), "image/png").await;
    let data = tempfile::tempdir().unwrap();
    let url = picture.url();
    let refused = label(data.path(), &[&url]);
    assert_eq!(refused.code, 1, "{refused:?}");
    assert!(refused.stderr.contains(&format!("--allow-source {}", picture.source())), "{}", refused.stderr);
    assert_eq!(picture.requests(), 0, "a blocked source was asked");
    let opened = label(data.path(), &["--format", "jsonl", "--allow-source", &picture.source(), &url]);
    assert_eq!((opened.code, best(&lines(&opened.stdout)[0])), (0, "espresso"), "{opened:?}");
}

#[test]
fn wrong_use_is_told_apart_from_failure() {
    let data = tempfile::tempdir().unwrap();
    let coffee = photo("coffee.png").to_str().unwrap();
    for args in [
        &[][..],
        &["/nowhere/at/all.png"],
        &["--format", "xml", coffee],
        &["--features", "hats", coffee],
        &["--max-labels", "0", coffee],
        &["--hats", coffee],
    ] {
        let ended = label(data.path(), args);
        assert_eq!((ended.code, ended.stdout.as_str()), (2, ""), "{args:?}: {ended:?}");
        assert!(!ended.stderr.is_empty(), "{args:?}");
    }
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    model_cache();
    let (data, (_folder, album)) = (tempfile::tempdir().unwrap(), album());
    // Far more than is written at a time.
    for number in 0..300 {
        fs::write(album.join(format!("{number}.bmp")), numbered_picture(number)).unwrap();
    }
    let pipe = Cli::new(["label", "--format", "jsonl", "--data"]).arg(data.path()).arg(&album);
    let ended = pipe.inside(&["bash", "-c", "set -o pipefail; \"$@\" | head -n 1", "bash"]).run();
    assert_eq!((ended.code, ended.stdout.lines().count()), (0, 1), "{ended:?}");
    assert!(!ended.stderr.to_lowercase().contains("pipe"), "{}", ended.stderr);
}
