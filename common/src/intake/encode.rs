//! Small JPEGs for detectors that are somewhere else.

use bytes::Bytes;
use image::{ExtendedColorType, codecs::jpeg::JpegEncoder};

use super::Pixels;
use crate::error::{Result, internal};

/// High enough that letters stay sharp, which doubles the size against a web page's usual one.
const QUALITY: u8 = 90;

/// An image as it is sent away.
#[derive(Debug, Clone)]
pub struct Sent {
    /// The file.
    pub bytes: Bytes,
    /// Pixels across, upright.
    pub width: u32,
    /// Pixels down, upright.
    pub height: u32,
}

pub(super) fn jpeg(pixels: &Pixels) -> Result<Sent> {
    let mut bytes = Vec::new();
    JpegEncoder::new_with_quality(&mut bytes, QUALITY)
        .encode(&pixels.rgb, pixels.width, pixels.height, ExtendedColorType::Rgb8)
        .map_err(internal)?;
    Ok(Sent { bytes: bytes.into(), width: pixels.width, height: pixels.height })
}
