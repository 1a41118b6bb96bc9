//! What is kept in the data directory: the account at each authority, the certificate in force with its key, and how long the
//! authority is left alone after a failure.
//!
//! Each file is replaced in one step and readable for its owner alone. What is in a file that can't be read is not said
//! anywhere, since it may be a key.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use instant_acme::AccountCredentials;
use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

const CERTIFICATE: &str = "certificate.pem";
const PAUSE: &str = "pause.json";

/// The line before the first block of the certificate's file, which PEM allows: who issued it.
const DIRECTORY: &str = "directory: ";

/// The directory `acme` below the data directory.
#[derive(Debug)]
pub(super) struct Kept {
    directory: PathBuf,
}

/// After a failure: what was wanted, and until when nobody asks for it again. It outlives the process, so that one that is
/// started again and again does not ask again and again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Pause {
    /// From whom, for which names, and how; whoever changes that may ask at once.
    pub(super) wanted: String,
    /// In a row.
    pub(super) failures: u32,
    /// Until when.
    pub(super) until: Timestamp,
}

impl Kept {
    /// Makes the directory where it is missing, and takes it from everybody else where it is not.
    pub(super) fn open(data: &Path) -> io::Result<Kept> {
        let directory = data.join("acme");
        DirBuilder::new().recursive(true).mode(0o700).create(&directory)?;
        // Only where that is needed: it is no reason not to start from a disk that can't be written.
        if fs::metadata(&directory)?.permissions().mode() & 0o077 != 0 {
            fs::set_permissions(&directory, Permissions::from_mode(0o700))?;
        }
        Ok(Kept { directory })
    }

    /// The key and the chain in one text, with the authority that issued it.
    pub(super) fn certificate(&self) -> io::Result<Option<(String, String)>> {
        let text = match fs::read_to_string(self.directory.join(CERTIFICATE)) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            text => text?,
        };
        let issuer = text.lines().next().and_then(|line| line.strip_prefix(DIRECTORY)).unwrap_or_default().to_owned();
        Ok(Some((text, issuer)))
    }

    pub(super) async fn keep_certificate(&self, issuer: &str, key: &str, chain: &str) -> io::Result<()> {
        self.keep(CERTIFICATE, format!("{DIRECTORY}{issuer}\n{key}\n{chain}")).await
    }

    /// The account at an authority; `None` also where the file is broken, since another account does as well.
    pub(super) fn account(&self, issuer: &str) -> Option<AccountCredentials> {
        self.read(&account(issuer))
    }

    pub(super) async fn keep_account(&self, issuer: &str, credentials: &AccountCredentials) -> io::Result<()> {
        self.keep(&account(issuer), serde_json::to_string(credentials)?).await
    }

    /// An account that its authority does not know is of no use.
    pub(super) fn forget_account(&self, issuer: &str) -> io::Result<()> {
        fs::remove_file(self.directory.join(account(issuer)))
    }

    pub(super) fn pause(&self) -> Option<Pause> {
        self.read(PAUSE)
    }

    pub(super) async fn keep_pause(&self, pause: &Pause) -> io::Result<()> {
        self.keep(PAUSE, serde_json::to_string(pause)?).await
    }

    pub(super) fn forget_pause(&self) -> io::Result<()> {
        match fs::remove_file(self.directory.join(PAUSE)) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    fn read<T: DeserializeOwned>(&self, name: &str) -> Option<T> {
        serde_json::from_str(&fs::read_to_string(self.directory.join(name)).ok()?).ok()
    }

    /// A disk may take its time, and webhooks must not wait for it here.
    async fn keep(&self, name: &str, text: String) -> io::Result<()> {
        let path = self.directory.join(name);
        tokio::task::spawn_blocking(move || replace(&path, &text)).await.map_err(io::Error::other)?
    }
}

/// A reader finds the old text or the new one, also after a crash.
fn replace(path: &Path, text: &str) -> io::Result<()> {
    let unfinished = path.with_added_extension("new");
    // A file that is there would keep its mode, whatever that is.
    match fs::remove_file(&unfinished) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&unfinished)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(&unfinished, path)?;
    path.parent().map_or(Ok(()), |directory| File::open(directory)?.sync_all())
}

/// The file of the account at an authority.
fn account(issuer: &str) -> String {
    let hash: String = Sha256::digest(issuer).iter().take(6).map(|byte| format!("{byte:02x}")).collect();
    format!("account-{hash}.json")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[tokio::test]
    async fn only_the_owner_may_look_into_it_whatever_was_there_before() {
        let place = tempfile::tempdir().unwrap();
        let directory = place.path().join("acme");
        fs::create_dir(&directory).unwrap();
        fs::set_permissions(&directory, Permissions::from_mode(0o755)).unwrap();
        fs::write(directory.join("certificate.pem.new"), "half of it").unwrap();
        let kept = Kept::open(place.path()).unwrap();
        kept.keep_certificate("https://ca.example.com/dir", "KEY", "CHAIN").await.unwrap();
        assert_eq!((mode(&directory), mode(&directory.join(CERTIFICATE))), (0o700, 0o600));
        let text = "directory: https://ca.example.com/dir\nKEY\nCHAIN".to_owned();
        assert_eq!(kept.certificate().unwrap(), Some((text, "https://ca.example.com/dir".to_owned())));
        assert!(!directory.join("certificate.pem.new").exists());
    }

    #[tokio::test]
    async fn each_authority_has_its_own_account_and_a_broken_file_is_none() {
        let place = tempfile::tempdir().unwrap();
        let kept = Kept::open(place.path()).unwrap();
        let credentials = r#"{"id":"https://a/1","key_pkcs8":"AAAA","directory":"https://a"}"#;
        kept.keep_account("https://a", &serde_json::from_str(credentials).unwrap()).await.unwrap();
        assert!(kept.account("https://a").is_some());
        assert!(kept.account("https://b").is_none());
        fs::write(place.path().join("acme").join(account("https://a")), &credentials[..20]).unwrap();
        assert!(kept.account("https://a").is_none());
    }

    #[tokio::test]
    async fn a_pause_is_there_until_it_is_forgotten() {
        let place = tempfile::tempdir().unwrap();
        let kept = Kept::open(place.path()).unwrap();
        let pause = Pause {
            wanted: "a.example.com".to_owned(),
            failures: 3,
            until: Timestamp::from_second(1_800_000_000).unwrap(),
        };
        kept.keep_pause(&pause).await.unwrap();
        assert_eq!(kept.pause(), Some(pause));
        kept.forget_pause().unwrap();
        kept.forget_pause().unwrap();
        assert_eq!(kept.pause(), None);
    }
}
