//! The markers of a JPEG file up to its first scan (ITU-T T.81, annex B): size, sampling, orientation, memory to decode.
//!
//! Read here and not with the decoder, because the decoder copies the file and does not tell the sampling, on which the
//! memory of a progressive image depends.

use image::metadata::Orientation;

use super::{
    header::{FIXED, Header},
    scan::Scan,
};
use crate::error::{Error, Kind, Result};

/// What the frame header and the first scan header say.
#[derive(Debug, Clone, Default)]
pub(super) struct Frame {
    pub(super) width: u32,
    pub(super) height: u32,
    progressive: bool,
    /// Horizontal and vertical sampling factors.
    components: Vec<(u64, u64)>,
    first_scan_components: usize,
    orientation: Option<Orientation>,
}

pub(super) fn header(bytes: &[u8]) -> Result<Header> {
    let frame = frame(bytes)?;
    Ok(Header {
        width: frame.width,
        height: frame.height,
        orientation: frame.orientation.unwrap_or(Orientation::NoTransforms),
        pixel_bytes: 3,
        decode_bytes: frame.memory().saturating_add(FIXED),
        alloc_limit: u64::MAX,
    })
}

/// Reads the markers up to the first scan.
pub(super) fn frame(bytes: &[u8]) -> Result<Frame> {
    let scan = Scan::big_endian(bytes);
    let mut frame = None;
    let mut orientation = None;
    let mut at = 2;
    loop {
        let (marker, length_at) = next_marker(&scan, at).ok_or_else(cut_off)?;
        let length = usize::from(scan.u16(length_at).ok_or_else(cut_off)?);
        let payload_at = length_at + 2;
        let payload_length = length.checked_sub(2).ok_or_else(damaged)?;
        match marker {
            0xC0..=0xC2 => frame = Some(frame_header(&scan, payload_at, marker == 0xC2)?),
            0xC3 | 0xC5..=0xC7 | 0xC9..=0xCB | 0xCD..=0xCF => return Err(variant("lossless or arithmetic coding")),
            0xE1 => {
                let exif = scan.slice(payload_at, payload_length).and_then(|payload| payload.strip_prefix(b"Exif\0\0"));
                orientation = exif.map_or(orientation, Orientation::from_exif_chunk);
            }
            0xDA => {
                let mut frame: Frame = frame.ok_or_else(damaged)?;
                frame.first_scan_components = usize::from(scan.u8(payload_at).ok_or_else(cut_off)?);
                frame.orientation = orientation;
                return Ok(frame);
            }
            0xD9 => return Err(cut_off()),
            _ => {}
        }
        at = payload_at + payload_length;
    }
}

/// The next marker and where its length stands; fill bytes and stray bytes between segments are passed over, as decoders do.
fn next_marker(scan: &Scan<'_>, from: usize) -> Option<(u8, usize)> {
    let mut at = from;
    loop {
        at += scan.bytes.get(at..)?.iter().position(|byte| *byte == 0xFF)?;
        at += scan.bytes.get(at..)?.iter().position(|byte| *byte != 0xFF)?;
        match scan.u8(at)? {
            0 => at += 1,
            marker => return Some((marker, at + 1)),
        }
    }
}

fn frame_header(scan: &Scan<'_>, at: usize, progressive: bool) -> Result<Frame> {
    let precision = scan.u8(at).ok_or_else(cut_off)?;
    if precision != 8 {
        return Err(variant("more than 8 bits a sample"));
    }
    let height = scan.u16(at + 1).ok_or_else(cut_off)?;
    let width = scan.u16(at + 3).ok_or_else(cut_off)?;
    let count = usize::from(scan.u8(at + 5).ok_or_else(cut_off)?);
    let listed = scan.slice(at + 6, count * 3).ok_or_else(cut_off)?;
    let components: Vec<_> = listed
        .as_chunks::<3>()
        .0
        .iter()
        .map(|[_, sampling, _]| (u64::from(sampling >> 4), u64::from(sampling & 15)))
        .collect();
    if !(1..=4).contains(&count) || components.iter().any(|(h, v)| !(1..=4).contains(h) || !(1..=4).contains(v)) {
        return Err(damaged());
    }
    Ok(Frame { width: width.into(), height: height.into(), progressive, components, ..Frame::default() })
}

impl Frame {
    /// Bytes of the output, of the rows in work and, where scans come one after the other, of all coefficients.
    pub(super) fn memory(&self) -> u64 {
        let (width, height) = (u64::from(self.width), u64::from(self.height));
        let across = self.components.iter().map(|(h, _)| *h).max().unwrap_or(1);
        let down = self.components.iter().map(|(_, v)| *v).max().unwrap_or(1);
        let (mcus_across, mcus_down) = (width.div_ceil(8 * across), height.div_ceil(8 * down));
        let mut bytes = width * height * 3;
        for (h, v) in &self.components {
            let enlarged = (across / h).max(1) * (down / v).max(1);
            bytes += mcus_across * 8 * h * 2 * (12 * v + (16 + v) * enlarged + 8);
            if self.progressive || self.first_scan_components != self.components.len() {
                bytes += mcus_across * mcus_down * h * v * 64 * 2;
            }
        }
        bytes
    }
}

fn cut_off() -> Error {
    Error::new(Kind::UndecodableImage, "the JPEG header is cut off")
}

fn damaged() -> Error {
    Error::new(Kind::UndecodableImage, "the JPEG header is damaged")
}

fn variant(what: &'static str) -> Error {
    Error::new(Kind::UnsupportedMedia, "this variant of JPEG is not accepted").because(what)
}
