//! Reading sources and keeping objects.

use bytes::Bytes;

use crate::{
    error::Kind,
    ports::{Fetch, Store},
    request::ImageSource,
};

/// The behaviour of [`Fetch`]: `present` is there with these bytes, `missing` is not, `large` is over the byte limit.
pub async fn fetch(fetch: &dyn Fetch, present: (&ImageSource, &[u8]), missing: &ImageSource, large: &ImageSource) {
    assert_eq!(fetch.fetch(present.0).await.unwrap(), present.1, "all of the original bytes");
    let error = fetch.fetch(missing).await.unwrap_err();
    assert_eq!((error.kind(), error.is_permanent()), (Kind::SourceNotFound, true));
    assert_eq!(fetch.fetch(large).await.unwrap_err().kind(), Kind::TooLarge);
}

/// The behaviour of [`Store`]. `read` gives what lies under a key, `None` where nothing does.
pub async fn store(store: &dyn Store, read: impl AsyncFn(&str) -> Option<Bytes>) {
    let (old, new) = (Bytes::from_static(b"old"), Bytes::from(vec![7; 100_000]));
    for key in ["suite.bin", "derived/suite/deep/object.jpg", "inbox/ünïcode 猫.png"] {
        assert_eq!(read(key).await, None, "{key}");
        store.put(key, old.clone()).await.unwrap();
        assert_eq!(read(key).await.as_ref(), Some(&old), "{key}");
        store.put(key, new.clone()).await.unwrap();
        assert_eq!(read(key).await.as_ref(), Some(&new), "{key}");
        for _ in 0..2 {
            store.remove(key).await.unwrap();
            assert_eq!(read(key).await, None, "{key}");
        }
    }
    let long = "a".repeat(2000);
    for key in
        ["", "/", "/etc/passwd", "..", "../a", "a/../../b", "a/..", "a//b", "a/", "./a", "a\0b", "a\nb", "..\\a", &long]
    {
        assert_eq!(store.put(key, old.clone()).await.unwrap_err().kind(), Kind::InvalidRequest, "{key:?}");
        assert_eq!(store.remove(key).await.unwrap_err().kind(), Kind::InvalidRequest, "{key:?}");
    }
}
