//! Threads for work that keeps a core busy: decoding and inference.
//!
//! As many threads as cores, always the same ones: more would only wait for each other, and an allocator keeps memory
//! for each thread that ever did large work.

use std::{
    any::Any,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::OnceLock,
    thread::available_parallelism,
};

use rayon_core::{ThreadPool, ThreadPoolBuilder};
use tokio::sync::oneshot;

use crate::error::{Result, internal};

/// A fixed number of threads and a queue before them, first come, first served.
#[derive(Debug)]
pub struct Pool(ThreadPool);

/// The work panicked. The message is for the log.
#[derive(Debug)]
pub struct Panicked(pub String);

/// The pool that the whole process shares.
pub fn shared() -> Result<&'static Pool> {
    static SHARED: OnceLock<Pool> = OnceLock::new();
    if let Some(pool) = SHARED.get() {
        return Ok(pool);
    }
    let pool = Pool::new(available_parallelism().map_or(1, usize::from))?;
    Ok(SHARED.get_or_init(|| pool))
}

impl Pool {
    /// So many threads.
    pub fn new(threads: usize) -> Result<Self> {
        let builder = ThreadPoolBuilder::new().num_threads(threads).thread_name(|number| format!("compute-{number}"));
        builder.build().map(Self).map_err(internal)
    }

    /// Runs `work` when a thread is free. Work whose caller has gone before that is dropped; work that has begun goes on.
    pub async fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, Panicked> {
        let (tell, told) = oneshot::channel();
        self.0.spawn(move || {
            if !tell.is_closed() {
                let _ = tell.send(contained(work));
            }
        });
        told.await.unwrap_or_else(|_| Err(Panicked("the work was never done".to_owned())))
    }
}

/// Runs `work` here; a panic in it is an answer.
pub fn contained<T>(work: impl FnOnce() -> T) -> Result<T, Panicked> {
    catch_unwind(AssertUnwindSafe(work)).map_err(|payload| Panicked(message(payload.as_ref())))
}

fn message(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<&str>().copied();
    text.or_else(|| payload.downcast_ref::<String>().map(String::as_str)).unwrap_or("no message").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_is_an_answer_and_the_thread_goes_on() {
        let pool = Pool::new(1).unwrap();
        let Panicked(text) = pool.run(|| panic!("out of {}", "luck")).await.unwrap_err();
        assert_eq!(text, "out of luck");
        assert_eq!(pool.run(|| 7).await.unwrap(), 7);
    }
}
