//! A picture that Rekognition takes: JPEG or PNG, small, and at least 80 pixels wide and high.

use common::{
    analysis::Features,
    error::{Error, Kind, Result},
    image::{Image, MediaType},
    intake::{Intake, Sent},
};

/// Pixels of the shorter side that Rekognition wants (<https://docs.aws.amazon.com/rekognition/latest/dg/limits.html>).
const SHORTEST: u32 = 80;

/// Pixels of the longer side that it takes (the same page).
const LONGEST: u32 = 10_000;

/// Bytes that it takes in a call (the same page).
const LARGEST: usize = 5 << 20;

/// The image as it is sent.
///
/// # Errors
/// `unsupported` for a picture that Rekognition would not look at though another detector may; else as of [`Intake::pixels`].
pub(super) async fn of(intake: &Intake, image: &Image, features: &Features) -> Result<Sent> {
    let (width, height) = within((image.width(), image.height()), features.enough_pixels())
        .ok_or_else(|| Error::new(Kind::Unsupported, "Rekognition needs at least 80 pixels in width and height"))?;
    let sent = match image.media_type() {
        MediaType::Jpeg | MediaType::Png => intake.reduced(image, width, height).await?,
        _ => intake.jpeg(image, width, height).await?,
    };
    if sent.bytes.len() > LARGEST {
        return Err(Error::new(Kind::Unsupported, "the reduced image is larger than Rekognition takes"));
    }
    Ok(sent)
}

/// The box to reduce a picture of this size to, where `enough` is all that there is to see: larger than that for one so long
/// that its shorter side would be lost; `None` where it is too small or too long whatever is done.
fn within(size: (u32, u32), enough: (u32, u32)) -> Option<(u32, u32)> {
    let (width, height) = size;
    if width.min(height) < SHORTEST {
        return None;
    }
    let least = width.min(height) as f64;
    let scale = |most: u32, side: u32| f64::from(most) / f64::from(side);
    let scale = scale(enough.0, width).min(scale(enough.1, height)).min(1.0);
    if least * scale >= f64::from(SHORTEST) {
        return Some(enough);
    }
    let longer = (width.max(height) as f64 * f64::from(SHORTEST) / least).ceil();
    if longer > f64::from(LONGEST) {
        return None;
    }
    // The shorter side decides: the longer one has a pixel to spare for rounding.
    let longer = longer as u32 + 1;
    Some(if width < height { (SHORTEST, longer) } else { (longer, SHORTEST) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_keeps_eighty_pixels_or_is_not_for_rekognition() {
        let check = |size, expected| assert_eq!(within(size, (640, 480)), expected, "{size:?}");
        check((4000, 3000), Some((640, 480)));
        check((80, 80), Some((640, 480)));
        check((79, 4000), None);
        check((4000, 79), None);
        check((4000, 300), Some((1068, 80)));
        check((300, 4000), Some((80, 1068)));
        check((90, 100_000), None);
    }
}
