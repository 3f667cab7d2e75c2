//! JPEGs by libjpeg-turbo, which leaves out most of the work on pixels that will not be seen: a picture that is to be a
//! quarter as wide is decoded at a quarter.

use bytes::Bytes;
use image::{DynamicImage, RgbImage};
use turbojpeg::{Compressor, Decompressor, Image as Raw, PixelFormat, ScalingFactor, Subsamp};

use super::Pixels;
use crate::{
    error::{Result, internal},
    image::Image,
};

/// Scans of a progressive file; more are an attack on the processor, as each goes over the whole picture.
const MOST_SCANS: u32 = 500;
/// The scales that cost the least, smallest first.
const SCALES: [ScalingFactor; 4] =
    [ScalingFactor::ONE_EIGHTH, ScalingFactor::ONE_QUARTER, ScalingFactor::ONE_HALF, ScalingFactor::ONE];

/// Decodes a JPEG to a size of at least `width` × `height` stored pixels where it has that many. `None` for whatever it does
/// not take (damage, rare colours): the general decoder has the last word about those.
pub(super) fn decode(image: &Image, width: u32, height: u32) -> Option<DynamicImage> {
    let mut decoder = Decompressor::new().ok()?;
    decoder.set_scan_limit(MOST_SCANS).ok()?;
    let header = decoder.read_header(image.bytes()).ok()?;
    let stored = (image.header.width as usize, image.header.height as usize);
    if (header.width, header.height) != stored || header.is_lossless {
        return None;
    }
    let enough = |scale: &ScalingFactor| {
        let scaled = header.scaled(*scale);
        scaled.width >= width as usize && scaled.height >= height as usize
    };
    let scale = SCALES.into_iter().find(enough).unwrap_or(ScalingFactor::ONE);
    decoder.set_scaling_factor(scale).ok()?;
    let scaled = header.scaled(scale);
    let pitch = scaled.width.checked_mul(3)?;
    let mut pixels = vec![0; pitch.checked_mul(scaled.height)?];
    let raw = Raw {
        pixels: pixels.as_mut_slice(),
        width: scaled.width,
        pitch,
        height: scaled.height,
        format: PixelFormat::RGB,
    };
    decoder.decompress(image.bytes(), raw).ok()?;
    let (width, height) = (scaled.width.try_into().ok()?, scaled.height.try_into().ok()?);
    RgbImage::from_raw(width, height, pixels).map(DynamicImage::ImageRgb8)
}

/// Writes a JPEG.
pub(super) fn encode(pixels: &Pixels, quality: u8) -> Result<Bytes> {
    let mut encoder = Compressor::new().map_err(internal)?;
    encoder.set_quality(quality.into()).map_err(internal)?;
    encoder.set_subsamp(Subsamp::Sub2x2).map_err(internal)?;
    let (width, height) = (pixels.width as usize, pixels.height as usize);
    let raw = Raw { pixels: pixels.rgb.as_slice(), width, pitch: width * 3, height, format: PixelFormat::RGB };
    encoder.compress_to_vec(raw).map(Bytes::from).map_err(internal)
}

#[cfg(test)]
mod tests {
    use super::super::{Intake, Limits, Reduction};

    /// A photograph-like JPEG.
    fn jpeg(width: u32, height: u32) -> bytes::Bytes {
        let wave = |a: u32, b: u32| ((f64::from(a) / 40.0).sin() * 60.0 + f64::from(b % 200) / 3.0 + 80.0) as u8;
        let picture = image::RgbImage::from_fn(width, height, |x, y| image::Rgb([wave(x, y), wave(y, x), 90]));
        let mut bytes = Vec::new();
        image::codecs::jpeg::JpegEncoder::new_with_quality(&mut bytes, 90).encode_image(&picture).unwrap();
        bytes.into()
    }

    #[tokio::test]
    async fn a_scaled_decode_looks_like_the_whole_one_reduced() {
        for (width, height) in [(1000, 750), (641, 481), (2600, 300), (3000, 2001)] {
            let intake = Intake::new(Limits::default());
            let image = intake.admit(jpeg(width, height)).unwrap();
            let box_ = Reduction::Within { width: 320, height: 240 };
            let ours = intake.pixels(&image, box_).await.unwrap();
            let plan = super::super::reduce::Plan::new(&image.header, box_).unwrap();
            let whole = plan.carry_out(super::super::decode::decode(&image).unwrap()).unwrap();
            assert_eq!((ours.width, ours.height), (whole.width, whole.height));
            let far: u64 = ours.rgb.iter().zip(&whole.rgb).map(|(a, b)| u64::from(a.abs_diff(*b))).sum();
            let mean = far as f64 / whole.rgb.len() as f64;
            assert!(mean < 3.0, "{width}x{height}: {mean} levels apart on average");
        }
    }
}
