//! Which of the objects that a listing tells are sent, and why the others are not.

use std::collections::HashSet;

use common::{
    error::Result,
    request::{Cloud, ImageId, Query},
    upload::{DERIVED, INBOX},
};

use super::{Counts, Known, Listed, Options};

/// What is done about one object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is sent.
    Send,
    /// It has an outcome already.
    Known,
    /// Nothing is in it, as in what consoles make for folders.
    Empty,
    /// The pipeline wrote it itself.
    Own,
    /// Its key ends otherwise than asked for.
    Suffix,
    /// It has to be brought back from an archive first.
    Archived,
}

/// The id under which the stack will keep the object's analysis.
pub(super) fn id(listed: &Listed) -> ImageId {
    listed.object.id(Cloud::Aws, &Query::default())
}

/// A verdict for each object, in their order; asks the ledger only about what would be sent.
pub(super) async fn judge(objects: &[Listed], options: &Options, known: &dyn Known) -> Result<Vec<Verdict>> {
    let by_name: Vec<Option<Verdict>> = objects.iter().map(|listed| refusal(listed, options)).collect();
    let recorded = if options.all {
        HashSet::new()
    } else {
        let wanted = objects.iter().zip(&by_name).filter(|(_, refusal)| refusal.is_none());
        known.recorded(&wanted.map(|(listed, _)| id(listed)).collect::<Vec<_>>()).await?
    };
    let judged = objects.iter().zip(by_name).map(|(listed, refusal)| match refusal {
        Some(refusal) => refusal,
        None if recorded.contains(&id(listed)) => Verdict::Known,
        None => Verdict::Send,
    });
    Ok(judged.collect())
}

fn refusal(listed: &Listed, options: &Options) -> Option<Verdict> {
    let key = &listed.object.key;
    if key.starts_with(DERIVED) || key.starts_with(INBOX) {
        Some(Verdict::Own)
    } else if listed.bytes == 0 {
        Some(Verdict::Empty)
    } else if !options.suffixes.is_empty() && !has_suffix(key, &options.suffixes) {
        Some(Verdict::Suffix)
    } else if listed.archived {
        Some(Verdict::Archived)
    } else {
        None
    }
}

/// Whether what follows the key's last dot is one of these, in any case.
fn has_suffix(key: &str, suffixes: &[String]) -> bool {
    let suffix = key.rsplit('/').next().and_then(|name| name.rsplit_once('.')).map(|(_, suffix)| suffix);
    suffix.is_some_and(|suffix| suffixes.iter().any(|wanted| wanted.eq_ignore_ascii_case(suffix)))
}

impl Counts {
    /// Counts one object in.
    pub(super) fn add(&mut self, listed: &Listed, verdict: Verdict) {
        self.listed += 1;
        let counter = match verdict {
            Verdict::Send => {
                self.bytes += listed.bytes;
                &mut self.sent
            }
            Verdict::Known => &mut self.known,
            Verdict::Empty => &mut self.empty,
            Verdict::Own => &mut self.own,
            Verdict::Suffix => &mut self.other_suffix,
            Verdict::Archived => &mut self.archived,
        };
        *counter += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backfill::run::fakes::{Nothing, listed};

    #[tokio::test]
    async fn only_pictures_that_can_be_read_and_have_no_outcome_are_sent() {
        let check = async |listed: Listed, options: &Options, expected: Verdict| {
            let verdicts = judge(std::slice::from_ref(&listed), options, &Nothing).await.unwrap();
            assert_eq!(verdicts, [expected], "{listed:?}");
        };
        let all = Options::default();
        check(listed("a.jpg", 5), &all, Verdict::Send).await;
        check(listed("without-suffix", 5), &all, Verdict::Send).await;
        check(listed("folder/", 0), &all, Verdict::Empty).await;
        check(listed("derived/aws-x/blurred.jpg", 5), &all, Verdict::Own).await;
        check(listed("inbox/aws-x", 5), &all, Verdict::Own).await;
        check(Listed { archived: true, ..listed("a.jpg", 5) }, &all, Verdict::Archived).await;
        let some = Options { suffixes: vec!["jpg".to_owned(), "png".to_owned()], ..Options::default() };
        check(listed("a/b.JPG", 5), &some, Verdict::Send).await;
        check(listed("a.jpg/b", 5), &some, Verdict::Suffix).await;
        check(listed("jpg", 5), &some, Verdict::Suffix).await;
    }

    #[tokio::test]
    async fn what_the_ledger_knows_is_sent_only_on_demand() {
        struct Everything;
        #[async_trait::async_trait]
        impl Known for Everything {
            async fn recorded(&self, ids: &[ImageId]) -> Result<HashSet<ImageId>> {
                Ok(ids.iter().cloned().collect())
            }
        }
        let objects = [listed("a.jpg", 5), listed("folder/", 0)];
        let known = judge(&objects, &Options::default(), &Everything).await.unwrap();
        assert_eq!(known, [Verdict::Known, Verdict::Empty]);
        let all = judge(&objects, &Options { all: true, ..Options::default() }, &Everything).await.unwrap();
        assert_eq!(all, [Verdict::Send, Verdict::Empty]);
    }
}
