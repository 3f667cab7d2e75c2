//! The memory of faces: vectors, consents and notes; and a service that keeps vectors.

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;
use tokio::task::JoinSet;
use uuid::Uuid;

use super::samples::LEASE;
use crate::{
    error::Kind,
    faces::{Added, Collection, Erasure, Found, Mark, Note, Reason, Unfit, Vector},
    image::Image,
    message::{CollectionName, Owner, PersonName},
    ports::{Adding, Collections, Consents, Faces, Notes, Portraits, Vectors},
    request::Caller,
};

/// The behaviour of [`Vectors`], [`Consents`] and [`Notes`].
pub async fn remembered_faces<L: Vectors + Consents + Notes + 'static>(ledger: Arc<L>) {
    one_of_many_begins(&ledger).await;
    a_lease_ends(ledger.as_ref()).await;
    what_is_gone_is_begun_anew(ledger.as_ref()).await;
    the_oldest_come_first(ledger.as_ref()).await;
    the_first_consent_stays(ledger.as_ref()).await;
    the_first_note_stays(&ledger).await;
    erasures_are_told_newest_first(ledger.as_ref()).await;
}

/// An owner whom nobody has met.
fn owner() -> Owner {
    Owner::of_caller(&Caller(Uuid::new_v4().to_string()))
}

fn mark() -> Mark {
    Mark::of(&Uuid::new_v4().to_string())
}

fn named(name: &str) -> CollectionName {
    name.parse().unwrap()
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_700_000_000 + second).unwrap()
}

fn vector(owner: &Owner, name: &str, second: i64) -> Vector {
    Vector { collection: Collection { owner: owner.clone(), name: named(name) }, mark: mark(), added_at: at(second) }
}

async fn one_of_many_begins<L: Vectors + 'static>(ledger: &Arc<L>) {
    let vector = vector(&owner(), "friends", 0);
    let mut tasks = JoinSet::new();
    for _ in 0..8 {
        let (ledger, vector) = (ledger.clone(), vector.clone());
        tasks.spawn(async move { ledger.begin(&vector, LEASE).await.unwrap() });
    }
    let begun = tasks.join_all().await;
    assert_eq!(begun.iter().filter(|begun| **begun == Adding::First).count(), 1, "{begun:?}");
    let busy = begun.iter().all(|begun| matches!(begun, Adding::First | Adding::Busy(_)));
    assert!(busy, "{begun:?}");
    ledger.keep(&vector).await.unwrap();
    for _ in 0..2 {
        assert_eq!(ledger.begin(&vector, LEASE).await.unwrap(), Adding::Kept);
    }
    let elsewhere = Vector { collection: Collection { name: named("family"), ..vector.collection.clone() }, ..vector };
    assert_eq!(ledger.begin(&elsewhere, LEASE).await.unwrap(), Adding::First, "each collection has its own");
}

async fn a_lease_ends<L: Vectors>(ledger: &L) {
    let vector = vector(&owner(), "friends", 0);
    assert_eq!(ledger.begin(&vector, Duration::ZERO).await.unwrap(), Adding::First);
    tokio::time::sleep(Duration::from_millis(5)).await;
    assert_eq!(ledger.begin(&vector, LEASE).await.unwrap(), Adding::Again, "it may have had its effect");
    let Adding::Busy(wait) = ledger.begin(&vector, LEASE).await.unwrap() else { panic!("somebody is at it") };
    assert!(wait <= LEASE);
}

async fn what_is_gone_is_begun_anew<L: Vectors>(ledger: &L) {
    let owner = owner();
    let (one, other) = (vector(&owner, "friends", 0), vector(&owner, "friends", 0));
    let elsewhere = vector(&owner, "friends2", 0);
    for vector in [&one, &other, &elsewhere] {
        ledger.begin(vector, LEASE).await.unwrap();
        ledger.keep(vector).await.unwrap();
    }
    for _ in 0..2 {
        ledger.gone(&one.collection, Some(std::slice::from_ref(&one.mark))).await.unwrap();
    }
    assert_eq!(ledger.begin(&one, LEASE).await.unwrap(), Adding::First);
    assert_eq!(ledger.begin(&other, LEASE).await.unwrap(), Adding::Kept, "the others stay");
    ledger.gone(&one.collection, Some(&[])).await.unwrap();
    assert_eq!(ledger.begin(&other, LEASE).await.unwrap(), Adding::Kept, "nothing is nothing");
    ledger.gone(&one.collection, None).await.unwrap();
    assert_eq!(ledger.begin(&other, LEASE).await.unwrap(), Adding::First);
    assert_eq!(ledger.begin(&elsewhere, LEASE).await.unwrap(), Adding::Kept, "a collection of a similar name stays");
}

async fn the_oldest_come_first<L: Vectors>(ledger: &L) {
    let owner = owner();
    let vectors = [3, 1, 2, 4].map(|second| vector(&owner, "aged", second));
    for vector in &vectors {
        ledger.begin(vector, LEASE).await.unwrap();
    }
    ledger.keep(&vectors[0]).await.unwrap();
    // Of what others have left here only ours counts; an index may follow its table with a delay.
    let ours = async |before| {
        let older = ledger.older(at(before), 10_000).await.unwrap();
        older.into_iter().filter(|vector| vector.collection.owner == owner).collect::<Vec<_>>()
    };
    let expected = [vectors[1].clone(), vectors[2].clone(), vectors[0].clone()];
    assert_eq!(ours(4).await, expected, "what was begun only stands among them");
    assert_eq!(ours(1).await, []);
    ledger.gone(&vectors[2].collection, Some(std::slice::from_ref(&vectors[2].mark))).await.unwrap();
    assert_eq!(ours(4).await, [vectors[1].clone(), vectors[0].clone()]);
    assert_eq!(ledger.older(at(4), 1).await.unwrap().len(), 1);
    ledger.gone(&vectors[0].collection, None).await.unwrap();
    assert_eq!(ours(5).await, []);
}

async fn the_first_consent_stays<L: Consents>(ledger: &L) {
    let (owner, stranger) = (owner(), owner());
    assert_eq!(ledger.agreed(&owner).await.unwrap(), None);
    ledger.agree(&owner, at(1)).await.unwrap();
    ledger.agree(&owner, at(2)).await.unwrap();
    assert_eq!(ledger.agreed(&owner).await.unwrap(), Some(at(1)));
    assert_eq!(ledger.agreed(&stranger).await.unwrap(), None, "nobody agrees for anybody else");
}

fn erased(owner: &Owner, second: i64, vectors: usize) -> Note {
    Note::Erased(Erasure { at: at(second), owner: owner.clone(), vectors, reason: Reason::Forgotten })
}

async fn the_first_note_stays<L: Notes + 'static>(ledger: &Arc<L>) {
    let (owner, request) = (owner(), mark());
    assert_eq!(ledger.noted(&owner, &request).await.unwrap(), None);
    let mut tasks = JoinSet::new();
    for n in 0..8 {
        let (ledger, owner, request) = (ledger.clone(), owner.clone(), request.clone());
        tasks.spawn(async move { ledger.note(&owner, &request, &erased(&owner, n, 3)).await.unwrap() });
    }
    let given = tasks.join_all().await;
    assert!(given.iter().all(|note| *note == given[0]), "everybody is given the first: {given:?}");
    assert_eq!(ledger.noted(&owner, &request).await.unwrap().as_ref(), Some(&given[0]));
    assert_eq!(ledger.note(&owner, &request, &Note::Existed(true)).await.unwrap(), given[0]);
    let other = mark();
    assert_eq!(ledger.note(&owner, &other, &Note::Existed(false)).await.unwrap(), Note::Existed(false));
    assert_eq!(ledger.erasures(&owner, 10).await.unwrap().len(), 1, "what else was noted is no erasure");
}

async fn erasures_are_told_newest_first<L: Notes>(ledger: &L) {
    let (owner, stranger) = (owner(), owner());
    for second in [2, 3, 1] {
        ledger.note(&owner, &mark(), &erased(&owner, second, 1)).await.unwrap();
    }
    let times = async |limit| -> Vec<Timestamp> {
        ledger.erasures(&owner, limit).await.unwrap().into_iter().map(|erasure| erasure.at).collect()
    };
    assert_eq!(times(10).await, [at(3), at(2), at(1)]);
    assert_eq!(times(2).await, [at(3), at(2)]);
    assert_eq!(ledger.erasures(&stranger, 10).await.unwrap(), []);
}

/// Pictures for [`faces`], as the service under test sees them.
#[derive(Debug, Clone)]
#[allow(missing_docs)]
pub struct Sitters {
    pub anna: Image,
    /// Another picture of the same person.
    pub anna_again: Image,
    pub berta: Image,
    /// Both, Anna more prominent.
    pub both: Image,
    pub nobody: Image,
    pub too_small: Image,
}

/// The behaviour of [`Collections`], [`Faces`] and [`Portraits`].
pub async fn faces<S: Collections + Faces + Portraits>(service: &S, sitters: &Sitters) {
    let (owner, stranger) = (owner(), owner());
    let friends = Collection { owner: owner.clone(), name: named("friends") };
    let theirs = Collection { owner: stranger.clone(), ..friends.clone() };
    let (anna, berta): (PersonName, PersonName) = ("anna_a".parse().unwrap(), "berta_b".parse().unwrap());

    assert_eq!(service.of(&owner).await.unwrap(), []);
    for missing in [
        service.add(&friends, &sitters.anna, &anna, &mark()).await.unwrap_err(),
        service.find(&friends, &sitters.anna).await.unwrap_err(),
        service.kept(&friends).await.unwrap_err(),
    ] {
        assert_eq!((missing.kind(), missing.is_permanent()), (Kind::NotFound, true), "{missing}");
    }
    assert!(service.create(&friends).await.unwrap());
    assert!(!service.create(&friends).await.unwrap(), "there already");
    assert!(service.create(&theirs).await.unwrap(), "another one's, though of the same name");
    service.create(&Collection { name: named("a.b-c_d"), ..friends.clone() }).await.unwrap();
    assert_eq!(service.of(&owner).await.unwrap(), [named("a.b-c_d"), named("friends")]);

    let (one, other) = (mark(), mark());
    assert_eq!(service.find(&friends, &sitters.anna).await.unwrap(), Found::Unknown);
    assert_eq!(service.add(&friends, &sitters.both, &anna, &one).await.unwrap(), Added::Yes { others: 1 });
    assert_eq!(service.add(&friends, &sitters.berta, &berta, &other).await.unwrap(), Added::Yes { others: 0 });
    let kept = service.kept(&friends).await.unwrap();
    let mut marks: Vec<_> = kept.iter().map(|face| (face.person.clone(), face.mark.clone())).collect();
    marks.sort();
    assert_eq!(marks, [(anna.clone(), one), (berta.clone(), other)], "one of each, of two on a picture the larger");
    for (picture, person) in [(&sitters.anna_again, &anna), (&sitters.both, &anna), (&sitters.berta, &berta)] {
        match service.find(&friends, picture).await.unwrap() {
            Found::Match(likeness) => {
                assert_eq!(likeness.person, *person);
                assert!((85.0..=100.0).contains(&likeness.similarity), "{likeness:?}");
                assert!((0.0..=100.0).contains(&likeness.confidence), "{likeness:?}");
            }
            found => panic!("{found:?}"),
        }
    }
    assert_eq!(service.find(&theirs, &sitters.anna).await.unwrap(), Found::Unknown, "nobody matches in another one's");

    for (picture, unfit) in [(&sitters.nobody, Unfit::NoFace), (&sitters.too_small, Unfit::TooSmall)] {
        assert_eq!(service.unfit(picture).await.unwrap(), Some(unfit));
        assert_eq!(service.add(&friends, picture, &anna, &mark()).await.unwrap(), Added::No(unfit));
        assert_eq!(service.find(&friends, picture).await.unwrap(), Found::No(unfit));
    }
    assert_eq!(service.unfit(&sitters.both).await.unwrap(), None);
    assert_eq!(service.kept(&friends).await.unwrap().len(), 2);

    let (going, staying): (Vec<_>, Vec<_>) = kept.into_iter().partition(|face| face.person == anna);
    for _ in 0..2 {
        service.remove(&friends, &going).await.unwrap();
    }
    service.remove(&friends, &[]).await.unwrap();
    assert_eq!(service.kept(&friends).await.unwrap(), staying);
    assert_eq!(service.find(&friends, &sitters.anna).await.unwrap(), Found::Unknown);
    assert!(service.delete(&friends).await.unwrap());
    assert!(!service.delete(&friends).await.unwrap(), "gone already");
    assert_eq!(service.of(&owner).await.unwrap(), [named("a.b-c_d")]);
    assert_eq!(service.of(&stranger).await.unwrap(), [named("friends")], "another one's stays");
}
