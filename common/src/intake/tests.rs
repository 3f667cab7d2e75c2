//! What comes out of the gate, and what never gets in. Pictures are made here; the shared cases are read where they are.
#![allow(clippy::print_stderr)]

mod blurred;
mod pictures;

use std::{fs, io::Cursor, path::Path};

use ::image::{
    ExtendedColorType, ImageBuffer, ImageEncoder, ImageFormat, Rgb, RgbImage, Rgba,
    codecs::{png::PngEncoder, webp::WebPEncoder},
};

use self::pictures::{encoded, exif, jpeg, picture, png_header, stored, tiff, tiff_around};
use super::*;

const SQUARE: Reduction = Reduction::CentralSquare { shorter: 256, side: 224 };
const WHOLE: Reduction = Reduction::Within { width: 10_000, height: 10_000 };

fn intake() -> Intake {
    Intake::new(Limits::default())
}

async fn pixels(bytes: Vec<u8>, reduction: Reduction) -> Result<Pixels> {
    let intake = intake();
    intake.pixels(&intake.admit(bytes.into())?, reduction).await
}

fn refusal(bytes: Vec<u8>) -> Kind {
    intake().admit(bytes.into()).expect_err("refused").kind()
}

fn worst(ours: &Pixels, expected: &RgbImage) -> u8 {
    assert_eq!((ours.width, ours.height), expected.dimensions());
    ours.rgb.iter().zip(expected.as_raw()).map(|(a, b)| a.abs_diff(*b)).max().unwrap()
}

#[tokio::test]
async fn six_formats_are_taken_in() {
    use ImageFormat as F;
    let picture = picture(96, 64);
    for format in [F::Png, F::Gif, F::WebP, F::Bmp, F::Tiff, F::Jpeg] {
        let bytes = encoded(&picture, format);
        let image = intake().admit(bytes.clone().into()).unwrap();
        assert_eq!((image.width(), image.height()), (96, 64));
        assert_eq!(image.media_type().name(), format.to_mime_type());
        assert_eq!(image.digest(), Digest::of(&bytes));
        let ours = pixels(bytes, WHOLE).await.unwrap();
        // Away from the edges of the patches, where JPEG rings.
        for (x, y) in [(4, 8), (36, 8), (80, 8), (8, 56), (80, 56)] {
            let at = (y as usize * 96 + x as usize) * 3;
            let near = ours.rgb[at..at + 3].iter().zip(picture.get_pixel(x, y).0).all(|(a, b)| a.abs_diff(b) < 12);
            assert!(near, "{format:?} at {x},{y}: {:?}", &ours.rgb[at..at + 3]);
        }
    }
}

#[tokio::test]
async fn eight_orientations_of_jpeg_come_out_upright() {
    let upright = picture(64, 48);
    for orientation in 1..=8 {
        let bytes = jpeg(&stored(&upright, orientation), orientation);
        let image = intake().admit(bytes.clone().into()).unwrap();
        assert_eq!((image.width(), image.height()), (64, 48), "orientation {orientation}");
        let ours = pixels(bytes, WHOLE).await.unwrap();
        for (x, y) in [(4, 4), (24, 4), (50, 4), (4, 40), (50, 40)] {
            let at = (y as usize * 64 + x as usize) * 3;
            let near = ours.rgb[at..at + 3].iter().zip(upright.get_pixel(x, y).0).all(|(a, b)| a.abs_diff(b) < 20);
            assert!(near, "orientation {orientation} at {x},{y}: {:?}", &ours.rgb[at..at + 3]);
        }
    }
}

#[tokio::test]
async fn eight_orientations_reduce_to_the_same_square() {
    let upright = RgbImage::from_fn(397, 301, |x, y| Rgb([(x / 2) as u8, (y / 2) as u8, (x * y / 600) as u8]));
    let expected = pixels(tiff(&upright, &[]), SQUARE).await.unwrap();
    let expected = RgbImage::from_raw(224, 224, expected.rgb).unwrap();
    for orientation in 1..=8 {
        let bytes = tiff(&stored(&upright, orientation), &[(274, 3, orientation.into())]);
        let ours = pixels(bytes, SQUARE).await.unwrap();
        assert!(worst(&ours, &expected) <= 1, "orientation {orientation}: {}", worst(&ours, &expected));
    }
}

#[tokio::test]
async fn orientation_is_read_from_png_and_webp() {
    let upright = picture(40, 24);
    let sideways = stored(&upright, 6);
    let mut png = Vec::new();
    let mut encoder = PngEncoder::new(&mut png);
    encoder.set_exif_metadata(exif(6)).unwrap();
    encoder.write_image(sideways.as_raw(), 24, 40, ExtendedColorType::Rgb8).unwrap();
    let mut webp = Vec::new();
    let mut encoder = WebPEncoder::new_lossless(&mut webp);
    encoder.set_exif_metadata(exif(6)).unwrap();
    encoder.write_image(sideways.as_raw(), 24, 40, ExtendedColorType::Rgb8).unwrap();
    for bytes in [png, webp] {
        assert_eq!(worst(&pixels(bytes, WHOLE).await.unwrap(), &upright), 0);
    }
}

#[tokio::test]
async fn colours_under_transparency_are_kept_and_depth_is_cut() {
    let mut bytes = Vec::new();
    let samples = [10, 20, 30, 0, 40, 50, 60, 255];
    PngEncoder::new(&mut bytes).write_image(&samples, 2, 1, ExtendedColorType::Rgba8).unwrap();
    assert_eq!(pixels(bytes, WHOLE).await.unwrap().rgb, [10, 20, 30, 40, 50, 60]);
    let mut bytes = Vec::new();
    let samples: Vec<u8> = [0x1234_u16, 0xFFFF].into_iter().flat_map(u16::to_ne_bytes).collect();
    PngEncoder::new(&mut bytes).write_image(&samples, 2, 1, ExtendedColorType::L16).unwrap();
    assert_eq!(pixels(bytes, WHOLE).await.unwrap().rgb, [0x12, 0x12, 0x12, 255, 255, 255]);
    let deep = ImageBuffer::from_pixel(300, 260, Rgba([0x8000_u16; 4]));
    let mut bytes = Cursor::new(Vec::new());
    deep.write_to(&mut bytes, ImageFormat::Png).unwrap();
    assert!(pixels(bytes.into_inner(), SQUARE).await.unwrap().rgb.iter().all(|sample| *sample == 128));
}

#[test]
fn type_is_told_by_content() {
    assert_eq!(refusal(b"<svg xmlns='http://www.w3.org/2000/svg'/>".to_vec()), Kind::UnsupportedMedia);
    assert_eq!(refusal(Vec::new()), Kind::UnsupportedMedia);
    for format in [ImageFormat::Png, ImageFormat::Gif, ImageFormat::WebP, ImageFormat::Bmp, ImageFormat::Tiff] {
        let bytes = encoded(&picture(96, 64), format);
        let cut = bytes[..14].to_vec();
        assert_eq!(refusal(cut), Kind::UndecodableImage, "{format:?}");
    }
    assert_eq!(refusal(b"\xFF\xD8\xFF\xE0".to_vec()), Kind::UndecodableImage);
}

#[tokio::test]
async fn damage_behind_the_header_is_found() {
    for format in [ImageFormat::Png, ImageFormat::Gif, ImageFormat::WebP, ImageFormat::Bmp, ImageFormat::Tiff] {
        let mut bytes = encoded(&picture(96, 64), format);
        // A TIFF file ends with its directory: its strip is made to lie outside instead.
        if format == ImageFormat::Tiff {
            bytes = tiff(&picture(96, 64), &[]);
            let at = bytes.windows(4).rposition(|bytes| bytes == [0x11, 1, 4, 0]).unwrap();
            bytes[at + 10] = 0xFF;
        } else {
            bytes.truncate(bytes.len() / 2);
        }
        assert_eq!(pixels(bytes, WHOLE).await.unwrap_err().kind(), Kind::UndecodableImage, "{format:?}");
    }
}

#[test]
fn limits_hold_at_the_header() {
    let limited =
        |limits: Limits, bytes: &[u8]| Intake::new(limits).admit(bytes.to_vec().into()).expect_err("refused").kind();
    let png = encoded(&picture(96, 64), ImageFormat::Png);
    let fits = Limits { max_bytes: png.len(), max_pixels: 96 * 64, ..Limits::default() };
    assert!(Intake::new(fits).admit(png.clone().into()).is_ok());
    assert_eq!(limited(Limits { max_bytes: png.len() - 1, ..fits }, &png), Kind::TooLarge);
    assert_eq!(limited(Limits { max_pixels: 96 * 64 - 1, ..fits }, &png), Kind::TooLarge);
    assert_eq!(limited(Limits { memory_budget: 1 << 20, ..fits }, &png), Kind::TooLarge);
}

#[test]
fn bombs_are_refused_by_their_header() {
    assert!(intake().admit(png_header(100, 100).into()).is_ok());
    assert_eq!(refusal(png_header(60_000, 60_000)), Kind::TooLarge);
    assert_eq!(refusal(png_header(0, 100)), Kind::UndecodableImage);

    let mut gif = encoded(&picture(8, 8), ImageFormat::Gif);
    gif[6..10].copy_from_slice(&[0xFF; 4]);
    assert_eq!(refusal(gif), Kind::TooLarge);

    let mut bmp = encoded(&picture(8, 8), ImageFormat::Bmp);
    bmp[18..22].copy_from_slice(&60_000_u32.to_le_bytes());
    bmp[22..26].copy_from_slice(&60_000_u32.to_le_bytes());
    assert_eq!(refusal(bmp), Kind::TooLarge);

    let webp = encoded(&picture(8, 8), ImageFormat::WebP);
    let mut large = webp.clone();
    large[21..25].copy_from_slice(&[0xFF, 0xFF, 0xFF, 0x0F]);
    assert_eq!(refusal(large), Kind::TooLarge);
    // A canvas of 8 × 8 around a frame of 16,384 × 4,096.
    let mut frame = webp[12..].to_vec();
    frame[9..13].copy_from_slice(&[0xFF, 0xFF, 0xFF, 0x03]);
    let canvas = b"RIFF\xFF\0\0\0WEBPVP8X\x0A\0\0\0\0\0\0\0\x07\0\0\x07\0\0";
    assert_eq!(refusal([canvas.as_slice(), &frame].concat()), Kind::UndecodableImage);

    let mut plain = jpeg(&picture(64, 64), 1);
    let frame = plain.windows(2).position(|marker| marker == [0xFF, 0xC0]).unwrap();
    plain[frame + 5..frame + 9].copy_from_slice(&[0xFF; 4]);
    assert_eq!(refusal(plain.clone()), Kind::TooLarge);
    // 7,000 × 7,000 is within the limit; all its coefficients at once are not.
    plain[frame + 5..frame + 9].copy_from_slice(&[0x1B, 0x58, 0x1B, 0x58]);
    assert!(intake().admit(plain.clone().into()).is_ok());
    plain[frame + 1] = 0xC2;
    assert_eq!(refusal(plain), Kind::TooLarge);

    let tiles = |side: u32| tiff(&picture(8, 8), &[(322, 4, side), (323, 4, side), (324, 4, 16), (325, 4, 192)]);
    assert_eq!(refusal(tiles(60_000)), Kind::TooLarge);
    // A strip that is a JPEG file of another size than the strip has room for.
    let mut strip = jpeg(&picture(64, 64), 1);
    let inside = |strip: &[u8]| tiff_around(strip, (64, 64), &[(259, 3, 7)]);
    assert!(intake().admit(inside(&strip).into()).is_ok());
    let frame = strip.windows(2).position(|marker| marker == [0xFF, 0xC0]).unwrap();
    strip[frame + 5..frame + 9].copy_from_slice(&[0x27; 4]);
    assert_eq!(refusal(inside(&strip)), Kind::UndecodableImage);
    // A list of 2,000,000 strips.
    let mut many = tiff(&picture(8, 8), &[]);
    let entry = many.windows(4).rposition(|bytes| bytes == [0x11, 1, 4, 0]).unwrap();
    many[entry + 4..entry + 8].copy_from_slice(&2_000_000_u32.to_le_bytes());
    assert_eq!(refusal(many), Kind::TooLarge);
}

#[test]
fn rare_variants_are_named_as_such() {
    let mut lossless = jpeg(&picture(64, 64), 1);
    let frame = lossless.windows(2).position(|marker| marker == [0xFF, 0xC0]).unwrap();
    lossless[frame + 1] = 0xC3;
    assert_eq!(refusal(lossless), Kind::UnsupportedMedia);
}

/// Every hostile and odd file of the shared cases: nothing panics, and what a bounded decoder can read, we can.
#[tokio::test(flavor = "multi_thread")]
async fn the_shared_cases_are_read_or_refused() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/cases/images");
    let Ok(manifest) = fs::read_to_string(folder.join("MANIFEST.tsv")) else {
        eprintln!("skipped: no {}", folder.display());
        return;
    };
    let intake = intake();
    let (mut read, mut wrong) = (0, Vec::new());
    for row in manifest.lines().skip(1) {
        let columns: Vec<_> = row.split('\t').collect();
        let (name, baseline) = (columns[0], columns[4]);
        let bytes = fs::read(folder.join(name)).unwrap();
        let accepted_type = MediaType::sniff(&bytes).is_ok();
        let ours = match intake.admit(bytes.into()) {
            Ok(image) => intake.pixels(&image, SQUARE).await,
            Err(error) => Err(error),
        };
        match ours {
            Ok(pixels) => {
                assert_eq!(pixels.rgb.len(), 224 * 224 * 3, "{name}");
                read += 1;
            }
            Err(error) if matches!(error.kind(), Kind::UnsupportedMedia | Kind::UndecodableImage) => {
                if accepted_type && baseline.starts_with("ok") {
                    wrong.push(format!("{name}: {baseline}, ours {error}: {}", error.causes()));
                }
            }
            Err(error) => assert_eq!(error.kind(), Kind::TooLarge, "{name}"),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(read > 300, "{read} read");
}
