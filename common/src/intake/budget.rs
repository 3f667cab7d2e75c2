//! The one memory budget of all decoders: permits for bytes. The decoders run on the threads of `compute`.

use std::sync::Arc;

use tokio::sync::Semaphore;

use crate::{
    compute::{self, Panicked, Pool},
    error::{Error, Kind, Result, internal},
};

/// One permit of the memory budget.
const PERMIT_BYTES: u64 = 1024;

/// Permits for bytes. The queue for them is fair: a large image is not overtaken for ever by small ones.
#[derive(Debug)]
pub(super) struct Budget {
    permits: u32,
    memory: Arc<Semaphore>,
}

impl Budget {
    pub(super) fn new(bytes: u64) -> Self {
        let most = u64::from(u32::MAX).min(Semaphore::MAX_PERMITS as u64);
        let permits = u32::try_from((bytes / PERMIT_BYTES).min(most)).unwrap_or(u32::MAX);
        Self { permits, memory: Arc::new(Semaphore::new(permits as usize)) }
    }

    /// The permits that these bytes take; `too-large` when they are more than the whole budget.
    pub(super) fn check(&self, bytes: u64) -> Result<u32> {
        u32::try_from(bytes.div_ceil(PERMIT_BYTES)).ok().filter(|permits| *permits <= self.permits).ok_or_else(|| {
            Error::new(
                Kind::TooLarge,
                format!(
                    "decoding the image takes {} MiB of memory; at most {} MiB are given to it",
                    bytes.div_ceil(1 << 20),
                    u64::from(self.permits) * PERMIT_BYTES / (1 << 20)
                ),
            )
        })
    }

    /// Runs `work` once its bytes and a thread are free. The permits go into the work, so that they are held until it ends
    /// even if the caller has gone. A panic in it is a fault of the image.
    pub(super) async fn spend<T: Send + 'static>(
        &self,
        bytes: u64,
        work: impl FnOnce() -> Result<T> + Send + 'static,
    ) -> Result<T> {
        self.spend_on(compute::shared()?, bytes, work).await
    }

    async fn spend_on<T: Send + 'static>(
        &self,
        pool: &Pool,
        bytes: u64,
        work: impl FnOnce() -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let memory = Arc::clone(&self.memory).acquire_many_owned(self.check(bytes)?).await.map_err(internal)?;
        let held = move || {
            let result = work();
            drop(memory);
            result
        };
        pool.run(held).await.unwrap_or_else(|Panicked(message)| {
            Err(Error::new(Kind::UndecodableImage, "the image cannot be decoded").because(message))
        })
    }
}

#[cfg(test)]
mod tests {
    use std::{
        sync::{
            LazyLock,
            mpsc::{Receiver, Sender, channel},
        },
        time::Duration,
    };

    use tokio::{
        task::JoinHandle,
        time::{sleep, timeout},
    };

    use super::*;

    const KIB: u64 = PERMIT_BYTES;

    /// Work that says when it begins and ends when it is told to.
    fn work(budget: &Arc<Budget>, bytes: u64) -> (JoinHandle<Result<()>>, Receiver<()>, Sender<()>) {
        static EIGHT: LazyLock<Pool> = LazyLock::new(|| Pool::new(8).unwrap());
        let (begins, begun) = channel();
        let (end, ends) = channel::<()>();
        let budget = Arc::clone(budget);
        let caller = tokio::spawn(async move {
            let work = move || {
                begins.send(()).unwrap();
                let _ = ends.recv();
                Ok(())
            };
            budget.spend_on(&EIGHT, bytes, work).await
        });
        (caller, begun, end)
    }

    async fn begins(begun: &Receiver<()>) {
        timeout(Duration::from_secs(20), async {
            while begun.try_recv().is_err() {
                sleep(Duration::from_millis(2)).await;
            }
        })
        .await
        .expect("the work begins");
    }

    #[tokio::test]
    async fn two_large_ones_wait_for_each_other_and_a_small_one_fits_beside() {
        let budget = Arc::new(Budget::new(100 * KIB));
        let (first, first_begun, end_first) = work(&budget, 60 * KIB);
        begins(&first_begun).await;
        let (small, small_begun, end_small) = work(&budget, 40 * KIB);
        begins(&small_begun).await;
        let (second, second_begun, end_second) = work(&budget, 60 * KIB);
        sleep(Duration::from_millis(50)).await;
        assert!(second_begun.try_recv().is_err(), "100 of 100 permits are taken");
        end_small.send(()).unwrap();
        small.await.unwrap().unwrap();
        assert!(second_begun.try_recv().is_err(), "60 of 100 permits are taken");
        end_first.send(()).unwrap();
        begins(&second_begun).await;
        end_second.send(()).unwrap();
        first.await.unwrap().unwrap();
        second.await.unwrap().unwrap();
        assert_eq!(budget.memory.available_permits(), 100);
    }

    #[tokio::test]
    async fn a_caller_that_goes_away_gives_its_permits_back_when_the_work_ends_and_not_before() {
        let budget = Arc::new(Budget::new(100 * KIB));
        let (caller, begun, end) = work(&budget, 60 * KIB);
        begins(&begun).await;
        caller.abort();
        assert!(caller.await.unwrap_err().is_cancelled());
        assert_eq!(budget.memory.available_permits(), 40);
        end.send(()).unwrap();
        timeout(Duration::from_secs(20), budget.memory.acquire_many(100))
            .await
            .expect("all come back")
            .unwrap()
            .forget();
    }

    #[tokio::test]
    async fn a_panic_is_a_fault_of_the_image_and_costs_no_permits() {
        let budget = Budget::new(100 * KIB);
        let ended: Result<()> = budget.spend(100 * KIB, || panic!("a decoder's own")).await;
        assert_eq!(ended.unwrap_err().kind(), Kind::UndecodableImage);
        assert_eq!(budget.memory.available_permits(), 100);
    }

    #[test]
    fn what_is_more_than_the_whole_is_too_large() {
        let budget = Budget::new(100 * KIB);
        assert_eq!(budget.check(100 * KIB - 1).unwrap(), 100);
        assert_eq!(budget.check(100 * KIB + 1).unwrap_err().kind(), Kind::TooLarge);
        assert_eq!(budget.check(u64::MAX).unwrap_err().kind(), Kind::TooLarge);
    }
}
