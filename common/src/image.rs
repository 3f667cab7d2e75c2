//! An image as it was received: its bytes, digest, type by content and size. Pixels are `intake`'s business.

use std::{fmt, str::FromStr};

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::{
    error::{Error, Kind, Result},
    intake::Header,
};

/// SHA-256 of the image bytes as received, before any reduction.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Digest([u8; 32]);

impl Digest {
    /// Hashes the bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    /// The 64 hexadecimal digits alone.
    pub fn hex(&self) -> String {
        data_encoding::HEXLOWER.encode(&self.0)
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sha256:{}", self.hex())
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl FromStr for Digest {
    type Err = Error;
    fn from_str(text: &str) -> Result<Self> {
        text.strip_prefix("sha256:")
            .and_then(|hex| data_encoding::HEXLOWER.decode(hex.as_bytes()).ok())
            .and_then(|bytes| bytes.try_into().ok())
            .map(Self)
            .ok_or_else(|| Error::new(Kind::InvalidRequest, "a digest is sha256: and 64 hexadecimal digits"))
    }
}

impl TryFrom<String> for Digest {
    type Error = Error;
    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

impl From<Digest> for String {
    fn from(digest: Digest) -> Self {
        digest.to_string()
    }
}

/// The image types that are accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[allow(missing_docs)]
pub enum MediaType {
    #[serde(rename = "image/jpeg")]
    Jpeg,
    #[serde(rename = "image/png")]
    Png,
    #[serde(rename = "image/gif")]
    Gif,
    #[serde(rename = "image/webp")]
    Webp,
    #[serde(rename = "image/bmp")]
    Bmp,
    #[serde(rename = "image/tiff")]
    Tiff,
}

impl MediaType {
    /// Reads the type off the first bytes; whatever the name or the header says does not count.
    pub fn sniff(bytes: &[u8]) -> Result<Self> {
        use image::ImageFormat as F;
        match image::guess_format(bytes) {
            Ok(F::Jpeg) => Ok(Self::Jpeg),
            Ok(F::Png) => Ok(Self::Png),
            Ok(F::Gif) => Ok(Self::Gif),
            Ok(F::WebP) => Ok(Self::Webp),
            Ok(F::Bmp) => Ok(Self::Bmp),
            Ok(F::Tiff) => Ok(Self::Tiff),
            _ => Err(Error::new(
                Kind::UnsupportedMedia,
                "not an image type that is accepted; accepted are JPEG, PNG, GIF, WebP, BMP and TIFF, by content",
            )),
        }
    }

    /// As in `image/jpeg`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Jpeg => "image/jpeg",
            Self::Png => "image/png",
            Self::Gif => "image/gif",
            Self::Webp => "image/webp",
            Self::Bmp => "image/bmp",
            Self::Tiff => "image/tiff",
        }
    }
}

impl fmt::Display for MediaType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// An image whose type and size are known and within the limits. Cheap to clone. Made by [`crate::intake::Intake::admit`] only.
#[derive(Debug, Clone)]
pub struct Image {
    pub(crate) bytes: Bytes,
    pub(crate) digest: Digest,
    pub(crate) media_type: MediaType,
    pub(crate) width: u32,
    pub(crate) height: u32,
    pub(crate) header: Header,
}

impl Image {
    /// A stand-in for tests that care about identity only.
    #[cfg(test)]
    pub(crate) fn never_decoded(bytes: &'static [u8]) -> Self {
        let header = Header::unknown();
        Self { digest: Digest::of(bytes), bytes: bytes.into(), media_type: MediaType::Png, width: 1, height: 1, header }
    }

    /// The bytes as received.
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// Of the bytes as received.
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// By content.
    pub fn media_type(&self) -> MediaType {
        self.media_type
    }

    /// Of the upright image, in pixels.
    pub fn width(&self) -> u32 {
        self.width
    }

    /// Of the upright image, in pixels.
    pub fn height(&self) -> u32 {
        self.height
    }
}
