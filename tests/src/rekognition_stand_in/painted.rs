//! Pictures of people for the stand-in, which has no eyes: a face is a square of a strong colour on grey, and a person is a colour.
//! What is not on grey was not painted for it.

use image::{Rgb, RgbImage};

/// The colour of the ground, and how far it may be off after a JPEG.
const GREY: u8 = 128;
const OFF: u8 = 10;
/// The least difference between a pixel's largest and smallest channel for it to be part of a face.
const STRONG: u8 = 60;
/// Hues are told apart in twelfths; two people of a picture have different ones.
const HUES: usize = 12;
/// A face has at least so many pixels; less is a seam between colours.
const SPECK: u32 = 30;

/// What was seen of one hue: pixels, sums of the channels, and the box.
type Seen = (u32, [f64; 3], [u32; 4]);

/// A face on a picture.
#[derive(Debug, Clone, PartialEq)]
pub struct Painted {
    /// Its mean colour: who it is.
    pub colour: [f64; 3],
    /// Left, top, width and height as parts of the picture's.
    pub bounds: [f64; 4],
}

impl Painted {
    /// The part of the picture that it fills.
    pub fn area(&self) -> f64 {
        self.bounds[2] * self.bounds[3]
    }

    /// Its height in pixels, were the picture 1,080 high.
    pub fn height(&self) -> f64 {
        self.bounds[3] * 1080.0
    }

    /// How alike two faces are, 0 to 100: the same colour is the same person, and a hue further is another one.
    pub fn similarity(&self, other: &[f64; 3]) -> f64 {
        let distance = self.colour.iter().zip(other).map(|(one, other)| (one - other).powi(2)).sum::<f64>().sqrt();
        (100.0 - distance / 2.0).max(0.0)
    }
}

/// A picture of `width` × `height` with these people on it, from left to right: each a colour and the side of the square, as PNG.
pub fn painted(width: u32, height: u32, people: &[([u8; 3], u32)]) -> Vec<u8> {
    let mut picture = RgbImage::from_pixel(width, height, Rgb([GREY; 3]));
    let room = width / u32::try_from(people.len().max(1)).expect("few people");
    for (place, (colour, side)) in (0..).zip(people) {
        let (left, top) = (place * room + room.saturating_sub(*side) / 2, height.saturating_sub(*side) / 2);
        for (x, y) in
            (left..(left + side).min(width)).flat_map(|x| (top..(top + side).min(height)).map(move |y| (x, y)))
        {
            picture.put_pixel(x, y, Rgb(*colour));
        }
    }
    let mut bytes = std::io::Cursor::new(Vec::new());
    picture.write_to(&mut bytes, image::ImageFormat::Png).expect("a picture can be written to memory");
    bytes.into_inner()
}

/// The faces on a picture, the largest first; `None` where it was not painted for the stand-in.
pub(super) fn faces(picture: &RgbImage) -> Option<Vec<Painted>> {
    let (width, height) = picture.dimensions();
    let corners = [(0, 0), (width - 1, 0), (0, height - 1), (width - 1, height - 1)];
    let is_grey = |(x, y): (u32, u32)| picture.get_pixel(x, y).0.iter().all(|channel| channel.abs_diff(GREY) <= OFF);
    if !corners.into_iter().all(is_grey) {
        return None;
    }
    let mut seen: [Option<Seen>; HUES] = [None; HUES];
    for (x, y, pixel) in picture.enumerate_pixels() {
        let Some(hue) = hue(pixel.0) else { continue };
        let (pixels, sums, bounds) = seen[hue].get_or_insert((0, [0.0; 3], [x, y, x, y]));
        *pixels += 1;
        sums.iter_mut().zip(pixel.0).for_each(|(sum, channel)| *sum += f64::from(channel));
        *bounds = [bounds[0].min(x), bounds[1].min(y), bounds[2].max(x), bounds[3].max(y)];
    }
    let face = |(pixels, sums, [left, top, right, bottom]): Seen| {
        let part = |of: u32, whole: u32| f64::from(of) / f64::from(whole);
        let bounds =
            [part(left, width), part(top, height), part(right - left + 1, width), part(bottom - top + 1, height)];
        Painted { colour: sums.map(|sum| sum / f64::from(pixels)), bounds }
    };
    let whole = seen.into_iter().flatten().filter(|(pixels, ..)| *pixels >= SPECK);
    let mut faces: Vec<Painted> = whole.map(face).collect();
    faces.sort_by(|one, other| other.area().total_cmp(&one.area()));
    Some(faces)
}

/// The twelfth of the circle of colours that a strong colour is in.
fn hue([red, green, blue]: [u8; 3]) -> Option<usize> {
    let (most, least) = (red.max(green).max(blue), red.min(green).min(blue));
    let spread = most - least;
    if spread < STRONG {
        return None;
    }
    let [red, green, blue, spread, most] = [red, green, blue, spread, most].map(f64::from);
    let sixth = if most == red {
        ((green - blue) / spread).rem_euclid(6.0)
    } else if most == green {
        (blue - red) / spread + 2.0
    } else {
        (red - green) / spread + 4.0
    };
    // Turned by half a twelfth, so that pure colours lie in the middle of theirs.
    Some(((sixth * 2.0 + 0.5).floor() as usize) % HUES)
}
