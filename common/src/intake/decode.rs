//! Decoding with well-kept decoders: the first frame, in the colours of the file, with their errors put into ours.

use std::io::Cursor;

use image::{
    DynamicImage, GrayAlphaImage, GrayImage, ImageDecoder, ImageError, RgbImage, RgbaImage,
    codecs::{bmp::BmpDecoder, gif::GifDecoder, png::PngDecoder, tiff::TiffDecoder, webp::WebPDecoder},
};
use zune_jpeg::{
    JpegDecoder,
    errors::DecodeErrors,
    zune_core::{bytestream::ZCursor, colorspace::ColorSpace, options::DecoderOptions},
};

use super::header::allocations;
use crate::{
    error::{Error, Kind, Result, internal},
    image::{Image, MediaType},
};

/// Decodes all pixels. The caller holds the memory that the header's `decode_bytes` names.
pub(super) fn decode(image: &Image) -> Result<DynamicImage> {
    let header = &image.header;
    let read = Cursor::new(image.bytes());
    let limits = allocations(header.alloc_limit);
    let decoded = match image.media_type() {
        MediaType::Jpeg => return jpeg(image),
        MediaType::Png => PngDecoder::with_limits(read, limits).and_then(DynamicImage::from_decoder),
        MediaType::Gif => GifDecoder::new(read).and_then(|decoder| pixels(decoder, limits)),
        MediaType::Webp => WebPDecoder::new(read).and_then(|decoder| pixels(decoder, limits)),
        MediaType::Bmp => BmpDecoder::new(read).and_then(|decoder| pixels(decoder, limits)),
        MediaType::Tiff => TiffDecoder::new(read).and_then(|decoder| pixels(decoder, limits)),
    }
    .map_err(fault)?;
    if (decoded.width(), decoded.height()) == (header.width, header.height) { Ok(decoded) } else { Err(other_size()) }
}

/// Not through `image`, which would copy the file first.
fn jpeg(image: &Image) -> Result<DynamicImage> {
    let (width, height) = (image.header.width, image.header.height);
    let options =
        DecoderOptions::default().set_strict_mode(false).set_max_width(width as usize).set_max_height(height as usize);
    let mut look = JpegDecoder::new_with_options(ZCursor::new(image.bytes()), options);
    look.decode_headers().map_err(jpeg_fault)?;
    let colors = match look.input_colorspace() {
        Some(same @ (ColorSpace::RGB | ColorSpace::RGBA | ColorSpace::Luma | ColorSpace::LumaA)) => same,
        _ => ColorSpace::RGB,
    };
    let options = options.jpeg_set_out_colorspace(colors);
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(image.bytes()), options);
    decoder.decode_headers().map_err(jpeg_fault)?;
    if decoder.dimensions() != Some((width as usize, height as usize)) {
        return Err(other_size());
    }
    let samples = decoder.decode().map_err(jpeg_fault)?;
    match colors {
        ColorSpace::Luma => GrayImage::from_raw(width, height, samples).map(DynamicImage::ImageLuma8),
        ColorSpace::LumaA => GrayAlphaImage::from_raw(width, height, samples).map(DynamicImage::ImageLumaA8),
        ColorSpace::RGBA => RgbaImage::from_raw(width, height, samples).map(DynamicImage::ImageRgba8),
        _ => RgbImage::from_raw(width, height, samples).map(DynamicImage::ImageRgb8),
    }
    .ok_or_else(|| internal("the JPEG decoder returned another size than it announced"))
}

fn pixels(mut decoder: impl ImageDecoder, limits: image::Limits) -> Result<DynamicImage, ImageError> {
    decoder.set_limits(limits)?;
    DynamicImage::from_decoder(decoder)
}

/// Where the failures of the `image` crate's decoders are classified.
pub(super) fn fault(error: ImageError) -> Error {
    let (kind, message) = match &error {
        ImageError::Limits(_) => (Kind::TooLarge, "decoding the image takes more memory than is given to it"),
        ImageError::Unsupported(_) => (Kind::UnsupportedMedia, "this variant of the image type is not accepted"),
        _ => (Kind::UndecodableImage, "the image is damaged or cut off"),
    };
    Error::new(kind, message).because(error)
}

fn jpeg_fault(error: DecodeErrors) -> Error {
    let (kind, message) = match &error {
        DecodeErrors::Unsupported(_) => (Kind::UnsupportedMedia, "this variant of JPEG is not accepted"),
        _ => (Kind::UndecodableImage, "the image is damaged or cut off"),
    };
    Error::new(kind, message).because(error)
}

fn other_size() -> Error {
    Error::new(Kind::UndecodableImage, "the image has another size than its header says")
}
