//! Small JPEGs for detectors that are somewhere else, and pictures in the format that they came in.

use std::io::Cursor;

use bytes::Bytes;
use image::{
    ExtendedColorType, ImageEncoder,
    codecs::{
        bmp::BmpEncoder,
        gif::GifEncoder,
        png::{CompressionType, FilterType, PngEncoder},
        tiff::TiffEncoder,
        webp::WebPEncoder,
    },
};

use super::{Pixels, header::FIXED};
use crate::{
    error::{Result, internal},
    image::MediaType,
};

/// High enough that letters stay sharp, which doubles the size against a web page's usual one.
const QUALITY: u8 = 90;

/// An image as it is sent away.
#[derive(Debug, Clone)]
pub struct Sent {
    /// The file.
    pub bytes: Bytes,
    /// Of the file.
    pub media_type: MediaType,
    /// Pixels across, upright.
    pub width: u32,
    /// Pixels down, upright.
    pub height: u32,
}

pub(super) fn jpeg(pixels: &Pixels) -> Result<Sent> {
    Ok(Sent { bytes: encoded(pixels)?, media_type: MediaType::Jpeg, width: pixels.width, height: pixels.height })
}

/// The picture in this format, without any metadata: JPEG; PNG, BMP and TIFF with 8 bits a colour; WebP without loss, because
/// its lossy form has no encoder here; GIF with one frame and the colours of [`posterized`].
pub(super) fn kept(pixels: &Pixels, media_type: MediaType) -> Result<Sent> {
    let (rgb, width, height) = (pixels.rgb.as_slice(), pixels.width, pixels.height);
    let colours = ExtendedColorType::Rgb8;
    let mut bytes = Vec::new();
    let written = match media_type {
        MediaType::Jpeg => return jpeg(pixels),
        MediaType::Png => PngEncoder::new_with_quality(&mut bytes, CompressionType::Fast, FilterType::Up)
            .write_image(rgb, width, height, colours),
        MediaType::Webp => WebPEncoder::new_lossless(&mut bytes).write_image(rgb, width, height, colours),
        MediaType::Gif => GifEncoder::new_with_speed(&mut bytes, 30).encode(
            &posterized(pixels),
            width,
            height,
            ExtendedColorType::Rgba8,
        ),
        MediaType::Bmp => {
            bytes.reserve_exact(rgb.len() + rgb.len() / 2);
            BmpEncoder::new(&mut bytes).encode(rgb, width, height, colours)
        }
        MediaType::Tiff => {
            bytes.reserve_exact(rgb.len() + 4096);
            TiffEncoder::new(Cursor::new(&mut bytes)).write_image(rgb, width, height, colours)
        }
    };
    written.map_err(internal)?;
    Ok(Sent { bytes: bytes.into(), media_type, width, height })
}

/// An upper bound of the bytes that [`kept`] and its pixels take. Smooth pictures compress to next to nothing.
pub(super) fn memory(media_type: MediaType, pixels: u64, is_smooth: bool) -> u64 {
    let written = match (media_type, is_smooth) {
        (MediaType::Jpeg, true) => pixels / 8,
        (MediaType::Jpeg, false) => pixels * 2,
        (MediaType::Png, true) => pixels,
        (MediaType::Png, false) | (MediaType::Bmp | MediaType::Tiff, _) => pixels * 9 / 2,
        (MediaType::Webp, true) => pixels * 5,
        (MediaType::Webp, false) => pixels * 10,
        (MediaType::Gif, _) => pixels * 7,
    };
    pixels * 3 + written + FIXED
}

/// 252 colours, six, seven and six levels of red, green and blue, in a pattern of 4 × 4 that looks like those between them:
/// looking for better ones takes seconds at this size.
fn posterized(pixels: &Pixels) -> Vec<u8> {
    const THRESHOLDS: [[u32; 4]; 4] = [[0, 8, 2, 10], [12, 4, 14, 6], [3, 11, 1, 9], [15, 7, 13, 5]];
    let level = |sample: u8, levels: u32, threshold: u32| {
        let step = (u32::from(sample) * (levels - 1) * 16 + threshold * 255) / (255 * 16);
        (step.min(levels - 1) * 255 / (levels - 1)) as u8
    };
    let mut rgba = Vec::with_capacity(pixels.rgb.len() / 3 * 4);
    let rows = pixels.rgb.chunks_exact((pixels.width as usize * 3).max(1));
    for (row, thresholds) in rows.zip(THRESHOLDS.iter().cycle()) {
        for ([red, green, blue], threshold) in row.as_chunks::<3>().0.iter().zip(thresholds.iter().cycle()) {
            let dithered = [level(*red, 6, *threshold), level(*green, 7, *threshold), level(*blue, 6, *threshold), 255];
            rgba.extend_from_slice(&dithered);
        }
    }
    rgba
}

#[cfg(feature = "turbojpeg")]
fn encoded(pixels: &Pixels) -> Result<Bytes> {
    super::turbo::encode(pixels, QUALITY)
}

#[cfg(not(feature = "turbojpeg"))]
fn encoded(pixels: &Pixels) -> Result<Bytes> {
    let mut bytes = Vec::new();
    image::codecs::jpeg::JpegEncoder::new_with_quality(&mut bytes, QUALITY)
        .encode(&pixels.rgb, pixels.width, pixels.height, ExtendedColorType::Rgb8)
        .map_err(internal)?;
    Ok(bytes.into())
}
