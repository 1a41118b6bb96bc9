//! A file with another text: in one step, so that nobody ever reads half of it.
//!
//! What the text is and whether it is wanted its users know.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;

/// Replaces a file: a reader sees the old text or the new one, and a link stays a link.
pub(super) fn file(path: &Path, text: &str) -> std::io::Result<()> {
    let path = path.canonicalize()?;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    // Hidden, so that a server that watches the rules passes over it.
    let beside = path.with_file_name(format!(".{name}.new"));
    let write = || -> std::io::Result<()> {
        let mut file = File::create(&beside)?;
        file.set_permissions(fs::metadata(&path)?.permissions())?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&beside, &path)
    };
    write().inspect_err(|_| {
        let _ = fs::remove_file(&beside);
    })
}
