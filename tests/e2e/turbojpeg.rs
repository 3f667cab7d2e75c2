//! The feature `turbojpeg`, which no default build has: the tests of the intake once more, with libjpeg-turbo in it.

use tests::{cargo, found_or_installed};

#[test]
fn the_intake_holds_with_libjpeg_turbo_as_well() {
    for (program, package) in [("cmake", "cmake"), ("nasm", "nasm"), ("cc", "gcc")] {
        if found_or_installed(program, package).is_none() {
            eprintln!("skipped: building libjpeg-turbo takes {program}");
            return;
        }
    }
    let arguments = ["--package", "common", "--features", "turbojpeg", "--lib", "--", "intake::"];
    let output = cargo("test").args(arguments).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    assert!(said.contains("turbo::tests::a_scaled_decode_looks_like_the_whole_one_reduced ... ok"), "{said}");
}
