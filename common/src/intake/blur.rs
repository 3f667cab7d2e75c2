//! Blurring: a picture that shows what it is like and no longer what is on it.
//!
//! # Why it cannot be undone
//! A blur alone can be: it weakens details by a known amount each, and sharpening gives back what was not lost to rounding. So the
//! picture is first reduced to a mosaic, of which each cell is the mean colour of what it covers, and everything else follows from
//! those cells alone: at most [`MOST_CELLS`] along the longer side of a picture and [`MOST_CELLS_OF_A_REGION`] of a region, three
//! bytes each. A picture of 4,000 × 3,000 keeps 32 × 24 cells, 2 kB of 36 MB; a face keeps 8 × 8. All pictures with the same means
//! have the same blurred form, so that nothing done to it, whatever it knows about pictures, can tell which one it was: it could
//! at best make one up. Blurring the cells afterwards takes their borders away, which is for the eye.

use super::{
    Intake, Pixels, Reduction, Sent, animation, encode,
    mosaic::{Mosaic, drawn, reduced},
    reduce::Plan,
};
use crate::{
    analysis::BoundingBox,
    error::{Error, Kind, Result, internal},
    image::{Image, MediaType},
};

/// Cells along the longer side of a picture, whatever its size: seen from far away, more of them would be a small picture.
const MOST_CELLS: u32 = 32;
/// Cells along the longer side of a region: a face of 8 × 8 cells is nobody's.
const MOST_CELLS_OF_A_REGION: u32 = 8;
/// Cells along the longer side of a preview: enough for a reviewer to guess what it is, and for nobody to see who.
const MOST_CELLS_OF_A_PREVIEW: u32 = 64;
/// What a region is larger by on each side than its box, which may be a tight one.
const PADDING: f32 = 0.1;
/// Where all regions together are this many times the picture, it is blurred as a whole.
const MOST_WORK: u64 = 2;

/// What is to be blurred, and how much.
#[derive(Debug, Clone, PartialEq)]
pub struct Blur {
    /// The least standard deviation of the blur, in pixels of the original; 1 to 1,000, and what is beyond is taken for that. Large
    /// pictures are blurred more: of no picture more than a few hundred cells are left.
    pub sigma: f32,
    /// Only these places, each a little larger; the whole picture where empty.
    pub regions: Vec<BoundingBox>,
}

impl Default for Blur {
    /// σ 16, the whole picture.
    fn default() -> Self {
        Self { sigma: 16.0, regions: Vec::new() }
    }
}

impl Intake {
    /// The picture blurred so that nobody can undo it: upright, in its own size and format, without any metadata. Transparency
    /// becomes the colour under it. A picture that is too large to be blurred in places is blurred as a whole.
    ///
    /// # Errors
    /// `unsupported-media` for an animation; otherwise as of [`Intake::pixels`]; all of them permanent but a fault of this program.
    pub async fn blurred(&self, image: &Image, blur: Blur) -> Result<Sent> {
        if animation::is_animated(image) {
            return Err(Error::new(Kind::UnsupportedMedia, "animations are not blurred yet"));
        }
        let patches = Patch::all(image, &blur.regions);
        if !patches.is_empty() {
            let plan = Plan::new(&image.header, Reduction::Within { width: image.width(), height: image.height() })?;
            let pixels = u64::from(image.width()) * u64::from(image.height());
            let reading = image.header.decode_bytes.saturating_add(plan.bytes());
            let bytes = reading.max(encode::memory(image.media_type(), pixels, false)).max(pixels * 7);
            if self.budget.check(bytes).is_ok() {
                let image = image.clone();
                return self.budget.spend(bytes, move || in_places(plan, &image, &patches, sigma(&blur))).await;
            }
        }
        let size = (image.width(), image.height());
        let cells = Mosaic::of(size, sigma(&blur), MOST_CELLS);
        self.whole(image, size, cells, image.media_type()).await
    }

    /// A small blurred JPEG of the picture, or of an animation's first frame, `side` pixels on the longer side at the most.
    ///
    /// # Errors
    /// As of [`Intake::pixels`].
    pub async fn blurred_preview(&self, image: &Image, side: u32) -> Result<Sent> {
        let longer = image.width().max(image.height()).max(1);
        let fit = |length: u32| {
            let exact = u64::from(length) * u64::from(side) / u64::from(longer);
            u32::try_from(exact).unwrap_or(side).clamp(1, length.max(1))
        };
        let size =
            if longer <= side { (image.width(), image.height()) } else { (fit(image.width()), fit(image.height())) };
        self.whole(image, size, Mosaic::of(size, 1.0, MOST_CELLS_OF_A_PREVIEW), MediaType::Jpeg).await
    }

    /// All of it, drawn at `size`. The decoded picture is gone before the blurred one is drawn, so that it takes no more memory than
    /// the larger of the two.
    async fn whole(&self, image: &Image, size: (u32, u32), cells: Mosaic, format: MediaType) -> Result<Sent> {
        let Mosaic { across, down } = cells;
        let plan = Plan::new(&image.header, Reduction::Cells { across, down })?;
        let reading = image.header.decode_bytes.saturating_add(plan.bytes());
        let writing = encode::memory(format, u64::from(size.0) * u64::from(size.1), true);
        let image = image.clone();
        let work = move || {
            let cells = plan.pixels(&image)?;
            encode::kept(&drawn(&cells, size.0, size.1)?, format)
        };
        self.budget.spend(reading.max(writing), work).await
    }
}

/// Within what makes sense; what is no number is the default.
fn sigma(blur: &Blur) -> f32 {
    if blur.sigma.is_nan() { Blur::default().sigma } else { blur.sigma.clamp(1.0, 1000.0) }
}

fn in_places(plan: Plan, image: &Image, patches: &[Patch], sigma: f32) -> Result<Sent> {
    let mut pixels = plan.pixels(image)?;
    for patch in patches {
        patch.blur(&mut pixels, sigma)?;
    }
    encode::kept(&pixels, image.media_type())
}

/// A rectangle of whole pixels within the picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Patch {
    left: u32,
    top: u32,
    width: u32,
    height: u32,
}

impl Patch {
    /// All that is to be blurred; none where that is the whole picture. A box that makes no sense makes it the whole picture too.
    fn all(image: &Image, boxes: &[BoundingBox]) -> Vec<Self> {
        let size = (image.width(), image.height());
        let Some(patches) = boxes.iter().map(|bounds| Self::of(bounds, size)).collect::<Option<Vec<_>>>() else {
            return Vec::new();
        };
        let work: u64 = patches.iter().map(|patch| u64::from(patch.width) * u64::from(patch.height)).sum();
        let most = u64::from(size.0) * u64::from(size.1) * MOST_WORK;
        if work > most { Vec::new() } else { patches }
    }

    fn of(bounds: &BoundingBox, (width, height): (u32, u32)) -> Option<Self> {
        let side = |start: f32, length: f32, whole: u32| {
            let fine = start.is_finite() && length.is_finite() && length >= 0.0 && start < 1.0 && start + length > 0.0;
            let (first, last) = (start - length * PADDING, start + length * (1.0 + PADDING));
            let scale = f64::from(whole);
            let first = (f64::from(first.clamp(0.0, 1.0)) * scale).floor().clamp(0.0, scale - 1.0) as u32;
            let last = (f64::from(last.clamp(0.0, 1.0)) * scale).ceil() as u32;
            fine.then(|| (first, last.clamp(first + 1, whole) - first))
        };
        let (left, across) = side(bounds.left, bounds.width, width)?;
        let (top, down) = side(bounds.top, bounds.height, height)?;
        Some(Self { left, top, width: across, height: down })
    }

    fn blur(self, pixels: &mut Pixels, sigma: f32) -> Result<()> {
        let mosaic = Mosaic::of((self.width, self.height), sigma, MOST_CELLS_OF_A_REGION);
        let cells = reduced(pixels, (self.left, self.top, self.width, self.height), mosaic)?;
        let patch = drawn(&cells, self.width, self.height)?;
        let (row, left, width) = (pixels.width as usize * 3, self.left as usize * 3, self.width as usize * 3);
        let rows = pixels.rgb.chunks_exact_mut(row.max(1)).skip(self.top as usize);
        for (into, from) in rows.zip(patch.rgb.chunks_exact(width.max(1))) {
            let into =
                into.get_mut(left..left + width).ok_or_else(|| internal("a region lies outside of its picture"))?;
            into.copy_from_slice(from);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
