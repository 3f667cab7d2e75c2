//! Taking in an image: type by content, size before pixels, decoding within one memory budget, reduction.
//!
//! Deliberately not here: where the bytes come from (`source`), and what is seen in them (`detectors`).

mod animation;
mod blur;
mod budget;
mod decode;
mod encode;
mod header;
mod jpeg;
mod mosaic;
mod reduce;
mod scan;
mod tiff;
#[cfg(feature = "turbojpeg")]
mod turbo;
mod webp;

use std::sync::Arc;

use bytes::Bytes;

pub use self::blur::Blur;
use self::budget::Budget;
pub use self::encode::Sent;
pub(crate) use self::header::Header;
use crate::{
    error::{Error, Kind, Result},
    image::{Digest, Image, MediaType},
};

/// What is accepted.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Bytes of one image.
    pub max_bytes: usize,
    /// Width × height of one image.
    pub max_pixels: u64,
    /// Bytes that all decoders together may hold at a time.
    pub memory_budget: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { max_bytes: 20 * 1024 * 1024, max_pixels: 50_000_000, memory_budget: 160 * 1024 * 1024 }
    }
}

/// A file of at most this many bytes is sent away as it is where its pixels are few enough: decoding it would cost more
/// than it saves.
const FORWARDED: usize = 1024 * 1024;

/// What reducing a picture of the largest size takes besides decoding it.
const REDUCING: u64 = 6 << 20;

/// What a detector wants to see.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reduction {
    /// The shorter side resized to `shorter` (bicubic), then the central `side` × `side` square.
    CentralSquare {
        /// Pixels of the shorter side after resizing.
        shorter: u32,
        /// Pixels of the square's side, at most `shorter`.
        side: u32,
    },
    /// Fitted within this box, never enlarged.
    Within {
        /// Pixels at the most.
        width: u32,
        /// Pixels at the most.
        height: u32,
    },
    /// The mean colours of so many cells, whatever the shape of the picture.
    Cells {
        /// In a row.
        across: u32,
        /// In a column.
        down: u32,
    },
}

/// Upright pixels, 8 bits each of red, green and blue, rows from the top.
#[derive(Debug, Clone)]
pub struct Pixels {
    /// Pixels in a row.
    pub width: u32,
    /// Rows.
    pub height: u32,
    /// `width × height × 3` bytes.
    pub rgb: Vec<u8>,
}

/// The gate through which every image passes, and the only place where pixels are decoded.
#[derive(Debug, Clone)]
pub struct Intake {
    limits: Arc<Limits>,
    budget: Arc<Budget>,
}

impl Intake {
    /// A gate with these limits; all clones share its memory budget.
    pub fn new(limits: Limits) -> Self {
        Self { limits: Arc::new(limits), budget: Arc::new(Budget::new(limits.memory_budget)) }
    }

    /// What is accepted.
    pub fn limits(&self) -> Limits {
        *self.limits
    }

    /// Checks type, bytes, pixels and the memory that decoding would take, by the header alone.
    ///
    /// # Errors
    /// `too-large`, `unsupported-media` or `undecodable-image`. Damage behind the header is found by [`Intake::pixels`].
    pub fn admit(&self, bytes: Bytes) -> Result<Image> {
        if bytes.len() > self.limits.max_bytes {
            return Err(Error::new(
                Kind::TooLarge,
                format!("the image has {} bytes; at most {} are accepted", bytes.len(), self.limits.max_bytes),
            ));
        }
        let media_type = MediaType::sniff(&bytes)?;
        let header = header::read(media_type, &bytes, self.limits.max_pixels)?;
        let pixels = u64::from(header.width) * u64::from(header.height);
        if pixels == 0 {
            return Err(Error::new(Kind::UndecodableImage, "the image has no pixels"));
        }
        if pixels > self.limits.max_pixels {
            return Err(Error::new(
                Kind::TooLarge,
                format!("the image has {pixels} pixels; at most {} are accepted", self.limits.max_pixels),
            ));
        }
        self.budget.check(header.decode_bytes.saturating_add(REDUCING))?;
        let (width, height) = header.upright();
        let digest = Digest::of(&bytes);
        Ok(Image { bytes, digest, media_type, width, height, header })
    }

    /// Decodes, reduces and turns upright, within the memory budget. Of an animation the first frame, of a picture with
    /// transparency its colours (as Pillow's `convert("RGB")` does), of a colour profile nothing.
    ///
    /// # Errors
    /// `undecodable-image`, `unsupported-media` for a rare variant of an accepted type, `too-large`.
    pub async fn pixels(&self, image: &Image, reduction: Reduction) -> Result<Pixels> {
        self.look(image, reduction, Ok).await
    }

    /// The image for a detector somewhere else, within this box: the file itself where it is small and upright already, else
    /// a JPEG without any metadata.
    ///
    /// # Errors
    /// As of [`Intake::pixels`]; a file that is sent as it is has not been looked at behind its header.
    pub async fn reduced(&self, image: &Image, width: u32, height: u32) -> Result<Sent> {
        let fits = image.width() <= width && image.height() <= height && image.bytes().len() <= FORWARDED;
        if fits && image.header.is_upright() {
            let (bytes, media_type) = (image.bytes().clone(), image.media_type());
            return Ok(Sent { bytes, media_type, width: image.width(), height: image.height() });
        }
        self.jpeg(image, width, height).await
    }

    /// [`Intake::reduced`] for a detector that does not take the file's type: always a JPEG.
    ///
    /// # Errors
    /// As of [`Intake::pixels`].
    pub async fn jpeg(&self, image: &Image, width: u32, height: u32) -> Result<Sent> {
        self.look(image, Reduction::Within { width, height }, |pixels| encode::jpeg(&pixels)).await
    }

    /// [`Intake::pixels`], and what `look` sees in them: on the same thread, while they are in its cache. A panic in `look` is
    /// taken for a fault of the image.
    ///
    /// A caller that stops waiting gives nothing back before `look` has really ended.
    pub async fn look<T: Send + 'static>(
        &self,
        image: &Image,
        reduction: Reduction,
        look: impl FnOnce(Pixels) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let plan = reduce::Plan::new(&image.header, reduction)?;
        let bytes = image.header.decode_bytes.saturating_add(plan.bytes());
        let image = image.clone();
        self.budget.spend(bytes, move || look(plan.pixels(&image)?)).await
    }
}

#[cfg(test)]
mod tests;
