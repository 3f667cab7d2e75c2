//! What is left of a picture once it is blurred, and what is not.

use ::image::{Delay, Frame, codecs::gif::GifEncoder};

use super::*;
use crate::analysis::BoundingBox;

async fn blurred(bytes: Vec<u8>, blur: Blur) -> Result<Sent> {
    let intake = intake();
    intake.blurred(&intake.admit(bytes.into())?, blur).await
}

fn read(sent: &Sent) -> RgbImage {
    let picture = ::image::load_from_memory(&sent.bytes).unwrap().to_rgb8();
    assert_eq!(picture.dimensions(), (sent.width, sent.height));
    picture
}

fn png(picture: &RgbImage) -> Vec<u8> {
    encoded(picture, ImageFormat::Png)
}

/// Small black marks on white, as writing is: anything that has much of what is fine.
fn writing(width: u32, height: u32, seed: u32) -> RgbImage {
    let mark = |x: u32, y: u32| {
        let hash = (x / 3).wrapping_mul(73_856_093) ^ (y / 3).wrapping_mul(19_349_663) ^ seed.wrapping_mul(83_492_791);
        hash.wrapping_mul(2_654_435_761) >> 31 == 0 && y % 24 < 15
    };
    RgbImage::from_fn(width, height, |x, y| if mark(x, y) { Rgb([10; 3]) } else { Rgb([245; 3]) })
}

/// The mean of the samples of a picture within `radius`, one for each pixel.
fn around(picture: &RgbImage, radius: u32) -> Vec<f64> {
    let (width, height) = picture.dimensions();
    let mut sums = vec![0_f64; ((width + 1) * (height + 1)) as usize];
    let at = |x: u32, y: u32| (y * (width + 1) + x) as usize;
    for y in 0..height {
        for x in 0..width {
            let sample = f64::from(picture.get_pixel(x, y).0[1]);
            sums[at(x + 1, y + 1)] = sample + sums[at(x, y + 1)] + sums[at(x + 1, y)] - sums[at(x, y)];
        }
    }
    let mut means = Vec::new();
    for y in 0..height {
        for x in 0..width {
            let (left, top) = (x.saturating_sub(radius), y.saturating_sub(radius));
            let (right, bottom) = ((x + radius + 1).min(width), (y + radius + 1).min(height));
            let sum = sums[at(right, bottom)] - sums[at(left, bottom)] - sums[at(right, top)] + sums[at(left, top)];
            means.push(sum / f64::from((right - left) * (bottom - top)));
        }
    }
    means
}

/// What sharpening brings out: the difference of each pixel from what is around it, which is all that unsharp masking amplifies.
fn details(picture: &RgbImage) -> Vec<f64> {
    picture.pixels().zip(around(picture, 6)).map(|(pixel, mean)| f64::from(pixel.0[1]) - mean).collect()
}

fn correlation(a: &[f64], b: &[f64]) -> f64 {
    let product = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    product(a, b) / (product(a, a) * product(b, b)).sqrt().max(f64::MIN_POSITIVE)
}

#[tokio::test]
async fn sharpening_brings_no_writing_back() {
    let picture = writing(960, 720, 1);
    // What an ordinary blur leaves behind is found: the measure can tell.
    let weak = ::image::imageops::blur(&picture, 2.0);
    let control = correlation(&details(&picture), &details(&weak));
    assert!(control > 0.5, "{control}");
    for format in [ImageFormat::Png, ImageFormat::Jpeg] {
        let ours = read(&blurred(encoded(&picture, format), Blur::default()).await.unwrap());
        let left = correlation(&details(&picture), &details(&ours));
        assert!(left.abs() < 0.05, "{format:?}: {left}");
    }
}

#[tokio::test]
async fn pictures_with_the_same_means_become_the_same_picture() {
    // 960 pixels in cells of 32: one picture of stripes and one of the stripes' other halves.
    let stripes = |phase: u32| {
        RgbImage::from_fn(960, 640, |x, y| Rgb([if (x / 2 + y / 4 + phase).is_multiple_of(2) { 20 } else { 220 }; 3]))
    };
    let (one, other) = (stripes(0), stripes(1));
    let ours = [
        read(&blurred(png(&one), Blur::default()).await.unwrap()),
        read(&blurred(png(&other), Blur::default()).await.unwrap()),
    ];
    let far = ours[0].iter().zip(ours[1].iter()).map(|(a, b)| a.abs_diff(*b)).max();
    assert!(far <= Some(1), "{far:?}");
    let apart = one.iter().zip(other.iter()).filter(|(a, b)| a.abs_diff(**b) == 200).count();
    assert_eq!(apart, one.len(), "the pictures themselves have no sample in common");
}

#[tokio::test]
async fn a_blurred_picture_still_shows_what_it_is_like() {
    let upright = picture(960, 640);
    for orientation in 1..=8 {
        let sent = blurred(jpeg(&stored(&upright, orientation), orientation), Blur::default()).await.unwrap();
        let ours = read(&sent);
        assert_eq!(ours.dimensions(), (960, 640), "orientation {orientation}");
        for (x, y) in [(60, 100), (360, 100), (840, 100), (200, 560), (800, 560)] {
            let near = ours.get_pixel(x, y).0.iter().zip(upright.get_pixel(x, y).0).all(|(a, b)| a.abs_diff(b) < 12);
            assert!(near, "orientation {orientation} at {x},{y}: {:?}", ours.get_pixel(x, y));
        }
        // An edge becomes a slope of some 60 pixels.
        assert!(ours.get_pixel(480, 560).0.iter().all(|sample| (20..=215).contains(sample)));
    }
}

#[tokio::test]
async fn format_and_size_are_kept_and_nothing_else() {
    use ImageFormat as F;
    let picture = picture(301, 203);
    for format in [F::Png, F::Gif, F::WebP, F::Bmp, F::Tiff, F::Jpeg] {
        let sent = blurred(encoded(&picture, format), Blur::default()).await.unwrap();
        assert_eq!(sent.media_type.name(), format.to_mime_type());
        assert_eq!(MediaType::sniff(&sent.bytes).unwrap(), sent.media_type);
        let ours = read(&sent);
        assert_eq!(ours.dimensions(), (301, 203));
        // Of a few pixels, as GIF mixes its colours of several.
        let mean = |channel: usize| {
            (0..16).map(|at| u32::from(ours.get_pixel(276 + at % 4, 180 + at / 4).0[channel])).sum::<u32>() / 16
        };
        let near = [200, 200, 20].iter().enumerate().all(|(channel, sample)| mean(channel).abs_diff(*sample) < 12);
        assert!(near, "{format:?}: {} {} {}", mean(0), mean(1), mean(2));
    }
    for size in [(1, 1), (1, 3000), (3000, 1), (31, 33)] {
        let ours = read(&blurred(png(&super::picture(size.0, size.1)), Blur::default()).await.unwrap());
        assert_eq!(ours.dimensions(), size);
    }
}

#[tokio::test]
async fn where_it_was_taken_is_gone() {
    let secret = b"GPS 48.2082 N 16.3738 E";
    let mut tagged = exif(6);
    tagged.extend_from_slice(secret);
    let upright = picture(64, 48);
    let mut webp = Vec::new();
    let mut encoder = WebPEncoder::new_lossless(&mut webp);
    encoder.set_exif_metadata(tagged.clone()).unwrap();
    encoder.write_image(upright.as_raw(), 64, 48, ExtendedColorType::Rgb8).unwrap();
    let mut png = Vec::new();
    let mut encoder = PngEncoder::new(&mut png);
    encoder.set_exif_metadata(tagged.clone()).unwrap();
    encoder.write_image(upright.as_raw(), 64, 48, ExtendedColorType::Rgb8).unwrap();
    let plain = encoded(&upright, ImageFormat::Jpeg);
    let length = u16::try_from(tagged.len() + 8).unwrap().to_be_bytes();
    let jpeg = [&plain[..2], &[0xFF, 0xE1], &length, b"Exif\0\0", &tagged, &plain[2..]].concat();
    let corner = BoundingBox { left: 0.0, top: 0.0, width: 0.2, height: 0.2 };
    for file in [webp, png, jpeg] {
        assert!(file.windows(secret.len()).any(|bytes| bytes == secret));
        for regions in [Vec::new(), vec![corner]] {
            let sent = blurred(file.clone(), Blur { regions, ..Blur::default() }).await.unwrap();
            assert!(!sent.bytes.windows(6).any(|bytes| bytes == &secret[..6]));
            assert_eq!((sent.width, sent.height), (48, 64), "turned upright");
        }
    }
}

#[tokio::test]
async fn only_the_regions_are_touched() {
    let picture = writing(640, 480, 2);
    let face = BoundingBox { left: 0.25, top: 0.25, width: 0.25, height: 0.25 };
    let blur = Blur { regions: vec![face], ..Blur::default() };
    let ours = read(&blurred(png(&picture), blur.clone()).await.unwrap());
    // 160 × 120 pixels at 160,120, a tenth of that on each side, and the pixel that is cut by the border.
    let inside = |x: u32, y: u32| (143..337).contains(&x) && (107..253).contains(&y);
    let same = |(x, y, pixel): (u32, u32, &Rgb<u8>)| inside(x, y) || pixel == ours.get_pixel(x, y);
    assert!(picture.enumerate_pixels().all(same));
    let cut = |picture: &RgbImage| ::image::imageops::crop_imm(picture, 150, 114, 180, 132).to_image();
    let left = correlation(&details(&cut(&picture)), &details(&cut(&ours)));
    assert!(left.abs() < 0.1, "{left}");
    // The same place of a picture that lies on its side.
    let lying = tiff(&stored(&picture, 6), &[(274, 3, 6)]);
    assert_eq!(read(&blurred(lying, blur).await.unwrap()), ours);
}

#[tokio::test]
async fn a_face_keeps_few_cells_however_large_it_is() {
    let picture = writing(1600, 1600, 3);
    let all = BoundingBox { left: 0.0, top: 0.0, width: 1.0, height: 1.0 };
    let ours = read(&blurred(png(&picture), Blur { regions: vec![all], ..Blur::default() }).await.unwrap());
    let left = correlation(&details(&picture), &details(&ours));
    assert!(left.abs() < 0.05, "{left}");
    let wide: Vec<f64> = around(&picture, 40);
    let ours: Vec<f64> = around(&ours, 40);
    let mean = wide.iter().sum::<f64>() / wide.len() as f64;
    let far = wide.iter().zip(&ours).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
    assert!(far < 40.0, "it has the picture's colours: {far} from {mean}");
}

#[tokio::test]
async fn places_that_make_no_sense_blur_the_whole_picture() {
    let picture = writing(320, 240, 4);
    let whole = read(&blurred(png(&picture), Blur::default()).await.unwrap());
    let at = |left: f32, top: f32, width: f32, height: f32| BoundingBox { left, top, width, height };
    for odd in
        [at(f32::NAN, 0.0, 0.1, 0.1), at(0.0, 0.0, -1.0, 0.1), at(2.0, 0.0, 0.1, 0.1), at(0.0, 0.0, 0.1, f32::INFINITY)]
    {
        let fine = at(0.1, 0.1, 0.1, 0.1);
        let ours = blurred(png(&picture), Blur { regions: vec![fine, odd], ..Blur::default() }).await.unwrap();
        assert_eq!(read(&ours), whole, "{odd:?}");
    }
    let many = Blur { regions: vec![at(0.0, 0.0, 1.0, 1.0); 1000], ..Blur::default() };
    assert_eq!(read(&blurred(png(&picture), many).await.unwrap()), whole);
    let tiny = Blur { regions: vec![at(0.999, 0.999, 0.0, 0.0)], sigma: f32::NAN };
    assert_eq!(read(&blurred(png(&picture), tiny).await.unwrap()).get_pixel(0, 0), picture.get_pixel(0, 0));
}

#[tokio::test]
async fn animations_are_refused_and_single_frames_are_not() {
    let gif = |frames: usize| {
        let mut bytes = Vec::new();
        let mut encoder = GifEncoder::new(&mut bytes);
        for _ in 0..frames {
            let frame = ::image::DynamicImage::from(picture(64, 48)).into_rgba8();
            encoder.encode_frame(Frame::from_parts(frame, 0, 0, Delay::from_numer_denom_ms(100, 1))).unwrap();
        }
        drop(encoder);
        bytes
    };
    assert!(blurred(gif(1), Blur::default()).await.is_ok());
    let still = png(&picture(64, 48));
    let control = |frames: u32| {
        let chunk = [b"acTL".as_slice(), &frames.to_be_bytes(), &0_u32.to_be_bytes()].concat();
        let mut crc = flate2::Crc::new();
        crc.update(&chunk);
        [&still[..33], &8_u32.to_be_bytes(), &chunk, &crc.sum().to_be_bytes(), &still[33..]].concat()
    };
    let webp = encoded(&picture(8, 8), ImageFormat::WebP);
    let canvas = b"RIFF\xFF\0\0\0WEBPVP8X\x0A\0\0\0\x02\0\0\0\x07\0\0\x07\0\0";
    let moving = [canvas.as_slice(), &webp[12..]].concat();
    for file in [gif(2), control(2), moving] {
        let intake = intake();
        let image = intake.admit(file.into()).unwrap();
        assert_eq!(intake.blurred(&image, Blur::default()).await.unwrap_err().kind(), Kind::UnsupportedMedia);
    }
    let intake = intake();
    let preview = intake.blurred_preview(&intake.admit(gif(3).into()).unwrap(), 32).await.unwrap();
    assert_eq!((preview.width, preview.height, preview.media_type), (32, 24, MediaType::Jpeg));
}

#[tokio::test]
async fn the_largest_picture_that_is_accepted_can_be_blurred() {
    let large = RgbImage::from_pixel(8_000, 6_250, Rgb([200, 100, 50]));
    let sent = blurred(encoded(&large, ImageFormat::Jpeg), Blur::default()).await.unwrap();
    assert_eq!((sent.width, sent.height), (8_000, 6_250));
    // In places it does not fit into the memory: all of it then.
    let corner = BoundingBox { left: 0.0, top: 0.0, width: 0.1, height: 0.1 };
    let places = blurred(encoded(&large, ImageFormat::Jpeg), Blur { regions: vec![corner], ..Blur::default() }).await;
    assert_eq!(places.unwrap().bytes, sent.bytes);
}

/// Every hostile and odd file of the shared cases ends in a picture or in a permanent refusal.
#[tokio::test(flavor = "multi_thread")]
async fn the_shared_cases_are_blurred_or_refused() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/cases/images");
    let folder = [folder, "/work/shared/cases/images".into()].into_iter().find(|folder| folder.is_dir());
    let Some(folder) = folder else {
        eprintln!("skipped: the shared cases are not there");
        return;
    };
    let manifest = fs::read_to_string(folder.join("MANIFEST.tsv")).unwrap();
    let corner = BoundingBox { left: 0.4, top: 0.4, width: 0.3, height: 0.3 };
    let intake = intake();
    let mut done = 0;
    for name in manifest.lines().skip(1).filter_map(|row| row.split('\t').next()) {
        let bytes = fs::read(folder.join(name)).unwrap();
        let Ok(image) = intake.admit(bytes.into()) else { continue };
        for regions in [Vec::new(), vec![corner]] {
            match intake.blurred(&image, Blur { regions, ..Blur::default() }).await {
                Ok(sent) => {
                    assert_eq!((sent.width, sent.height), (image.width(), image.height()), "{name}");
                    assert_eq!(sent.media_type, image.media_type(), "{name}");
                    done += 1;
                }
                Err(error) => assert!(error.is_permanent(), "{name}: {error} {}", error.causes()),
            }
        }
    }
    assert!(done > 300, "{done} blurred");
}
