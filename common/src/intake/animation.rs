//! Whether a file moves: more than one frame, told by its blocks and chunks alone. Each step goes on in the file, so that a walk
//! ends with it.

use super::scan::Scan;
use crate::image::{Image, MediaType};

/// Whether a viewer would show more than one frame. A file that breaks off says what it has said until then.
pub(super) fn is_animated(image: &Image) -> bool {
    let bytes = image.bytes().as_ref();
    match image.media_type() {
        MediaType::Gif => gif(&Scan::little_endian(bytes)).unwrap_or(false),
        MediaType::Png => png(&Scan::big_endian(bytes)).unwrap_or(false),
        MediaType::Webp => webp(&Scan::little_endian(bytes)).unwrap_or(false),
        MediaType::Jpeg | MediaType::Bmp | MediaType::Tiff => false,
    }
}

/// A second image descriptor (GIF89a, sections 17 to 26).
fn gif(scan: &Scan<'_>) -> Option<bool> {
    let mut at = 13 + colours(scan.u8(10)?);
    let mut frames = 0;
    loop {
        at = match scan.u8(at)? {
            0x21 => blocks(scan, at + 2)?,
            0x2C => {
                frames += 1;
                if frames == 2 {
                    return Some(true);
                }
                blocks(scan, at + 11 + colours(scan.u8(at + 9)?))?
            }
            _ => return Some(false),
        };
    }
}

/// Bytes of the colour table that these flags announce.
fn colours(flags: u8) -> usize {
    if flags & 0x80 == 0 { 0 } else { 3 << ((flags & 7) + 1) }
}

/// The end of a row of blocks, of which each begins with its length.
fn blocks(scan: &Scan<'_>, mut at: usize) -> Option<usize> {
    loop {
        let length = usize::from(scan.u8(at)?);
        at += 1 + length;
        if length == 0 {
            return Some(at);
        }
    }
}

/// An animation control chunk before the picture's data, with another number of frames than one (PNG, third edition, 11.3.6.1).
fn png(scan: &Scan<'_>) -> Option<bool> {
    let mut at = 8;
    loop {
        match scan.slice(at + 4, 4)? {
            b"acTL" => return Some(scan.u32(at + 8)? != 1),
            b"IDAT" => return Some(false),
            _ => at = at.checked_add(12)?.checked_add(usize::try_from(scan.u32(at)?).ok()?)?,
        }
    }
}

/// The flag of the extended header (RFC 9649, 2.7).
fn webp(scan: &Scan<'_>) -> Option<bool> {
    Some(scan.slice(12, 4)? == b"VP8X" && scan.u8(20)? & 0x02 != 0)
}
