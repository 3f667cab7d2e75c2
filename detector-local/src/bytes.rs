//! Reading off the front of a byte slice, where running out is an error.

use crate::pickle::Fault;

/// What is left to read.
#[derive(Debug)]
pub(crate) struct Cursor<'a>(&'a [u8]);

impl<'a> Cursor<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn take(&mut self, length: usize) -> Result<&'a [u8], Fault> {
        let (taken, rest) = self.0.split_at_checked(length).ok_or("the file ends too early")?;
        self.0 = rest;
        Ok(taken)
    }

    pub(crate) fn byte(&mut self) -> Result<u8, Fault> {
        self.array::<1>().map(|[byte]| byte)
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], Fault> {
        let (taken, rest) = self.0.split_first_chunk().ok_or("the file ends too early")?;
        self.0 = rest;
        Ok(*taken)
    }

    /// A length of 32 bits.
    pub(crate) fn length_u32(&mut self) -> Result<usize, Fault> {
        let length = u32::from_le_bytes(self.array()?);
        usize::try_from(length).map_err(|_| "a length beyond this machine".to_owned())
    }

    /// Up to a line feed, which is taken and not returned.
    pub(crate) fn line(&mut self) -> Result<&'a [u8], Fault> {
        let end = self.0.iter().position(|byte| *byte == b'\n').ok_or("the file ends too early")?;
        let line = self.take(end)?;
        self.take(1)?;
        Ok(line)
    }
}
