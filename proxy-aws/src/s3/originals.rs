//! Tags on the originals. By the verdict among them the bucket's policy decides who may read an object, so that nothing has to be
//! moved to keep it from anybody. Without a version the tags are those of whatever lies under the key now: a verdict that somebody
//! may rely on needs a bucket that keeps versions.

use std::collections::BTreeMap;

use async_trait::async_trait;
use aws_sdk_s3::types::{Tag, Tagging};
use common::{
    error::{Result, internal},
    ports::Originals,
    request::ObjectRef,
};
use tracing::warn;

use super::{Buckets, classify, tags::merged};

#[async_trait]
impl Originals for Buckets {
    async fn tag(&self, object: &ObjectRef, tags: &BTreeMap<String, String>) -> Result<()> {
        self.ours(object)?;
        let call = self.client.get_object_tagging().bucket(&object.bucket).key(&object.key);
        let call = call.set_version_id(object.version.clone()).send();
        let answer = call.await.map_err(|error| classify(error, "the object's tags cannot be read"))?;
        let present: BTreeMap<String, String> = answer.tag_set.into_iter().map(|tag| (tag.key, tag.value)).collect();
        let wanted = merged(present.clone(), tags);
        if !wanted.left_out.is_empty() {
            warn!(left_out = ?wanted.left_out, "others use so many of an object's ten tags that ours do not all fit");
        }
        if wanted.tags == present {
            return Ok(());
        }
        let set = wanted.tags.into_iter().map(|(name, value)| Tag::builder().key(name).value(value).build());
        let set = set.collect::<Result<Vec<_>, _>>().map_err(internal)?;
        let tagging = Tagging::builder().set_tag_set(Some(set)).build().map_err(internal)?;
        let call = self.client.put_object_tagging().bucket(&object.bucket).key(&object.key).tagging(tagging);
        let call = call.set_version_id(object.version.clone()).send();
        call.await.map_err(|error| classify(error, "the object's tags cannot be written"))?;
        Ok(())
    }

    /// Nothing: an object without the verdict `allow` is nobody's to read but reviewers'.
    async fn hold(&self, _: &ObjectRef) -> Result<()> {
        Ok(())
    }

    /// Nothing, as [`Self::hold`]: the new verdict's tag says all.
    async fn release(&self, _: &ObjectRef) -> Result<()> {
        Ok(())
    }
}
