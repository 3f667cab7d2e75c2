//! The built-in picture, for a request that names none.

/// A picture in the program.
#[derive(Debug, Clone, Copy)]
pub struct Sample {
    /// Its name in answers.
    pub name: &'static str,
    /// Its type, as in `image/png`.
    pub media_type: &'static str,
    /// Its bytes.
    pub bytes: &'static [u8],
}

/// An espresso, drawn for this project; see `assets/README.md`.
pub const SAMPLE: Sample =
    Sample { name: "sample.jpg", media_type: "image/jpeg", bytes: include_bytes!("../assets/sample.jpg") };
