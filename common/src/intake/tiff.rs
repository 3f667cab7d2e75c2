//! The first directory of a TIFF file (TIFF 6.0, section 2): what the decoder would take for memory and time because the
//! directory says so. Size and colours are read with the decoder, after this.

use super::{jpeg, scan::Scan};
use crate::error::{Error, Kind, Result};

/// Entries of one list that the decoder keeps in memory; a strip for each of a million rows is more than any picture has.
const MOST_VALUES: u64 = 1_000_000;
/// What the decoder takes for one value of a list.
const VALUE_BYTES: u64 = 64;

/// Bytes that decoding holds besides the picture: lists, one row of a tile, one picture of a JPEG-compressed tile.
///
/// # Errors
/// `too-large` where a list or a tile is, `undecodable-image` where a JPEG-compressed tile is larger than it may be.
pub(super) fn overhead(bytes: &[u8], max_pixels: u64) -> Result<u64> {
    let scan = if bytes.starts_with(b"II") { Scan::little_endian(bytes) } else { Scan::big_endian(bytes) };
    let directory = Directory::read(&scan).ok_or_else(|| damaged("the TIFF directory is cut off"))?;
    let values = directory.lists.iter().map(|list| u64::from(list.count)).max().unwrap_or(0);
    if values > MOST_VALUES {
        return Err(Error::new(Kind::TooLarge, "the TIFF directory has more entries than are accepted"));
    }
    let across = directory.tile_width.unwrap_or(directory.width);
    let down = directory.tile_height.unwrap_or(directory.rows_per_strip.min(directory.height));
    let sample_bytes = directory.samples.max(1) * directory.bits.max(8).div_ceil(8);
    // Four bytes a pixel is what a picture within the limit takes.
    if across.saturating_mul(down).saturating_mul(sample_bytes) > max_pixels.saturating_mul(8) {
        return Err(Error::new(Kind::TooLarge, "the tiles of the TIFF image are larger than is accepted"));
    }
    let mut overhead = values * VALUE_BYTES + across * sample_bytes;
    if directory.compression == 7 {
        overhead += directory.largest_jpeg(&scan, (across + 16) * (down + 16))?;
    }
    Ok(overhead)
}

/// Where the values of an entry stand.
#[derive(Debug, Clone, Copy)]
struct List {
    tag: u16,
    kind: u16,
    count: u32,
    at: usize,
}

#[derive(Debug, Default)]
struct Directory {
    width: u64,
    height: u64,
    bits: u64,
    samples: u64,
    compression: u64,
    rows_per_strip: u64,
    tile_width: Option<u64>,
    tile_height: Option<u64>,
    lists: Vec<List>,
}

impl Directory {
    fn read(scan: &Scan<'_>) -> Option<Self> {
        let mut directory = Self { rows_per_strip: u64::MAX, ..Self::default() };
        let at = usize::try_from(scan.u32(4)?).ok()?;
        for entry in 0..usize::from(scan.u16(at)?) {
            let at = at + 2 + entry * 12;
            let (tag, kind, count) = (scan.u16(at)?, scan.u16(at + 2)?, scan.u32(at + 4)?);
            let list = List { tag, kind, count, at: at + 8 };
            let value = list.value(scan, 0);
            match tag {
                256 => directory.width = value?,
                257 => directory.height = value?,
                258 => directory.bits = value.unwrap_or(32),
                259 => directory.compression = value?,
                277 => directory.samples = value?,
                278 => directory.rows_per_strip = value?,
                322 => directory.tile_width = value,
                323 => directory.tile_height = value,
                _ => {}
            }
            // Bits, strips, colour map, tiles, extra samples, sample format, JPEG tables: what the decoder reads as lists.
            if matches!(tag, 258 | 273 | 279 | 320 | 324 | 325 | 338 | 339 | 347) {
                directory.lists.push(list);
            }
        }
        Some(directory)
    }

    /// Memory for the largest JPEG picture among the strips or tiles.
    fn largest_jpeg(&self, scan: &Scan<'_>, most_pixels: u64) -> Result<u64> {
        let mut largest = 0;
        for list in self.lists.iter().filter(|list| matches!(list.tag, 273 | 324)) {
            for index in 0..list.count {
                let tile = list.value(scan, index).and_then(|at| scan.bytes.get(usize::try_from(at).ok()?..));
                let frame = jpeg::frame(tile.ok_or_else(|| damaged("a tile lies outside the TIFF file"))?)?;
                if u64::from(frame.width) * u64::from(frame.height) > most_pixels {
                    return Err(damaged("a tile of the TIFF image is larger than its directory says"));
                }
                largest = largest.max(frame.memory());
            }
        }
        Ok(largest)
    }
}

impl List {
    /// One value of a list of bytes, shorts or longs.
    fn value(&self, scan: &Scan<'_>, index: u32) -> Option<u64> {
        let size = match self.kind {
            1 => 1,
            3 => 2,
            4 | 13 => 4,
            _ => return None,
        };
        let inline = usize::try_from(self.count).ok()?.checked_mul(size)? <= 4;
        let start = if inline { self.at } else { usize::try_from(scan.u32(self.at)?).ok()? };
        let at = start.checked_add(usize::try_from(index).ok()?.checked_mul(size)?)?;
        match size {
            1 => scan.u8(at).map(u64::from),
            2 => scan.u16(at).map(u64::from),
            _ => scan.u32(at).map(u64::from),
        }
    }
}

fn damaged(message: &'static str) -> Error {
    Error::new(Kind::UndecodableImage, message)
}
