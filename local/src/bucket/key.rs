//! Which names are keys: of what may be written and of what is taken in. Pure.

use common::error::{Error, Kind, Result};

/// Bytes of a key, as in S3.
const MAX_KEY: usize = 1024;
/// Bytes of one part, as file systems have it.
const MAX_PART: usize = 255;

/// Refuses a key that would leave the bucket, be hidden, or never be taken in.
pub(super) fn check(key: &str) -> Result<()> {
    let refused = |message: &'static str| Err(Error::new(Kind::InvalidRequest, message));
    if key.is_empty() || key.len() > MAX_KEY {
        return refused("a key has 1 to 1024 bytes");
    }
    if key.chars().any(|c| c.is_control() || c == '\\') {
        return refused("a key has no control characters and no backslash");
    }
    for part in key.split('/') {
        if part.is_empty() || part.len() > MAX_PART {
            return refused("each part of a key has 1 to 255 bytes");
        }
        if part.starts_with('.') {
            return refused("no part of a key begins with a dot");
        }
    }
    if is_unfinished(key) {
        return refused("a key that ends in .part, .tmp, .crdownload or ~ is taken for an unfinished file");
    }
    Ok(())
}

/// Names that programs give to files that they are still writing.
pub(super) fn is_unfinished(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    [".part", ".tmp", ".crdownload", "~"].iter().any(|end| lower.ends_with(end))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_stay_in_the_bucket() {
        for key in ["cat.jpg", "a/b/c.png", "inbox/local-abc", "ünïcode/猫.jpg", "a b.jpg", "..."] {
            assert_eq!(check(key).is_ok(), key != "...", "{key}");
        }
        let long = "a".repeat(256);
        for key in [
            "",
            "/",
            "/etc/passwd",
            "a//b",
            "a/",
            "../a",
            "a/../b",
            "./a",
            ".hidden",
            "a/.git/b",
            "a\\b",
            "a\0b",
            "a\nb",
            "x.part",
            "X.TMP",
            "x~",
            &long,
        ] {
            assert_eq!(check(key).unwrap_err().kind(), Kind::InvalidRequest, "{key:?}");
        }
    }
}
