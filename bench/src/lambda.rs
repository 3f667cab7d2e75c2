//! The function on AWS's runtime emulator: what it weighs, how soon it asks for work beside a hello world of the same runtime,
//! what it adds to a request and to a batch, and what an image costs it.
//!
//! The program is the one that is deployed, out of its zip. Its calls go through counting proxies: to ministack, to a stand-in
//! for the detector that takes as long as it is told to, and to the emulator itself, so that what the emulator and AWS take is
//! seen apart from what the function takes.

mod batch;
mod bill;
mod spans;
mod start;
mod warm;

use std::{
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::{Value, json};
use tempfile::TempDir;
use tests::{Counted, DetectorStandIn, Function, aws_world::World};

/// The call by which a function asks for its next event.
const NEXT: &str = "GET /2018-06-01/runtime/invocation/next";
const DETECT: &str = "POST /v1/detect";
/// The kernel's clock ticks in `/proc`, on every Linux that Rust runs on.
const TICKS: f64 = 100.0;

/// What there is to measure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Part {
    Zip,
    Start,
    Warm,
    Batch,
    Bill,
}

/// Prints one part, or all of it.
pub(crate) fn run(rounds: usize, requests: usize, only: Option<Part>) {
    let wanted = |part: Part| only.is_none_or(|only| only == part);
    let programs = TempDir::new().unwrap();
    let proxy = unpacked(tests::function_zip(), &programs.path().join("proxy"));
    if wanted(Part::Zip) {
        for (name, zip) in [("x86_64", tests::function_zip()), ("arm64", tests::arm64_function_zip())] {
            println!("lambda: the zip for {name} has {} bytes", std::fs::metadata(zip).unwrap().len());
        }
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let detector = DetectorStandIn::start().await;
        detector.always(200, ten_labels());
        let world = World::asking(&detector.url()).await;
        if wanted(Part::Start) {
            let hello = unpacked(tests::hello_zip(), &programs.path().join("hello"));
            start::run(&world, &proxy, &hello, rounds).await;
        }
        if wanted(Part::Warm) {
            let bare = unpacked(tests::bare_zip(), &programs.path().join("bare"));
            warm::run(&world, &proxy, &bare, requests).await;
        }
        if wanted(Part::Batch) {
            batch::run(&world, &proxy).await;
        }
        if wanted(Part::Bill) {
            bill::run(&world, &proxy).await;
        }
    });
}

/// An answer as long as Vision's usually are.
fn ten_labels() -> String {
    let words =
        ["Coffee cup", "Espresso", "Tableware", "Drinkware", "Serveware", "Cup", "Saucer", "Caffeine", "Wood", "Spoon"];
    let label = |word: &&str| json!({ "description": word, "score": 0.912_345_6, "mid": "/m/02p5f1q" });
    let mut answer = DetectorStandIn::analysis();
    answer["labels"] = words.iter().map(label).collect();
    answer.to_string()
}

/// The program in a zip.
fn unpacked(zip: &Path, folder: &Path) -> PathBuf {
    let done = Command::new("python3").args(["-m", "zipfile", "-e"]).arg(zip).arg(folder).status().unwrap();
    assert!(done.success());
    let program = folder.join("bootstrap");
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    program
}

/// A function whose talk with the emulator is timed.
struct Timed {
    function: Function,
    emulator: Counted,
    started: TempDir,
}

impl Timed {
    /// The script notes the time, and hands the program the timing proxy in place of the emulator.
    async fn start(program: &Path, env: &[(&'static str, String)]) -> Self {
        let started = TempDir::new().unwrap();
        let port = tests::free_port();
        let emulator = Counted::in_front_of(&format!("http://127.0.0.1:{port}")).await;
        let script = tests::workspace_root().join("bench/peers/start.sh");
        let words = ["bash".as_ref(), script.as_os_str(), program.as_os_str()];
        let own = [
            ("BENCH_STARTED", started.path().join("at").display().to_string()),
            ("BENCH_RUNTIME_API", emulator.url().replace("http://", "")),
        ];
        let function = Function::start_program(&words, port, &[env, &own].concat(), 60);
        Self { function, emulator, started }
    }

    /// Forgets the calls so far.
    fn forget(&self, world: &World) {
        world.aws.reset();
        world.detecting.reset();
        self.emulator.reset();
    }

    async fn invoke(&self, event: &Value) -> Value {
        self.function.invoke(event).await.unwrap_or_else(|failed| panic!("{failed:?}"))
    }
}

/// The function's variables, complete as in a deployment, and open to everybody.
fn env(world: &World) -> Vec<(&'static str, String)> {
    world.env(&[("CROSSLENS_ALLOW_UNAUTHENTICATED", "true")])
}

/// User and system time of a process.
fn processor_seconds(pid: u32) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let fields: Vec<&str> = stat.rsplit_once(") ").unwrap().1.split(' ').collect();
    (fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap()) / TICKS
}
