//! The rows of one file of an inventory, read as they are unpacked.

use std::{fmt, fs::File, io::BufReader, str::FromStr};

use common::error::{Error, Kind, Result};
use csv::{Reader, ReaderBuilder, StringRecord};
use flate2::read::MultiGzDecoder;

use super::manifest::Columns;
use crate::{
    backfill::{
        Listed, Source,
        listing::{in_archive, reference},
    },
    dead_letters::decoded,
};

/// Rows of a page.
const PAGE: usize = 1000;

/// How many files and rows of the next one are read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Position {
    pub(super) file: usize,
    pub(super) row: u64,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file, self.row)
    }
}

impl FromStr for Position {
    type Err = Error;
    fn from_str(text: &str) -> Result<Self> {
        let parts = text.split_once(':').and_then(|(file, row)| Some((file.parse().ok()?, row.parse().ok()?)));
        let (file, row) =
            parts.ok_or_else(|| Error::new(Kind::InvalidRequest, "this is no position in an inventory"))?;
        Ok(Self { file, row })
    }
}

/// One open file.
pub(super) struct Rows {
    reader: Reader<MultiGzDecoder<BufReader<File>>>,
    columns: Columns,
    position: Position,
    ended: bool,
}

impl fmt::Debug for Rows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rows").field("position", &self.position).finish_non_exhaustive()
    }
}

impl Rows {
    /// Opens a file and passes over what is behind the position.
    pub(super) fn open(file: File, columns: Columns, at: Position) -> Result<Self> {
        let reader = ReaderBuilder::new().has_headers(false).from_reader(MultiGzDecoder::new(BufReader::new(file)));
        let mut rows = Self { reader, columns, position: Position { row: 0, ..at }, ended: false };
        let mut record = StringRecord::new();
        while rows.position.row < at.row && rows.read(&mut record)? {}
        Ok(rows)
    }

    /// What is read next from this file.
    pub(super) fn position(&self) -> Position {
        self.position
    }

    /// What is read next from the inventory.
    pub(super) fn next(&self) -> Position {
        if self.ended { Position { file: self.position.file + 1, row: 0 } } else { self.position }
    }

    /// The objects of the next rows, without older versions and deletions and what lies elsewhere.
    pub(super) fn page(&mut self, source: &Source) -> Result<Vec<Listed>> {
        let (mut objects, mut record) = (Vec::new(), StringRecord::new());
        for _ in 0..PAGE {
            if !self.read(&mut record)? {
                break;
            }
            objects.extend(self.listed(&record, source)?);
        }
        Ok(objects)
    }

    fn read(&mut self, record: &mut StringRecord) -> Result<bool> {
        let read = self.reader.read_record(record);
        let read =
            read.map_err(|cause| Error::new(Kind::Unavailable, "the inventory cannot be unpacked").because(cause))?;
        self.ended = !read;
        self.position.row += u64::from(read);
        Ok(read)
    }

    fn listed(&self, record: &StringRecord, source: &Source) -> Result<Option<Listed>> {
        let columns = &self.columns;
        let field = |column: Option<usize>| column.and_then(|column| record.get(column)).unwrap_or_default();
        let latest = columns.is_latest.is_none() || field(columns.is_latest).eq_ignore_ascii_case("true");
        if !latest || field(columns.is_delete_marker).eq_ignore_ascii_case("true") {
            return Ok(None);
        }
        let key = decoded(field(Some(columns.key)));
        if !key.starts_with(&source.prefix) {
            return Ok(None);
        }
        let object = reference(&source.bucket, &key, Some(field(columns.version)), field(columns.etag));
        if object.version.is_none() && object.etag.is_empty() {
            let message = "a row of the inventory has neither ETag nor VersionId, of which ids are made";
            return Err(Error::new(Kind::InvalidRequest, message));
        }
        let bytes = field(Some(columns.size)).parse().unwrap_or_default();
        let archived = in_archive(field(columns.storage_class));
        Ok(Some(Listed { object, bytes, archived, after: self.position.to_string() }))
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Seek, Write};

    use flate2::{Compression, write::GzEncoder};

    use super::*;

    const COLUMNS: Columns = Columns {
        key: 1,
        size: 5,
        etag: Some(6),
        version: Some(2),
        is_latest: Some(3),
        is_delete_marker: Some(4),
        storage_class: Some(7),
    };

    fn packed(text: &str) -> File {
        let mut packed = GzEncoder::new(tempfile::tempfile().unwrap(), Compression::fast());
        packed.write_all(text.as_bytes()).unwrap();
        let mut file = packed.finish().unwrap();
        file.rewind().unwrap();
        file
    }

    #[test]
    fn rows_are_objects_in_their_latest_version() {
        let text = r#""b","2024/a+b%2Bc.jpg","v2","true","false","7","e1","STANDARD"
"b","2024/a+b%2Bc.jpg","v1","false","false","6","e0","STANDARD"
"b","2024/gone.jpg","v3","true","true","","",""
"b","other.jpg","","true","false","5","e2","STANDARD"
"b","2024/old.jpg","null","true","false","8","e3","DEEP_ARCHIVE"
"#;
        let mut rows = Rows::open(packed(text), COLUMNS, Position::default()).unwrap();
        let objects = rows.page(&"s3://b/2024/".parse().unwrap()).unwrap();
        let found: Vec<_> = objects
            .iter()
            .map(|listed| {
                let object = &listed.object;
                (object.key.as_str(), object.version.as_deref(), listed.bytes, listed.archived, listed.after.as_str())
            })
            .collect();
        let expected = [("2024/a b+c.jpg", Some("v2"), 7, false, "0:1"), ("2024/old.jpg", None, 8, true, "0:5")];
        assert_eq!(found, expected);
        assert_eq!(rows.next(), Position { file: 1, row: 0 });
    }

    #[test]
    fn a_position_is_where_reading_goes_on() {
        let text: String =
            (0..2500).map(|n| format!("\"b\",\"{n:04}\",\"\",\"true\",\"false\",\"1\",\"e\",\"\"\n")).collect();
        let source = "s3://b".parse().unwrap();
        let mut rows = Rows::open(packed(&text), COLUMNS, Position::default()).unwrap();
        let first = rows.page(&source).unwrap();
        assert_eq!((first.len(), rows.next()), (1000, Position { file: 0, row: 1000 }));
        let at: Position = first[499].after.parse().unwrap();
        let mut rows = Rows::open(packed(&text), COLUMNS, at).unwrap();
        assert_eq!(rows.page(&source).unwrap()[0].object.key, "0500");
        assert_eq!(rows.page(&source).unwrap().len(), 1000);
        assert!("1".parse::<Position>().is_err());
    }

    #[test]
    fn what_is_no_gzip_is_an_error() {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"Bucket,Key").unwrap();
        file.rewind().unwrap();
        assert!(Rows::open(file, COLUMNS, Position::default()).unwrap().page(&"s3://b".parse().unwrap()).is_err());
    }
}
