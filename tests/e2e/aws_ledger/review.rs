//! `crosslens review --aws`: a person works off the list of a stack.

use common::{
    moderation::Verdict,
    ports::{Dossiers as _, Journal as _, Outbox as _, Reviews as _},
};
use tests::{Cli, Ended};

use super::{
    journal::{decided, labelled, waiting},
    *,
};

fn review(url: &str, table: &str, args: &[&str]) -> Ended {
    let cli = Cli::new([&["review", "--aws"], args].concat()).env("AWS_ENDPOINT_URL", url).env("AWS_REGION", REGION);
    let cli = cli.env("AWS_ACCESS_KEY_ID", KEY).env("AWS_SECRET_ACCESS_KEY", SECRET);
    cli.env("CROSSLENS_TABLE", table).run()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_works_off_the_list_of_a_stack_and_the_sweep_tells_it() {
    let server = Ministack::start();
    ledger_table(server.boto(), "ledger");
    let ledger = ledger(server.url(), "ledger").await;
    for n in [1, 2] {
        let settlement = decided(n, Verdict::Review, None);
        ledger.settle("moderation", &labelled(n), &id(n), &settlement).await.unwrap();
        ledger.published(&settlement.events[0].id).await.unwrap();
    }
    let list = review(server.url(), "ledger", &["list"]);
    assert!([1, 2].iter().all(|n| list.stdout.contains(id(*n).as_str())), "{list:?}");
    let (first, second) = (id(1).to_string(), id(2).to_string());
    let approved = review(server.url(), "ledger", &["approve", &first, "--reviewer", "Ada", "--reason", "only a cat"]);
    assert_eq!(approved.code, 0, "{approved:?}");
    let refused = review(server.url(), "ledger", &["reject", &second, "--reviewer", "Ada", "--reason", " "]);
    assert_eq!(refused.code, 2, "{refused:?}");

    assert_eq!(waiting(&ledger).await, [id(2)]);
    let known = ledger.dossier(&id(1)).await.unwrap().moderation.unwrap();
    assert_eq!((known.verdict, known.decided_by.as_deref()), (Verdict::Allow, Some("Ada")));
    let unpublished = ledger.unpublished(Duration::ZERO, 10).await.unwrap();
    let ids: Vec<&str> = unpublished.iter().map(|event| event.id.as_str()).collect();
    assert_eq!(ids, [format!("{first}:moderated-2")], "what the sweep is to tell");
    assert_eq!(ledger.audit(&id(1), 10).await.unwrap().len(), 2);
    let shown = review(server.url(), "ledger", &["show", &first]);
    assert!(shown.stdout.contains("allow by Ada: only a cat"), "{shown:?}");
}

#[test]
fn without_a_table_it_says_what_to_name() {
    let ended = review("http://127.0.0.1:9", "", &["list"]);
    assert!(ended.code == 2 && ended.stderr.contains("CROSSLENS_TABLE"), "{ended:?}");
}
