//! Which classifier to run, and how a picture is given to it. Deliberately not here: reading these from anywhere.

use std::{path::PathBuf, str::FromStr};

/// Settings of the detector. The default is the embedded model; everything but `onnxruntime` is about a user's own model.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ModelConfig {
    /// An ONNX classifier with one picture as its input and one score per class as its output, instead of the embedded one.
    pub model: Option<PathBuf>,
    /// The class names of `model`, one a line, in the order of its output.
    pub labels: Option<PathBuf>,
    /// ONNX Runtime's library (1.24 or later), instead of the one that is pulled.
    pub onnxruntime: Option<PathBuf>,
    /// Pixels of the input's sides. Default: what the model says, else 224.
    pub side: Option<u32>,
    /// Pixels of the shorter side before the central square is cut out. Default: 8/7 of `side`, as 256 is of 224.
    pub shorter: Option<u32>,
    /// Subtracted from each channel's 0 to 255. Default: ImageNet's `123.675 116.28 103.53`.
    pub mean: Option<PerChannel>,
    /// Divides what is left. Default: ImageNet's `58.395 57.12 57.375`.
    pub std: Option<PerChannel>,
    /// How the input's dimensions are ordered. Default: what the model says.
    pub layout: Option<Layout>,
    /// Whether softmax is applied to the output. Default: unless it sums to 1 already.
    pub softmax: Option<bool>,
}

/// One number each for red, green and blue.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PerChannel(pub [f32; 3]);

/// Order of the dimensions of a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// Batch, channels, height, width, as PyTorch exports.
    Nchw,
    /// Batch, height, width, channels, as TensorFlow exports.
    Nhwc,
}

impl FromStr for PerChannel {
    type Err = String;
    /// One number for all channels or three, separated by spaces.
    fn from_str(text: &str) -> Result<Self, String> {
        let numbers: Result<Vec<f32>, _> = text.split_whitespace().map(str::parse).collect();
        let channels = match numbers.as_deref() {
            Ok([all]) => [*all; 3],
            Ok([red, green, blue]) => [*red, *green, *blue],
            _ => return Err("write one number, or three separated by spaces".to_owned()),
        };
        if channels.iter().all(|number| number.is_finite()) {
            Ok(Self(channels))
        } else {
            Err("not a number".to_owned())
        }
    }
}

impl FromStr for Layout {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        match text.to_ascii_lowercase().as_str() {
            "nchw" => Ok(Self::Nchw),
            "nhwc" => Ok(Self::Nhwc),
            _ => Err("nchw or nhwc".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn channels_are_read() {
        assert_eq!("127".parse(), Ok(PerChannel([127.0; 3])));
        assert_eq!("1 2.5 3".parse(), Ok(PerChannel([1.0, 2.5, 3.0])));
        for wrong in ["", "1 2", "1,2,3", "NaN", "inf inf inf"] {
            assert!(wrong.parse::<PerChannel>().is_err(), "{wrong}");
        }
    }
}
