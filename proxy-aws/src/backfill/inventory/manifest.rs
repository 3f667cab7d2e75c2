//! An inventory's manifest: which files there are, and what their columns mean.

use common::error::{Error, Kind, Result};
use serde::Deserialize;

use crate::backfill::Source;

/// Where each field stands in a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Columns {
    pub(super) key: usize,
    pub(super) size: usize,
    pub(super) etag: Option<usize>,
    pub(super) version: Option<usize>,
    pub(super) is_latest: Option<usize>,
    pub(super) is_delete_marker: Option<usize>,
    pub(super) storage_class: Option<usize>,
}

/// What a manifest says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Manifest {
    /// Keys, in the bucket of the manifest.
    pub(super) files: Vec<String>,
    pub(super) columns: Columns,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Written {
    source_bucket: String,
    file_format: String,
    file_schema: String,
    files: Vec<WrittenFile>,
}

#[derive(Deserialize)]
struct WrittenFile {
    key: String,
}

impl Manifest {
    /// Reads it, and refuses one that is not about the source or from which ids cannot be told.
    pub(super) fn parse(json: &[u8], source: &Source) -> Result<Self> {
        let refuse = |message: String| Error::new(Kind::InvalidRequest, message);
        let written: Written = serde_json::from_slice(json)
            .map_err(|cause| refuse("this is not the manifest.json of an S3 Inventory".to_owned()).because(cause))?;
        if written.file_format != "CSV" {
            let format: String = written.file_format.chars().filter(char::is_ascii_alphanumeric).take(20).collect();
            return Err(refuse(format!("the inventory is in {format}; only CSV can be read")));
        }
        if written.source_bucket != source.bucket {
            return Err(refuse(format!("the inventory is not about the bucket {}", source.bucket)));
        }
        let names: Vec<&str> = written.file_schema.split(',').map(str::trim).collect();
        let place = |name: &str| names.iter().position(|known| *known == name);
        let needed = |name: &str| place(name).ok_or_else(|| refuse(format!("the inventory has no field {name}")));
        let columns = Columns {
            key: needed("Key")?,
            size: needed("Size")?,
            etag: place("ETag"),
            version: place("VersionId"),
            is_latest: place("IsLatest"),
            is_delete_marker: place("IsDeleteMarker"),
            storage_class: place("StorageClass"),
        };
        if columns.version.is_some() && columns.is_latest.is_none() {
            return Err(refuse("the inventory has versions and does not say which is the latest".to_owned()));
        }
        if columns.version.is_none() && columns.etag.is_none() {
            return Err(refuse("the inventory has neither ETag nor VersionId, of which ids are made".to_owned()));
        }
        Ok(Self { files: written.files.into_iter().map(|file| file.key).collect(), columns })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest(format: &str, schema: &str) -> Result<Manifest> {
        let json = serde_json::json!({
            "sourceBucket": "photos", "destinationBucket": "arn:aws:s3:::lists", "version": "2016-11-30",
            "creationTimestamp": "1514944800000", "fileFormat": format, "fileSchema": schema,
            "files": [{"key": "a.csv.gz", "size": 1, "MD5checksum": "f11166069f1990abeb9c97ace9cdfabc"}],
        });
        Manifest::parse(json.to_string().as_bytes(), &"s3://photos".parse().unwrap())
    }

    #[test]
    fn columns_are_found_by_their_names() {
        let schema = "Bucket, Key, VersionId, IsLatest, IsDeleteMarker, Size, LastModifiedDate, ETag, StorageClass";
        let read = manifest("CSV", schema).unwrap();
        assert_eq!(read.files, ["a.csv.gz"]);
        let columns = read.columns;
        assert_eq!((columns.key, columns.version, columns.size, columns.etag), (1, Some(2), 5, Some(7)));
    }

    #[test]
    fn what_cannot_be_read_is_refused_with_its_reason() {
        let check = |format: &str, schema: &str, reason: &str| {
            let error = manifest(format, schema).unwrap_err();
            assert_eq!(error.kind(), Kind::InvalidRequest);
            assert!(error.message().contains(reason), "{}", error.message());
        };
        check("Parquet", "Bucket, Key, Size, ETag", "Parquet");
        check("ORC", "Bucket, Key, Size, ETag", "ORC");
        check("CSV", "Bucket, Key, ETag", "Size");
        check("CSV", "Bucket, Key, Size", "neither ETag nor VersionId");
        check("CSV", "Bucket, Key, VersionId, Size", "latest");
        let other = Manifest::parse(b"{}", &"s3://photos".parse().unwrap()).unwrap_err();
        assert!(other.message().contains("manifest.json"));
    }
}
