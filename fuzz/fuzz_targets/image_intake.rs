//! A stranger's picture: whatever it is, it is refused, or decoded within the limits.
#![no_main]

use std::sync::OnceLock;

use bytes::Bytes;
use common::{
    error::Kind,
    intake::{Intake, Limits, Reduction},
};
use libfuzzer_sys::fuzz_target;
use tokio::runtime::{Builder, Runtime};

const MAX_PIXELS: u64 = 1 << 20;
const WITHIN: Reduction = Reduction::Within { width: 64, height: 64 };

fn gate() -> &'static (Intake, Runtime) {
    static GATE: OnceLock<(Intake, Runtime)> = OnceLock::new();
    GATE.get_or_init(|| {
        let limits = Limits { max_bytes: 1 << 20, max_pixels: MAX_PIXELS, memory_budget: 32 << 20 };
        (Intake::new(limits), Builder::new_current_thread().build().expect("a runtime"))
    })
}

fuzz_target!(|bytes: &[u8]| {
    let (intake, runtime) = gate();
    let Ok(image) = intake.admit(Bytes::copy_from_slice(bytes)) else { return };
    assert!(u64::from(image.width()) * u64::from(image.height()) <= MAX_PIXELS);
    match runtime.block_on(intake.pixels(&image, WITHIN)) {
        Ok(pixels) => {
            assert!(pixels.width <= 64 && pixels.height <= 64);
            assert_eq!(pixels.rgb.len(), pixels.width as usize * pixels.height as usize * 3);
        }
        // A decoder's panic is contained and told as a damaged image in service; libFuzzer stops at it before that.
        Err(error) => assert_ne!(error.kind(), Kind::Internal, "{error}: {}", error.causes()),
    }
});
