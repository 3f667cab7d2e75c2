//! Mosaics: how few cells a picture is made of once it is blurred, and how they are drawn at its size again.

use fast_image_resize::{
    FilterType, PixelType, ResizeAlg, ResizeOptions, Resizer,
    images::{Image as Target, ImageRef},
};

use super::Pixels;
use crate::error::{Result, internal};

/// Samples that a cell is drawn with before it is drawn at its size in straight lines between them.
const SAMPLES: u32 = 8;

/// So many cells a row and so many rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Mosaic {
    pub(super) across: u32,
    pub(super) down: u32,
}

impl Mosaic {
    /// Cells of at least twice `sigma` for so many pixels, and at most `most` of them along the longer side; one at least.
    pub(super) fn of((width, height): (u32, u32), sigma: f32, most: u32) -> Self {
        let longer = width.max(height) as f32;
        let cell = (longer / most as f32).max(sigma * 2.0).max(1.0);
        let cells = |side: u32| ((side as f32 / cell) as u32).clamp(1, most);
        Self { across: cells(width), down: cells(height) }
    }
}

/// The cells as a picture of this size: blurred by a Gaussian whose standard deviation is half a cell.
///
/// The Gaussian is only worked out at [`SAMPLES`] places a cell and followed in straight lines between them, which no eye
/// tells from the real one and which is what makes blurring a large picture cheap.
pub(super) fn drawn(mosaic: &Pixels, width: u32, height: u32) -> Result<Pixels> {
    let samples = |cells: u32, side: u32| side.min(cells.saturating_mul(SAMPLES));
    let small = resized(mosaic, samples(mosaic.width, width), samples(mosaic.height, height), FilterType::Gaussian)?;
    if (small.width, small.height) == (width, height) {
        return Ok(small);
    }
    resized(&small, width, height, FilterType::Bilinear)
}

/// The mean colours of a rectangle's cells. `left`, `top`, `width` and `height` are within the picture.
pub(super) fn reduced(
    pixels: &Pixels,
    (left, top, width, height): (u32, u32, u32, u32),
    mosaic: Mosaic,
) -> Result<Pixels> {
    let whole = ResizeOptions::new().crop(left.into(), top.into(), width.into(), height.into());
    apply(pixels, mosaic.across, mosaic.down, whole, FilterType::Box)
}

fn resized(pixels: &Pixels, width: u32, height: u32, filter: FilterType) -> Result<Pixels> {
    apply(pixels, width, height, ResizeOptions::new(), filter)
}

fn apply(pixels: &Pixels, width: u32, height: u32, options: ResizeOptions, filter: FilterType) -> Result<Pixels> {
    let options = options.resize_alg(ResizeAlg::Convolution(filter)).use_alpha(false);
    let source = ImageRef::new(pixels.width, pixels.height, &pixels.rgb, PixelType::U8x3).map_err(internal)?;
    let mut target = Target::new(width, height, PixelType::U8x3);
    Resizer::new().resize(&source, &mut target, &options).map_err(internal)?;
    Ok(Pixels { width, height, rgb: target.into_vec() })
}
