//! Reading a source's body within bounds: bytes are counted as they arrive, and again as they are unpacked.

use std::io::Read;

use bytes::Bytes;
use flate2::read::{MultiGzDecoder, ZlibDecoder};

use super::answer::Coding;
use crate::error::{Error, Kind, Result};

/// What has arrived of a body; never holds more than its limit.
pub(super) struct Body {
    limit: usize,
    coding: Coding,
    wire: Vec<u8>,
}

impl Body {
    /// An empty body. An announced length over the limit is refused at once.
    pub(super) fn new(coding: Coding, announced: Option<u64>, limit: usize) -> Result<Self> {
        let announced = announced.map_or(Ok(0), usize::try_from).unwrap_or(usize::MAX);
        if announced > limit {
            return Err(too_large(limit));
        }
        Ok(Self { limit, coding, wire: Vec::with_capacity(announced) })
    }

    /// Takes what has arrived.
    pub(super) fn push(&mut self, chunk: &[u8]) -> Result<()> {
        if self.wire.len().saturating_add(chunk.len()) > self.limit {
            return Err(too_large(self.limit));
        }
        self.wire.extend_from_slice(chunk);
        Ok(())
    }

    /// Whether unpacking is left to do, which takes long enough to be kept off the threads that serve requests.
    pub(super) fn is_packed(&self) -> bool {
        self.coding != Coding::Identity
    }

    /// The whole body, unpacked.
    pub(super) fn finish(self) -> Result<Bytes> {
        match self.coding {
            Coding::Identity => Ok(self.wire.into()),
            Coding::Gzip => unpack(MultiGzDecoder::new(self.wire.as_slice()), self.limit),
            Coding::Deflate => unpack(ZlibDecoder::new(self.wire.as_slice()), self.limit),
        }
    }
}

fn unpack(decoder: impl Read, limit: usize) -> Result<Bytes> {
    let mut out = Vec::new();
    let read = decoder.take((limit as u64).saturating_add(1)).read_to_end(&mut out);
    read.map_err(|cause| {
        Error::new(Kind::SourceUnavailable, "the source's content encoding is broken").because(cause)
    })?;
    if out.len() > limit { Err(too_large(limit)) } else { Ok(out.into()) }
}

fn too_large(limit: usize) -> Error {
    Error::new(Kind::TooLarge, format!("the source's image is larger than {limit} bytes"))
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::{
        Compression,
        write::{GzEncoder, ZlibEncoder},
    };

    use super::*;

    const LIMIT: usize = 4096;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn read(coding: Coding, wire: &[u8]) -> Result<Bytes, Kind> {
        let mut body = Body::new(coding, None, LIMIT).map_err(|error| error.kind())?;
        for chunk in wire.chunks(7) {
            body.push(chunk).map_err(|error| error.kind())?;
        }
        body.finish().map_err(|error| error.kind())
    }

    #[test]
    fn the_limit_itself_is_allowed() {
        assert_eq!(read(Coding::Identity, &[7; LIMIT]).unwrap(), [7; LIMIT].as_slice());
        assert_eq!(read(Coding::Identity, &[7; LIMIT + 1]), Err(Kind::TooLarge));
        assert_eq!(read(Coding::Gzip, &gzip(&[7; LIMIT])).unwrap(), [7; LIMIT].as_slice());
        assert_eq!(read(Coding::Gzip, &gzip(&[7; LIMIT + 1])), Err(Kind::TooLarge));
    }

    #[test]
    fn an_announced_length_over_the_limit_is_refused_at_once() {
        for (length, fits) in [(LIMIT as u64, true), (LIMIT as u64 + 1, false), (u64::MAX, false)] {
            assert_eq!(Body::new(Coding::Identity, Some(length), LIMIT).is_ok(), fits, "{length}");
        }
    }

    #[test]
    fn a_bomb_never_grows_beyond_the_limit() {
        struct Zeros(usize);
        impl Read for Zeros {
            fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
                self.0 += buffer.len();
                Ok(buffer.len())
            }
        }
        let mut zeros = Zeros(0);
        assert_eq!(unpack(&mut zeros, LIMIT).unwrap_err().kind(), Kind::TooLarge);
        assert_eq!(zeros.0, LIMIT + 1);
        assert_eq!(read(Coding::Gzip, &gzip(&vec![0; 100 * LIMIT])), Err(Kind::TooLarge));
    }

    #[test]
    fn never_a_part() {
        let whole = gzip(b"the whole of it");
        assert_eq!(
            read(Coding::Gzip, &[whole.clone(), gzip(b", and more")].concat()).unwrap(),
            "the whole of it, and more"
        );
        for length in 0..whole.len() {
            assert_eq!(read(Coding::Gzip, &whole[..length]), Err(Kind::SourceUnavailable), "{length} bytes");
        }
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(b"the whole of it").unwrap();
        let whole = encoder.finish().unwrap();
        assert_eq!(read(Coding::Deflate, &whole).unwrap(), "the whole of it");
        for length in 0..whole.len() {
            assert_eq!(read(Coding::Deflate, &whole[..length]), Err(Kind::SourceUnavailable), "{length} bytes");
        }
        assert_eq!(read(Coding::Gzip, b"not packed at all"), Err(Kind::SourceUnavailable));
    }
}
