//! The body of `POST /v1/images:annotate`: whatever it is, it is read or refused.
#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|body: &[u8]| {
    let _ = detector_gcp::annotate::parse(&Bytes::copy_from_slice(body));
});
