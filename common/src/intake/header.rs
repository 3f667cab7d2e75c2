//! What a header says before any pixel is decoded: size, orientation, and the memory that decoding will hold.

use std::{
    io::Cursor,
    panic::{AssertUnwindSafe, catch_unwind},
};

use image::{
    ImageDecoder,
    codecs::{bmp::BmpDecoder, gif::GifDecoder, png::PngDecoder, tiff::TiffDecoder},
    metadata::Orientation,
};

use super::{decode::fault, jpeg, tiff, webp};
use crate::{
    error::{Error, Kind, Result},
    image::MediaType,
};

/// Memory for what grows with neither width nor height: tables, windows, small buffers.
pub(super) const FIXED: u64 = 1 << 20;
/// What a PNG file may hold besides its pixels: profile, texts, EXIF.
const PNG_EXTRAS: u64 = 8 << 20;

/// Read once when an image is admitted, used again when it is decoded.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Header {
    /// As stored, before the orientation is applied.
    pub(super) width: u32,
    /// As stored, before the orientation is applied.
    pub(super) height: u32,
    pub(super) orientation: Orientation,
    /// Bytes of one decoded pixel.
    pub(super) pixel_bytes: u64,
    /// An upper bound of the bytes that the decoder and its output hold at a time.
    pub(super) decode_bytes: u64,
    /// What the decoder is told as its own limit, in its own way of counting.
    pub(super) alloc_limit: u64,
}

impl Header {
    /// Width and height once the orientation is applied.
    pub(super) fn upright(&self) -> (u32, u32) {
        if super::reduce::is_transposed(self.orientation) {
            (self.height, self.width)
        } else {
            (self.width, self.height)
        }
    }

    /// Whether it is stored as it is to be seen.
    pub(super) fn is_upright(&self) -> bool {
        self.orientation == Orientation::NoTransforms
    }
}

#[cfg(test)]
impl Header {
    pub(crate) fn unknown() -> Self {
        Self {
            width: 1,
            height: 1,
            orientation: Orientation::NoTransforms,
            pixel_bytes: 3,
            decode_bytes: 0,
            alloc_limit: 0,
        }
    }
}

/// Reads the header. A panic of a parser is the image's fault.
pub(super) fn read(media_type: MediaType, bytes: &[u8], max_pixels: u64) -> Result<Header> {
    let parsed = catch_unwind(AssertUnwindSafe(|| match media_type {
        MediaType::Jpeg => jpeg::header(bytes),
        MediaType::Webp => webp::header(bytes),
        MediaType::Png => PngDecoder::with_limits(Cursor::new(bytes), allocations(PNG_EXTRAS)).map_err(fault).map(png),
        MediaType::Gif => GifDecoder::new(Cursor::new(bytes)).map_err(fault).map(gif),
        MediaType::Bmp => BmpDecoder::new(Cursor::new(bytes)).map_err(fault).map(|decoder| plain(decoder, 0)),
        MediaType::Tiff => {
            let overhead = tiff::overhead(bytes, max_pixels)?;
            TiffDecoder::new(Cursor::new(bytes)).map_err(fault).map(|decoder| tiff(decoder, overhead, bytes.len()))
        }
    }));
    parsed.unwrap_or_else(|_| Err(Error::new(Kind::UndecodableImage, "the image header cannot be read")))
}

/// Limits for the bytes that a decoder takes.
pub(super) fn allocations(bytes: u64) -> image::Limits {
    let mut limits = image::Limits::no_limits();
    limits.max_alloc = Some(bytes);
    limits
}

/// The output and what is given on top.
fn plain(mut decoder: impl ImageDecoder, extra: u64) -> Header {
    let (width, height) = decoder.dimensions();
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    let decode_bytes = decoder.total_bytes().saturating_add(extra).saturating_add(FIXED);
    let pixel_bytes = decoder.color_type().bytes_per_pixel().into();
    Header { width, height, orientation, pixel_bytes, decode_bytes, alloc_limit: u64::MAX }
}

/// Two rows for the filters, two for expansion, and what the file holds besides.
fn png(decoder: PngDecoder<Cursor<&[u8]>>) -> Header {
    let row = u64::from(decoder.dimensions().0).saturating_mul(8);
    let extra = row.saturating_mul(4).saturating_add(PNG_EXTRAS);
    Header { alloc_limit: extra, ..plain(decoder, extra) }
}

/// A first frame that is not the whole canvas is decoded by itself and then put onto it.
fn gif(decoder: GifDecoder<Cursor<&[u8]>>) -> Header {
    let frame = decoder.total_bytes().saturating_add(FIXED);
    Header { alloc_limit: frame, ..plain(decoder, frame) }
}

/// The decoder fills a buffer of its own (of four channels for CMYK) and copies it; it counts a compressed strip as well.
fn tiff(decoder: TiffDecoder<Cursor<&[u8]>>, overhead: u64, file: usize) -> Header {
    let color = decoder.color_type();
    let (width, height) = decoder.dimensions();
    let four = u64::from(color.bytes_per_pixel()) * 4 / u64::from(color.channel_count().max(3));
    let buffer = four.max(color.bytes_per_pixel().into()).saturating_mul(u64::from(width) * u64::from(height));
    let extra = buffer.saturating_add(overhead);
    Header { alloc_limit: buffer.saturating_add(file as u64).saturating_add(FIXED), ..plain(decoder, extra) }
}
