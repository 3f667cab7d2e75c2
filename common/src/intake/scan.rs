//! Numbers and slices at positions of bytes that nobody has checked: every read says `None` beyond the end.

/// Bytes with the order in which their numbers are written.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scan<'a> {
    pub(super) bytes: &'a [u8],
    big_endian: bool,
}

impl<'a> Scan<'a> {
    pub(super) const fn big_endian(bytes: &'a [u8]) -> Self {
        Self { bytes, big_endian: true }
    }

    pub(super) const fn little_endian(bytes: &'a [u8]) -> Self {
        Self { bytes, big_endian: false }
    }

    pub(super) fn slice(&self, at: usize, length: usize) -> Option<&'a [u8]> {
        self.bytes.get(at..at.checked_add(length)?)
    }

    fn array<const N: usize>(&self, at: usize) -> Option<[u8; N]> {
        self.slice(at, N)?.try_into().ok()
    }

    pub(super) fn u8(&self, at: usize) -> Option<u8> {
        self.bytes.get(at).copied()
    }

    pub(super) fn u16(&self, at: usize) -> Option<u16> {
        let two = self.array(at)?;
        Some(if self.big_endian { u16::from_be_bytes(two) } else { u16::from_le_bytes(two) })
    }

    pub(super) fn u32(&self, at: usize) -> Option<u32> {
        let four = self.array(at)?;
        Some(if self.big_endian { u32::from_be_bytes(four) } else { u32::from_le_bytes(four) })
    }

    /// Three bytes, least significant first whatever the order of the other numbers.
    pub(super) fn u24_le(&self, at: usize) -> Option<u32> {
        let [a, b, c] = self.array(at)?;
        Some(u32::from_le_bytes([a, b, c, 0]))
    }
}
