//! `s3://bucket/prefix`.

use std::{fmt, str::FromStr};

use common::error::{Error, Kind};
use serde::{Deserialize, Serialize};

/// A bucket, or what lies in it under a prefix; also one object, by its whole key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Source {
    /// The bucket's name.
    pub bucket: String,
    /// How keys begin; empty for all of them.
    pub prefix: String,
}

impl Source {
    /// The name of a job on this source that was given none: the location, in characters that need no quotes in a shell.
    pub fn job_name(&self) -> String {
        let plain = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '.' | '_') { c } else { '-' };
        let text = format!("{}/{}", self.bucket, self.prefix);
        text.trim_end_matches('/').chars().map(plain).collect()
    }
}

impl FromStr for Source {
    type Err = Error;
    fn from_str(text: &str) -> Result<Self, Error> {
        let form = || Error::new(Kind::InvalidRequest, "write s3://bucket or s3://bucket/prefix");
        let location = text.strip_prefix("s3://").ok_or_else(form)?;
        let (bucket, prefix) = location.split_once('/').unwrap_or((location, ""));
        let name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
        if bucket.is_empty() || !bucket.chars().all(name) {
            return Err(form());
        }
        Ok(Self { bucket: bucket.to_owned(), prefix: prefix.to_owned() })
    }
}

impl TryFrom<String> for Source {
    type Error = Error;
    fn try_from(text: String) -> Result<Self, Error> {
        text.parse()
    }
}

impl From<Source> for String {
    fn from(source: Source) -> Self {
        source.to_string()
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "s3://{}/{}", self.bucket, self.prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_location_is_a_bucket_and_a_prefix() {
        let check = |text: &str, expected: Option<(&str, &str)>| {
            let source = text.parse::<Source>().ok();
            let found = source.as_ref().map(|source| (source.bucket.as_str(), source.prefix.as_str()));
            assert_eq!(found, expected, "{text}");
        };
        check("s3://photos", Some(("photos", "")));
        check("s3://photos/", Some(("photos", "")));
        check("s3://photos/2024/a b", Some(("photos", "2024/a b")));
        for wrong in ["photos", "s3://", "s3:///x", "http://photos/x", "s3://ph otos/x", "s3://photos?x/y"] {
            check(wrong, None);
        }
        assert_eq!("s3://photos/2024/a b/".parse::<Source>().unwrap().job_name(), "photos-2024-a-b");
    }
}
