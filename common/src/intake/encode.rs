//! Small JPEGs for detectors that are somewhere else.

use bytes::Bytes;

use super::Pixels;
use crate::{error::Result, image::MediaType};

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

#[cfg(feature = "turbojpeg")]
fn encoded(pixels: &Pixels) -> Result<Bytes> {
    super::turbo::encode(pixels, QUALITY)
}

#[cfg(not(feature = "turbojpeg"))]
fn encoded(pixels: &Pixels) -> Result<Bytes> {
    let mut bytes = Vec::new();
    image::codecs::jpeg::JpegEncoder::new_with_quality(&mut bytes, QUALITY)
        .encode(&pixels.rgb, pixels.width, pixels.height, image::ExtendedColorType::Rgb8)
        .map_err(crate::error::internal)?;
    Ok(bytes.into())
}
