//! A backfill from its beginning to each of its ends, in memory.

use std::sync::atomic::Ordering;

use super::{fakes::*, *};
use crate::backfill::{Options, count};

fn job(options: Options) -> Job {
    Job::new("j".to_owned(), "s3://b".parse().unwrap(), options)
}

async fn send(job: &mut Job, objects: usize, queue: &Sent, table: &Table, sample: Option<usize>) -> Result<Ended> {
    let mut run = Run { listing: &mut Objects(objects), known: &Nothing, queue, jobs: table };
    run.send(job, sample, &mut |_| ()).await
}

fn keys(queue: &Sent) -> Vec<usize> {
    queue.keys.lock().unwrap().iter().map(|key| key.parse().unwrap()).collect()
}

#[tokio::test]
async fn everything_is_counted_and_sent_once() {
    let mut job = job(Options::default());
    let total = count(&mut Objects(100), &Nothing, &job.options, |_| ()).await.unwrap();
    assert_eq!((total.listed, total.sent, total.bytes), (100, 100, 1000));
    let (queue, table) = (Sent::default(), Table::default());
    assert_eq!(send(&mut job, 100, &queue, &table, None).await.unwrap(), Ended::Done);
    assert_eq!(keys(&queue), (0..100).collect::<Vec<_>>());
    assert_eq!(job.counts, total);
    assert_eq!(*table.last.lock().unwrap(), Some((job, Some(State::Done))));
}

#[tokio::test]
async fn an_empty_bucket_is_done_at_once() {
    let (mut job, queue, table) = (job(Options::default()), Sent::default(), Table::default());
    assert_eq!(send(&mut job, 0, &queue, &table, Some(5)).await.unwrap(), Ended::Done);
}

#[tokio::test]
async fn the_budget_is_never_passed() {
    let (queue, table) = (Sent::default(), Table::default());
    let mut job = job(Options { budget: Some(0.5), price_per_image: Some(0.01), ..Options::default() });
    assert_eq!(send(&mut job, 100, &queue, &table, None).await.unwrap(), Ended::Budget);
    assert_eq!(keys(&queue), (0..49).collect::<Vec<_>>());
    assert!(job.spent <= 0.5, "{}", job.spent);
    assert_eq!(table.last.lock().unwrap().as_ref().unwrap().1, Some(State::Paused));
    // With more money it goes on where it stopped.
    job.options.budget = Some(100.0);
    assert_eq!(send(&mut job, 100, &queue, &table, None).await.unwrap(), Ended::Done);
    assert_eq!(keys(&queue), (0..100).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_sample_is_the_beginning_and_the_rest_follows_it() {
    let (mut job, queue, table) = (job(Options::default()), Sent::default(), Table::default());
    let Ended::Sampled(ids) = send(&mut job, 100, &queue, &table, Some(10)).await.unwrap() else { panic!("no sample") };
    assert_eq!(ids, (0..10).map(|number| plan::id(&listed(&format!("{number:05}"), 10))).collect::<Vec<_>>());
    assert_eq!(table.last.lock().unwrap().as_ref().unwrap().1, None, "the job is still held");
    assert_eq!(send(&mut job, 100, &queue, &table, None).await.unwrap(), Ended::Done);
    assert_eq!(keys(&queue), (0..100).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_sample_may_be_everything() {
    let (mut job, queue, table) = (job(Options::default()), Sent::default(), Table::default());
    let Ended::Sampled(ids) = send(&mut job, 5, &queue, &table, Some(10)).await.unwrap() else { panic!("no sample") };
    assert_eq!(ids.len(), 5);
    assert_eq!(send(&mut job, 5, &queue, &table, None).await.unwrap(), Ended::Done);
    assert_eq!(keys(&queue).len(), 5);
}

#[tokio::test]
async fn an_order_stops_it_after_a_step_and_it_goes_on_there() {
    for state in [State::Paused, State::Cancelled] {
        let (mut job, queue) = (job(Options::default()), Sent::default());
        let table = Table { order: Some((21, state)), ..Table::default() };
        assert_eq!(send(&mut job, 100, &queue, &table, None).await.unwrap(), Ended::Stopped(state));
        assert_eq!(keys(&queue), (0..21).collect::<Vec<_>>());
        assert_eq!(table.last.lock().unwrap().as_ref().unwrap().1, Some(state));
        assert_eq!(send(&mut job, 100, &queue, &Table::default(), None).await.unwrap(), Ended::Done);
        assert_eq!(keys(&queue), (0..100).collect::<Vec<_>>());
    }
}

#[tokio::test]
async fn what_the_queue_did_not_take_is_sent_later() {
    let (mut job, table) = (job(Options::default()), Table::default());
    let mut queue = Sent { broken_from: Some(30), ..Sent::default() };
    assert!(send(&mut job, 100, &queue, &table, None).await.is_err());
    assert_eq!(keys(&queue), (0..28).collect::<Vec<_>>());
    assert_eq!(table.last.lock().unwrap().as_ref().unwrap().1, Some(State::Paused));
    queue.broken_from = None;
    assert_eq!(send(&mut job, 100, &queue, &table, None).await.unwrap(), Ended::Done);
    assert_eq!(keys(&queue), (0..100).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn it_stays_so_far_ahead_and_not_further() {
    let (queue, table) = (Sent::default(), Table::default());
    let mut job = job(Options { ahead: 20, ..Options::default() });
    assert_eq!(send(&mut job, 100, &queue, &table, None).await.unwrap(), Ended::Done);
    assert_eq!(keys(&queue).len(), 100);
    let deepest = queue.deepest.load(Ordering::SeqCst);
    assert!((14..=20).contains(&deepest), "{deepest}");
}

#[tokio::test(start_paused = true)]
async fn it_is_not_faster_than_asked_for() {
    let (queue, table) = (Sent::default(), Table::default());
    let mut job = job(Options { rate: Some(10), ..Options::default() });
    let begun = Instant::now();
    assert_eq!(send(&mut job, 101, &queue, &table, None).await.unwrap(), Ended::Done);
    // The clock is a simulated one: this is no measurement.
    assert!((9..=11).contains(&begun.elapsed().as_secs()), "{:?}", begun.elapsed());
    assert!((9_000..=11_000).contains(&job.sending_ms));
}
