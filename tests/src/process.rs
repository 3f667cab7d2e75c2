//! Looking at and signalling other processes, and waiting for what they do.

use std::{
    fs,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

/// Only keeps a broken test from hanging; no expectation about speed.
const PATIENCE: Duration = Duration::from_secs(120);
const PAUSE: Duration = Duration::from_millis(20);

/// Resident memory of a process, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Memory {
    /// Now.
    pub resident: u64,
    /// The most so far.
    pub peak: u64,
}

/// Reads the memory of a process off `/proc`; `None` where there is no `/proc` or no such process any more.
pub fn memory(pid: u32) -> Option<Memory> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let bytes = |field: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(field))?;
        line.trim_start_matches(':').trim().strip_suffix(" kB")?.trim().parse::<u64>().ok().map(|kib| kib * 1024)
    };
    Some(Memory { resident: bytes("VmRSS")?, peak: bytes("VmHWM")? })
}

/// Whether a process is there and is not a zombie.
pub fn alive(pid: u32) -> bool {
    fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| {
        let state = stat.rsplit_once(") ").and_then(|(_, rest)| rest.chars().next());
        state.is_some_and(|state| state != 'Z' && state != 'X')
    })
}

/// The processes that a process has started.
pub fn children(pid: u32) -> Vec<u32> {
    let listed = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    let other = |line: &str| line.split_whitespace().filter_map(|pid| pid.parse().ok()).collect::<Vec<u32>>();
    if !listed.is_empty() {
        return other(&listed);
    }
    // A program of many threads may have started them from another one.
    let threads = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    threads.flat_map(|thread| other(&fs::read_to_string(thread.path().join("children")).unwrap_or_default())).collect()
}

/// Sends a signal by name (`TERM`, `STOP`, …) to one process.
pub fn signal(pid: u32, name: &str) {
    let sent = Command::new("kill").args(["-s", name, &pid.to_string()]).stderr(Stdio::null()).status();
    assert!(sent.is_ok_and(|status| status.success()), "cannot send {name} to {pid}");
}

/// [`wait_until`] for a probe that is asynchronous itself.
pub async fn wait_until_async<T>(what: &str, mut probe: impl AsyncFnMut() -> Option<T>) -> T {
    let begin = Instant::now();
    loop {
        if let Some(answer) = probe().await {
            return answer;
        }
        assert!(begin.elapsed() < PATIENCE, "waited in vain for {what}");
        tokio::time::sleep(PAUSE).await;
    }
}

/// Asks again and again until `probe` has an answer, and panics with `what` when there is none for a very long time. The
/// limit is no expectation about speed: it only keeps a broken test from hanging.
pub fn wait_until<T>(what: &str, mut probe: impl FnMut() -> Option<T>) -> T {
    let begin = Instant::now();
    loop {
        if let Some(answer) = probe() {
            return answer;
        }
        assert!(begin.elapsed() < PATIENCE, "waited in vain for {what}");
        std::thread::sleep(PAUSE);
    }
}
