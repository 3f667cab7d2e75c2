//! The chunks of a WebP file (RFC 9649): canvas, orientation, and that no frame in it is larger than the canvas says.
//!
//! Read here and not with the decoder, because the decoder takes a frame's own size for memory before it compares it with
//! the canvas, and takes a chunk's claimed length for memory before it reads it.

use image::metadata::Orientation;

use super::{
    header::{FIXED, Header},
    scan::Scan,
};
use crate::error::{Error, Kind, Result};

#[derive(Debug, Default)]
struct File {
    width: u32,
    height: u32,
    orientation: Option<Orientation>,
    alpha: bool,
    animated: bool,
    lossless: bool,
}

pub(super) fn header(bytes: &[u8]) -> Result<Header> {
    let file = read(&Scan::little_endian(bytes)).ok_or_else(damaged)?;
    let pixels = u64::from(file.width) * u64::from(file.height);
    let padded = (u64::from(file.width) + 16) * (u64::from(file.height) + 16);
    let output = if file.alpha { 4 } else { 3 };
    // Lossless: four bytes a pixel, and at most 1/16 of that for each transform and the entropy image.
    // Lossy: luma and two quarter planes of chroma, and for transparency a lossless image, its green part and a copy.
    let work = if file.lossless { pixels * 5 } else { padded * 3 / 2 } + if file.alpha { pixels * 7 } else { 0 };
    let frame = if file.animated { pixels * 4 } else { 0 };
    Ok(Header {
        width: file.width,
        height: file.height,
        orientation: file.orientation.unwrap_or(Orientation::NoTransforms),
        pixel_bytes: output,
        decode_bytes: pixels * output + work + frame + FIXED,
        alloc_limit: u64::MAX,
    })
}

fn read(scan: &Scan<'_>) -> Option<File> {
    let mut file = File::default();
    let (first, at, length) = chunk(scan, 12)?;
    if first != b"VP8X" {
        (file.width, file.height) = frame_size(scan, first, at)?;
        file.lossless = first == b"VP8L";
        file.alpha = file.lossless && scan.u32(at + 1)? >> 28 & 1 == 1;
        return Some(file);
    }
    file.alpha = scan.u8(at)? & 0x10 != 0;
    file.animated = scan.u8(at)? & 0x02 != 0;
    (file.width, file.height) = (scan.u24_le(at + 4)? + 1, scan.u24_le(at + 7)? + 1);
    let mut next = at.checked_add(length)?;
    while let Some((name, at, length)) = chunk(scan, next) {
        next = at.checked_add(length)?;
        match name {
            b"EXIF" => {
                let exif = scan.bytes.get(at..next.min(scan.bytes.len()))?;
                let exif = exif.strip_prefix(b"Exif\0\0").unwrap_or(exif);
                file.orientation = file.orientation.or_else(|| Orientation::from_exif_chunk(exif));
            }
            b"ANMF" => {
                // The frame's image, or its transparency and then its image.
                let (name, inner, length) = chunk(scan, at + 16)?;
                file.take_frame(scan, name, inner)?;
                if let Some((name, inner, _)) = inner.checked_add(length).and_then(|after| chunk(scan, after)) {
                    file.take_frame(scan, name, inner);
                }
            }
            name => file.take_frame(scan, name, at)?,
        }
    }
    Some(file)
}

impl File {
    /// `None` when the chunk is an image that does not fit the canvas.
    fn take_frame(&mut self, scan: &Scan<'_>, name: &[u8], at: usize) -> Option<()> {
        if name == b"VP8 " || name == b"VP8L" {
            let (width, height) = frame_size(scan, name, at)?;
            self.lossless |= name == b"VP8L";
            return (width <= self.width && height <= self.height).then_some(());
        }
        Some(())
    }
}

/// Name, start and length (padded to even) of the chunk at this position.
fn chunk<'a>(scan: &Scan<'a>, at: usize) -> Option<(&'a [u8], usize, usize)> {
    let length = usize::try_from(scan.u32(at.checked_add(4)?)?).ok()?;
    Some((scan.slice(at, 4)?, at + 8, length.checked_next_multiple_of(2)?))
}

fn frame_size(scan: &Scan<'_>, name: &[u8], at: usize) -> Option<(u32, u32)> {
    match name {
        b"VP8 " if scan.slice(at + 3, 3)? == [0x9D, 0x01, 0x2A] => {
            Some((u32::from(scan.u16(at + 6)? & 0x3FFF), u32::from(scan.u16(at + 8)? & 0x3FFF)))
        }
        b"VP8L" if scan.u8(at)? == 0x2F => {
            let sizes = scan.u32(at + 1)?;
            Some(((sizes & 0x3FFF) + 1, (sizes >> 14 & 0x3FFF) + 1))
        }
        _ => None,
    }
}

fn damaged() -> Error {
    Error::new(Kind::UndecodableImage, "the WebP header is damaged or cut off")
}
