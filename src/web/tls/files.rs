//! A certificate and its key in two files that somebody else renews.
//!
//! They are looked at again and again, by content, which also works where a link is turned to another directory. Two files
//! never change at once: until they fit together, and are quiet, the certificate in force stays. There is no clock and no log
//! here.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;
use sha2::{Digest, Sha256};

use super::{Certificate, Certificates, Unusable};

/// A long chain is 20 KB; a file that is larger is something else.
const FILE_BYTES_MAX: u64 = 1024 * 1024;

/// The text of both files, or why it can't be had.
type Texts = Result<(Vec<u8>, Vec<u8>), String>;

/// What the texts are compared by. A key is not kept longer than it is read.
type Content = Result<[u8; 32], String>;

/// The two files and the certificate that they gave last.
pub struct CertificateFiles {
    chain: PathBuf,
    key: PathBuf,
    certificates: Arc<Certificates>,
    /// At the last look.
    seen: Content,
    /// When they were judged last.
    judged: Content,
    /// Why what was judged last can't be used.
    trouble: Option<String>,
}

/// What a look found.
#[derive(Debug, PartialEq, Eq)]
pub enum Looked {
    /// Nothing new.
    Same,
    /// Another certificate is in force.
    Swapped,
    /// The files have changed and can't be used. The certificate before stays in force.
    Kept,
}

impl CertificateFiles {
    /// Reads them for the first time.
    ///
    /// # Errors
    /// In words, with the path, where they can't be used.
    pub fn open(chain: PathBuf, key: PathBuf) -> Result<CertificateFiles, String> {
        let texts = read(&chain, &key);
        let content = hash(&texts);
        let certificate = judge(&chain, &key, texts)?;
        let certificates = Arc::new(Certificates::default());
        certificates.put(certificate);
        Ok(CertificateFiles { chain, key, certificates, seen: content.clone(), judged: content, trouble: None })
    }

    /// The certificate in force, which follows the files as long as they are looked at.
    pub fn certificates(&self) -> Arc<Certificates> {
        Arc::clone(&self.certificates)
    }

    /// Looks at both files; a change counts once it was quiet for one look.
    pub fn look(&mut self, now: Timestamp) -> Looked {
        let texts = read(&self.chain, &self.key);
        let content = hash(&texts);
        let is_quiet = content == self.seen;
        self.seen = content;
        if !is_quiet || self.seen == self.judged {
            return Looked::Same;
        }
        self.judged = self.seen.clone();
        self.trouble = match judge(&self.chain, &self.key, texts) {
            Err(why) => Some(why),
            Ok(new) => {
                let worse = self.out_of_date(&new, now);
                if worse.is_none() {
                    self.certificates.put(new);
                }
                worse
            }
        };
        if self.trouble.is_some() { Looked::Kept } else { Looked::Swapped }
    }

    /// Why the files can't be used, as long as they can't.
    pub fn trouble(&self) -> Option<&str> {
        self.trouble.as_deref()
    }

    /// Why a certificate is worse than the one in force, which holds.
    fn out_of_date(&self, new: &Certificate, now: Timestamp) -> Option<String> {
        let validity = new.validity();
        let holds = self.certificates.expires_at().is_some_and(|expires_at| now <= expires_at);
        let why = match () {
            () if !holds => return None,
            () if validity.not_after < now => format!("expired at {}", validity.not_after),
            () if validity.not_before > now => format!("is not valid before {}", validity.not_before),
            () => return None,
        };
        Some(format!("{}: the certificate {why}", self.chain.display()))
    }
}

fn judge(chain: &Path, key: &Path, texts: Texts) -> Result<Certificate, String> {
    let (chain_text, key_text) = texts?;
    Certificate::from_pem(&chain_text, &key_text).map_err(|why| {
        let path = if why.is_about_key() { key } else { chain }.display();
        let swapped = matches!(why, Unusable::NoCertificate) && Certificate::from_pem(&key_text, &chain_text).is_ok();
        let help = if swapped { "; the two files seem to be the wrong way round" } else { "" };
        format!("{path}: {why}{help}")
    })
}

fn hash(texts: &Texts) -> Content {
    let (chain, key) = texts.as_ref().map_err(Clone::clone)?;
    let lengths = format!("{} {} ", chain.len(), key.len());
    Ok(Sha256::new().chain_update(lengths).chain_update(chain).chain_update(key).finalize().into())
}

fn read(chain: &Path, key: &Path) -> Texts {
    let file = |path: &Path| bytes(path).map_err(|error| format!("{}: {error}", path.display()));
    Ok((file(chain)?, file(key)?))
}

fn bytes(path: &Path) -> std::io::Result<Vec<u8>> {
    let file = std::fs::metadata(path)?;
    // A pipe would be waited for until somebody writes into it.
    if !file.is_file() {
        return Err(std::io::Error::other("it is not a file"));
    }
    let mut bytes = Vec::new();
    let mut part = File::open(path)?.take(FILE_BYTES_MAX + 1);
    if part.read_to_end(&mut bytes)? as u64 > FILE_BYTES_MAX {
        return Err(std::io::Error::other("it is larger than 1 MiB"));
    }
    Ok(bytes)
}
