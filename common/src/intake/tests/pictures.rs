//! Pictures and files that the tests of the intake are made of.

use std::io::Cursor;

use ::image::{
    DynamicImage, ExtendedColorType, ImageEncoder, ImageFormat, Rgb, RgbImage,
    codecs::{jpeg::JpegEncoder, png::PngEncoder},
};

/// Four patches of one colour each and a fifth in one corner: no turn or flip leaves it the same.
pub(super) fn picture(width: u32, height: u32) -> RgbImage {
    RgbImage::from_fn(width, height, |x, y| match (x < width / 2, y < height / 2) {
        (true, true) if x < width / 4 => Rgb([250, 250, 250]),
        (true, true) => Rgb([220, 30, 30]),
        (false, true) => Rgb([30, 200, 30]),
        (true, false) => Rgb([30, 30, 220]),
        (false, false) => Rgb([200, 200, 20]),
    })
}

pub(super) fn encoded(picture: &RgbImage, format: ImageFormat) -> Vec<u8> {
    let mut file = Cursor::new(Vec::new());
    DynamicImage::from(picture.clone()).write_to(&mut file, format).unwrap();
    file.into_inner()
}

/// Exif bytes with the orientation alone: TIFF header, one entry of type short.
pub(super) fn exif(orientation: u8) -> Vec<u8> {
    [b"MM\0\x2A\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0".as_slice(), &[orientation, 0, 0, 0, 0, 0, 0]].concat()
}

/// What a camera stores that is held so that `orientation` turns it upright (Exif 2.32, 4.6.4, tag 274: the stored row 0
/// and column 0 are these sides of the upright picture).
pub(super) fn stored(upright: &RgbImage, orientation: u8) -> RgbImage {
    let (w, h) = upright.dimensions();
    let size = if orientation < 5 { (w, h) } else { (h, w) };
    RgbImage::from_fn(size.0, size.1, |x, y| *match orientation {
        1 => upright.get_pixel(x, y),
        2 => upright.get_pixel(w - 1 - x, y),
        3 => upright.get_pixel(w - 1 - x, h - 1 - y),
        4 => upright.get_pixel(x, h - 1 - y),
        5 => upright.get_pixel(y, x),
        6 => upright.get_pixel(w - 1 - y, x),
        7 => upright.get_pixel(w - 1 - y, h - 1 - x),
        _ => upright.get_pixel(y, h - 1 - x),
    })
}

pub(super) fn jpeg(picture: &RgbImage, orientation: u8) -> Vec<u8> {
    let mut file = Vec::new();
    JpegEncoder::new_with_quality(&mut file, 95).encode_image(picture).unwrap();
    let exif = exif(orientation);
    let length = u16::try_from(exif.len() + 8).unwrap().to_be_bytes();
    [&file[..2], &[0xFF, 0xE1], &length, b"Exif\0\0", &exif, &file[2..]].concat()
}

/// Uncompressed RGB in one strip, with these entries (tag, type, value) besides or instead.
pub(super) fn tiff(picture: &RgbImage, entries: &[(u16, u16, u32)]) -> Vec<u8> {
    tiff_around(picture.as_raw(), picture.dimensions(), entries)
}

/// The same around any bytes as the strip.
pub(super) fn tiff_around(strip: &[u8], (width, height): (u32, u32), entries: &[(u16, u16, u32)]) -> Vec<u8> {
    let strip_bytes = u32::try_from(strip.len()).unwrap();
    // Three depths of two bytes do not fit their entry: they stand at 8, padded to 16, where the strip begins.
    let size = [(256, 4, width), (257, 4, height), (258, 3, 8), (259, 3, 1), (262, 3, 2)];
    let place = [(273, 4, 16), (277, 3, 3), (278, 4, height), (279, 4, strip_bytes)];
    let mut all: Vec<_> = [&size[..], &place[..]].concat();
    all.retain(|(tag, ..)| entries.iter().all(|(other, ..)| other != tag));
    all.extend(entries);
    all.sort_unstable();
    let header = [b"II\x2A\0".as_slice(), &(16 + strip_bytes).to_le_bytes(), &[8, 0, 8, 0, 8, 0, 0, 0]].concat();
    let mut file = [header.as_slice(), strip].concat();
    file.extend(u16::try_from(all.len()).unwrap().to_le_bytes());
    for (tag, kind, value) in all {
        let count: u32 = if tag == 258 { 3 } else { 1 };
        file.extend(u16::to_le_bytes(tag));
        file.extend(u16::to_le_bytes(kind));
        file.extend(count.to_le_bytes());
        file.extend(u32::to_le_bytes(value));
    }
    file.extend([0; 4]);
    file
}

/// A PNG header alone, with its checksum.
pub(super) fn png_header(width: u32, height: u32) -> Vec<u8> {
    let mut bytes = Vec::new();
    PngEncoder::new(&mut bytes).write_image(&[0; 3], 1, 1, ExtendedColorType::Rgb8).unwrap();
    let header = [b"IHDR".as_slice(), &width.to_be_bytes(), &height.to_be_bytes(), &bytes[24..29]].concat();
    let mut crc = flate2::Crc::new();
    crc.update(&header);
    [&bytes[..12], &header, &crc.sum().to_be_bytes(), &bytes[33..]].concat()
}
