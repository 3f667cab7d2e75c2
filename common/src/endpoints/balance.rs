//! Whose turn it is among several that would all do.

use std::sync::{Mutex, PoisonError};

use sha2::{Digest, Sha256};

/// Less than this is no difference between two credits.
const EQUAL: f64 = 1e-9;

/// One that could be chosen.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Candidate {
    /// Its place in the list that the credits are kept for.
    pub place: usize,
    /// Its part of the whole, in any unit; above 0.
    pub weight: f64,
    /// What it is busy with.
    pub under_way: usize,
}

/// Smooth weighted turns: over any stretch each gets its part as exactly as whole numbers allow, and never many in a row. Where
/// two have the same claim, it is the turn of the one that is less busy.
#[derive(Debug, Default)]
pub struct Credits(Mutex<Vec<f64>>);

impl Credits {
    /// The next of these; `None` where there is none.
    pub fn next(&self, candidates: &[Candidate]) -> Option<usize> {
        if let [only] = candidates {
            return Some(only.place);
        }
        let mut credits = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let places = candidates.iter().map(|one| one.place + 1).max()?;
        if credits.len() < places {
            credits.resize(places, 0.0);
        }
        // Who could not be chosen saves nothing up for later.
        for (place, credit) in credits.iter_mut().enumerate() {
            match candidates.iter().find(|one| one.place == place) {
                Some(one) => *credit += one.weight,
                None => *credit = 0.0,
            }
        }
        let total: f64 = candidates.iter().map(|one| one.weight).sum();
        let credit = |one: &Candidate| credits.get(one.place).copied().unwrap_or_default();
        let best = candidates.iter().max_by(|one, other| {
            let difference = credit(one) - credit(other);
            match difference.abs() < EQUAL {
                // Of those that are as busy, the first.
                true => other.under_way.cmp(&one.under_way).then(other.place.cmp(&one.place)),
                false => difference.total_cmp(&0.0),
            }
        })?;
        let place = best.place;
        if let Some(credit) = credits.get_mut(place) {
            *credit -= total;
        }
        Some(place)
    }
}

/// The least busy of these, the first of several.
pub fn least_busy(candidates: &[Candidate]) -> Option<usize> {
    candidates.iter().min_by_key(|one| (one.under_way, one.place)).map(|one| one.place)
}

/// The same one for the same key, wherever it is asked and whoever else has gone or come: each candidate draws a number from the key and
/// its own name, and the highest wins in proportion to the weights (rendezvous hashing; Thaler and Ravishankar 1998, with the
/// weights of Schindelhauer and Schomaker 2005).
pub fn same_for<'a>(key: &str, candidates: &[Candidate], name: impl Fn(usize) -> &'a str) -> Option<usize> {
    let score = |one: &Candidate| {
        let digest = Sha256::new().chain_update(key).chain_update([0]).chain_update(name(one.place)).finalize();
        let drawn = digest.iter().take(6).fold(0_u64, |drawn, byte| (drawn << 8) | u64::from(*byte));
        // From above 0 to below 1: 48 bits are exact in a float.
        #[expect(clippy::cast_precision_loss, reason = "48 bits")]
        let drawn = (drawn as f64 + 0.5) / (1_u64 << 48) as f64;
        -one.weight / drawn.ln()
    };
    candidates.iter().max_by(|one, other| score(one).total_cmp(&score(other))).map(|one| one.place)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidate(place: usize, weight: f64, under_way: usize) -> Candidate {
        Candidate { place, weight, under_way }
    }

    fn turns(credits: &Credits, candidates: &[Candidate], n: usize) -> String {
        (0..n).map(|_| ["a", "b", "c"][credits.next(candidates).unwrap()]).collect()
    }

    #[test]
    fn each_has_its_part_and_never_many_in_a_row() {
        let check = |weights: &[f64], expected: &str| {
            let candidates: Vec<_> = weights.iter().enumerate().map(|(place, w)| candidate(place, *w, 0)).collect();
            assert_eq!(turns(&Credits::default(), &candidates, expected.len()), expected, "{weights:?}");
        };
        check(&[1.0, 1.0], "abababab");
        check(&[5.0, 1.0, 1.0], "aabacaaaabacaa");
        check(&[50.0, 25.0], "abaaba");
    }

    #[test]
    fn between_equals_the_less_busy_one_is_first_and_both_have_their_half() {
        let busy = [candidate(0, 50.0, 7), candidate(1, 50.0, 3)];
        assert_eq!(turns(&Credits::default(), &busy, 6), "bababa");
        assert_eq!(least_busy(&busy), Some(1));
    }

    #[test]
    fn who_was_away_has_nothing_to_catch_up() {
        let credits = Credits::default();
        let both = [candidate(0, 1.0, 0), candidate(1, 1.0, 0)];
        turns(&credits, &both, 3);
        turns(&credits, &both[..1], 100);
        let after = turns(&credits, &both, 8);
        assert_eq!(after.matches('b').count(), 4, "{after}");
    }

    #[test]
    fn a_key_stays_where_it_is_while_others_go() {
        let names = ["aws", "gcp", "azure"];
        let all: Vec<_> = [2.0, 1.0, 1.0].iter().enumerate().map(|(place, w)| candidate(place, *w, 0)).collect();
        let mut counts = [0; 3];
        for n in 0..4000 {
            let key = format!("key-{n}");
            let at = same_for(&key, &all, |place| names[place]).unwrap();
            counts[at] += 1;
            let without: Vec<_> = all.iter().copied().filter(|one| one.place != (at + 1) % 3).collect();
            assert_eq!(same_for(&key, &without, |place| names[place]), Some(at), "{key}");
        }
        assert!((1900..2100).contains(&counts[0]) && (900..1100).contains(&counts[1]), "{counts:?}");
    }
}
