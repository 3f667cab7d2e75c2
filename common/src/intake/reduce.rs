//! Reducing decoded pixels to what a detector wants: which part at which size, resized, made RGB, turned upright.
//!
//! Resizing comes first and in the colours of the file, so that everything after it touches the small result only.

use fast_image_resize::{
    FilterType, PixelType, ResizeAlg, ResizeOptions, Resizer,
    images::{Image as Target, ImageRef},
};
use image::{ColorType, DynamicImage, RgbImage, metadata::Orientation};

use super::{Pixels, Reduction, header::Header};
use crate::{
    error::{Error, Kind, Result, internal},
    image::Image,
};
#[cfg(feature = "turbojpeg")]
use crate::{image::MediaType, intake::turbo};

/// One axis: `length` pixels of the result, that begin at `start` when the whole axis is resized to `whole`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Span {
    whole: u32,
    start: u32,
    length: u32,
}

impl Span {
    const fn full(whole: u32) -> Self {
        Self { whole, start: 0, length: whole }
    }

    /// The middle; a half pixel goes the way Python's `round` sends it (to even), as torchvision's centre crop does.
    const fn middle(whole: u32, length: u32) -> Self {
        let length = if length < whole { length } else { whole };
        let spare = whole - length;
        let half = spare / 2;
        let start = if spare % 2 == 1 && half % 2 == 1 { half + 1 } else { half };
        Self { whole, start, length }
    }

    const fn reversed(self) -> Self {
        Self { start: self.whole - self.start - self.length, ..self }
    }

    /// Start and length on the stored axis of this many pixels.
    fn source(self, stored: u32) -> (f64, f64) {
        let (stored, scale) = (f64::from(stored), f64::from(stored) / f64::from(self.whole));
        let start = f64::from(self.start) * scale;
        let end =
            if self.start + self.length == self.whole { stored } else { f64::from(self.start + self.length) * scale };
        let mut length = end - start;
        while start + length > stored {
            length = length.next_down();
        }
        (start, length)
    }
}

/// True where the stored rows are columns of the upright image.
pub(super) fn is_transposed(orientation: Orientation) -> bool {
    use Orientation as O;
    matches!(orientation, O::Rotate90 | O::Rotate270 | O::Rotate90FlipH | O::Rotate270FlipH)
}

/// What will be done with the decoded pixels, in stored (not yet turned) coordinates.
#[derive(Debug, Clone, Copy)]
pub(super) struct Plan {
    x: Span,
    y: Span,
    width: u32,
    height: u32,
    pixel_bytes: u64,
    orientation: Orientation,
    filter: FilterType,
    #[cfg(feature = "turbojpeg")]
    is_whole: bool,
}

impl Plan {
    pub(super) fn new(header: &Header, reduction: Reduction) -> Result<Self> {
        let (width, height) = header.upright();
        let (across, down) = match reduction {
            Reduction::CentralSquare { shorter, side } => {
                if shorter == 0 || side == 0 || side > shorter {
                    return Err(internal("a central square is larger than nothing and at most the shorter side"));
                }
                let (across, down) = shorter_to(width, height, shorter);
                (Span::middle(across, side), Span::middle(down, side))
            }
            Reduction::Within { width: most_across, height: most_down } => {
                let (across, down) = within(width, height, most_across, most_down);
                (Span::full(across), Span::full(down))
            }
            Reduction::Cells { across, down } => (Span::full(across.max(1)), Span::full(down.max(1))),
        };
        let filter =
            if matches!(reduction, Reduction::Cells { .. }) { FilterType::Box } else { FilterType::CatmullRom };
        use Orientation as O;
        let orientation = header.orientation;
        // Only then may the decoder leave pixels out by itself: a classifier's square keeps its exact arithmetic.
        #[cfg(feature = "turbojpeg")]
        let is_whole = !matches!(reduction, Reduction::CentralSquare { .. });
        let (mut x, mut y) = if is_transposed(orientation) { (down, across) } else { (across, down) };
        if matches!(orientation, O::FlipHorizontal | O::Rotate180 | O::Rotate270 | O::Rotate270FlipH) {
            x = x.reversed();
        }
        if matches!(orientation, O::FlipVertical | O::Rotate180 | O::Rotate90 | O::Rotate270FlipH) {
            y = y.reversed();
        }
        Ok(Self {
            x,
            y,
            width: header.width,
            height: header.height,
            pixel_bytes: header.pixel_bytes,
            orientation,
            filter,
            #[cfg(feature = "turbojpeg")]
            is_whole,
        })
    }

    /// An upper bound of the bytes held besides the decoded pixels: one intermediate image of the resizer (narrow and high
    /// or wide and low), the result, its RGB form and its upright form.
    pub(super) fn bytes(&self) -> u64 {
        let (across, down) = (u64::from(self.x.length), u64::from(self.y.length));
        let (width, height) = (u64::from(self.width), u64::from(self.height));
        let result = across * down;
        if self.is_copy() {
            let rgb = if self.pixel_bytes == 3 { 0 } else { result * 3 };
            let turned = if self.orientation == Orientation::NoTransforms { 0 } else { result * 3 };
            return rgb + turned;
        }
        let intermediate = (across * height).max(width * down).saturating_mul(self.pixel_bytes);
        intermediate.saturating_add(result.saturating_mul(self.pixel_bytes + 6))
    }

    /// Decodes and carries the plan out.
    pub(super) fn pixels(self, image: &Image) -> Result<Pixels> {
        #[cfg(feature = "turbojpeg")]
        if self.is_whole
            && image.media_type() == MediaType::Jpeg
            && let Some(decoded) = turbo::decode(image, self.x.whole, self.y.whole)
        {
            let (width, height) = (decoded.width(), decoded.height());
            return Self { width, height, ..self }.carry_out(decoded);
        }
        self.carry_out(super::decode::decode(image)?)
    }

    fn is_copy(&self) -> bool {
        self.x == Span::full(self.width) && self.y == Span::full(self.height)
    }

    pub(super) fn carry_out(self, decoded: DynamicImage) -> Result<Pixels> {
        let rgb = if self.is_copy() {
            match decoded {
                DynamicImage::ImageRgb8(rgb) => rgb.into_raw(),
                other => to_rgb(other.as_bytes(), other.color())?,
            }
        } else {
            self.resized(decoded)?
        };
        let small = RgbImage::from_raw(self.x.length, self.y.length, rgb)
            .ok_or_else(|| internal("the resized pixels do not fill the picture"))?;
        let mut upright = DynamicImage::ImageRgb8(small);
        upright.apply_orientation(self.orientation);
        Ok(Pixels { width: upright.width(), height: upright.height(), rgb: upright.into_rgb8().into_raw() })
    }

    fn resized(&self, decoded: DynamicImage) -> Result<Vec<u8>> {
        let color = decoded.color();
        let kind = pixel_type(color)?;
        let ((left, width), (top, height)) = (self.x.source(self.width), self.y.source(self.height));
        let options = ResizeOptions::new()
            .resize_alg(ResizeAlg::Convolution(self.filter))
            .crop(left, top, width, height)
            .use_alpha(false);
        let source = ImageRef::new(self.width, self.height, decoded.as_bytes(), kind).map_err(internal)?;
        let mut target = Target::new(self.x.length, self.y.length, kind);
        Resizer::new().resize(&source, &mut target, &options).map_err(internal)?;
        if color == ColorType::Rgb8 { Ok(target.into_vec()) } else { to_rgb(target.buffer(), color) }
    }
}

/// The shorter side becomes `shorter`, the longer one follows, cut to whole pixels as torchvision does.
fn shorter_to(width: u32, height: u32, shorter: u32) -> (u32, u32) {
    let longer = |long: u32, short: u32| {
        let exact = u64::from(shorter) * u64::from(long) / u64::from(short.max(1));
        u32::try_from(exact).unwrap_or(u32::MAX)
    };
    if width <= height { (shorter, longer(height, width)) } else { (longer(width, height), shorter) }
}

/// The largest size of the same shape within the box; the size itself where it fits.
fn within(width: u32, height: u32, most_across: u32, most_down: u32) -> (u32, u32) {
    if width <= most_across && height <= most_down {
        return (width, height);
    }
    let scale = (f64::from(most_across) / f64::from(width)).min(f64::from(most_down) / f64::from(height));
    let fit = |side: u32, most: u32| ((f64::from(side) * scale).round() as u32).clamp(1, most.max(1));
    (fit(width, most_across), fit(height, most_down))
}

fn pixel_type(color: ColorType) -> Result<PixelType> {
    Ok(match color {
        ColorType::L8 => PixelType::U8,
        ColorType::La8 => PixelType::U8x2,
        ColorType::Rgb8 => PixelType::U8x3,
        ColorType::Rgba8 => PixelType::U8x4,
        ColorType::L16 => PixelType::U16,
        ColorType::La16 => PixelType::U16x2,
        ColorType::Rgb16 => PixelType::U16x3,
        ColorType::Rgba16 => PixelType::U16x4,
        ColorType::Rgb32F => PixelType::F32x3,
        ColorType::Rgba32F => PixelType::F32x4,
        _ => {
            return Err(Error::new(
                Kind::UnsupportedMedia,
                "the colours of the image are of a kind that is not accepted",
            ));
        }
    })
}

/// 8 bits each of red, green and blue: alpha is dropped, grey is repeated, deeper samples lose their lower bits.
fn to_rgb(samples: &[u8], color: ColorType) -> Result<Vec<u8>> {
    let channels = usize::from(color.channel_count());
    let depth = usize::from(color.bytes_per_pixel()) / channels.max(1);
    let bytes: Vec<u8>;
    let eight = match depth {
        1 => samples,
        2 => {
            bytes = samples.as_chunks::<2>().0.iter().map(|two| (u16::from_ne_bytes(*two) >> 8) as u8).collect();
            &bytes
        }
        _ => {
            let scaled = |four: &[u8; 4]| (f32::from_ne_bytes(*four).clamp(0.0, 1.0) * 255.0).round() as u8;
            bytes = samples.as_chunks::<4>().0.iter().map(scaled).collect();
            &bytes
        }
    };
    let mut rgb = Vec::with_capacity(eight.len() / channels.max(1) * 3);
    for pixel in eight.chunks_exact(channels.max(1)) {
        match pixel {
            [grey] | [grey, _] => rgb.extend_from_slice(&[*grey; 3]),
            [red, green, blue] | [red, green, blue, _] => rgb.extend_from_slice(&[*red, *green, *blue]),
            _ => return Err(internal("an image with more than four channels")),
        }
    }
    Ok(rgb)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(size: (u32, u32), orientation: Orientation, reduction: Reduction) -> Plan {
        let header = Header { width: size.0, height: size.1, orientation, ..Header::unknown() };
        Plan::new(&header, reduction).unwrap()
    }

    fn square(shorter: u32, side: u32) -> Reduction {
        Reduction::CentralSquare { shorter, side }
    }

    /// Any size of picture with soft edges and no symmetry.
    fn picture(width: u32, height: u32) -> DynamicImage {
        let wave = |a: u32, b: u32| ((f64::from(a) / 9.0).sin() * 60.0 + f64::from(b) / 3.0 + 80.0) as u8;
        RgbImage::from_fn(width, height, |x, y| image::Rgb([wave(x, y), wave(y, x), (x * y / 64) as u8])).into()
    }

    #[test]
    fn the_square_is_the_middle_of_the_shorter_side_resized() {
        let plan = check((640, 480), Orientation::NoTransforms, square(256, 224));
        assert_eq!(plan.x, Span { whole: 341, start: 58, length: 224 });
        assert_eq!(plan.y, Span { whole: 256, start: 16, length: 224 });
        let turned = check((480, 640), Orientation::Rotate90, square(256, 224));
        assert_eq!((turned.x.whole, turned.y.whole), (256, 341));
        assert_eq!(turned.y.start, 341 - 58 - 224);
    }

    #[test]
    fn cropping_while_resizing_is_resizing_and_then_cropping() {
        for (width, height) in [(640, 480), (301, 997), (257, 256), (90, 70), (224, 224), (3, 400)] {
            let source = picture(width, height);
            let plan = check((width, height), Orientation::NoTransforms, square(256, 224));
            let whole = Plan { x: Span::full(plan.x.whole), y: Span::full(plan.y.whole), ..plan };
            let expected = whole.carry_out(source.clone()).unwrap();
            let expected = RgbImage::from_raw(expected.width, expected.height, expected.rgb).unwrap();
            let cut = image::imageops::crop_imm(&expected, plan.x.start, plan.y.start, plan.x.length, plan.y.length);
            let ours = plan.carry_out(source).unwrap();
            let worst = cut.to_image().iter().zip(&ours.rgb).map(|(a, b)| a.abs_diff(*b)).max();
            assert!(worst <= Some(1), "{width}x{height}: {worst:?}");
        }
    }

    #[test]
    fn fitting_keeps_the_shape_and_never_enlarges() {
        let fit = |width, height| {
            let plan = check((width, height), Orientation::NoTransforms, Reduction::Within { width: 640, height: 480 });
            (plan.x.length, plan.y.length)
        };
        assert_eq!(fit(640, 480), (640, 480));
        assert_eq!(fit(12, 5), (12, 5));
        assert_eq!(fit(4000, 3000), (640, 480));
        assert_eq!(fit(3000, 4000), (360, 480));
        assert_eq!(fit(100_000, 2), (640, 1));
        let turned = check((4000, 3000), Orientation::Rotate90, Reduction::Within { width: 640, height: 480 });
        assert_eq!((turned.x.length, turned.y.length), (480, 360));
    }

    #[test]
    fn any_shape_comes_out_as_the_square() {
        for (width, height) in [(1, 1), (1, 5000), (5000, 1), (2, 3), (224, 225), (65_535, 3)] {
            let ours = check((width, height), Orientation::Rotate270, square(256, 224));
            let ours = ours.carry_out(picture(width, height)).unwrap();
            assert_eq!((ours.width, ours.height, ours.rgb.len()), (224, 224, 224 * 224 * 3), "{width}x{height}");
        }
    }

    #[test]
    fn a_square_larger_than_its_side_is_refused() {
        assert!(Plan::new(&Header::unknown(), square(224, 256)).is_err());
        assert!(Plan::new(&Header::unknown(), square(0, 0)).is_err());
    }

    #[test]
    fn every_colour_becomes_rgb() {
        let check = |color, samples: &[u8], expected: &[u8]| assert_eq!(to_rgb(samples, color).unwrap(), expected);
        let sixteen = |values: &[u16]| values.iter().flat_map(|value| value.to_ne_bytes()).collect::<Vec<_>>();
        let float = |values: &[f32]| values.iter().flat_map(|value| value.to_ne_bytes()).collect::<Vec<_>>();
        check(ColorType::L8, &[7, 9], &[7, 7, 7, 9, 9, 9]);
        check(ColorType::La8, &[7, 0], &[7, 7, 7]);
        check(ColorType::Rgba8, &[1, 2, 3, 0, 4, 5, 6, 255], &[1, 2, 3, 4, 5, 6]);
        check(ColorType::L16, &sixteen(&[0xFFFF, 0x1234]), &[255, 255, 255, 0x12, 0x12, 0x12]);
        check(ColorType::Rgba16, &sixteen(&[0x0100, 0x0200, 0x0300, 0]), &[1, 2, 3]);
        check(ColorType::Rgb32F, &float(&[0.5, -1.0, f32::NAN, 9.0, 1.0, 0.0]), &[128, 0, 0, 255, 255, 0]);
    }
}
