//! What a server shows and keeps beside its log: the admin address, and the files below `--data`.
//!
//! Every server of the run is asked when it ends, whatever its test is about, unless it does not answer any more.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;

use super::canary;

/// How long one answer may take; a server that is held still answers nothing.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);

/// The latest deliveries.
const DELIVERIES: &str = "/api/deliveries?limit=3";

/// What there is of one server.
pub struct Outputs {
    pub admin: SocketAddr,
    pub token: Option<String>,
    pub data: PathBuf,
}

impl Outputs {
    /// What is shown or kept and must not be.
    pub fn found(&self) -> Option<String> {
        let paths = ["/healthz", "/readyz", "/api/unreadable", DELIVERIES];
        let mut said: Vec<String> = paths.into_iter().filter_map(|path| self.get(path)).collect();
        // Of a metric its name and labels count: the digits of a sum may be any.
        let metrics = self.get("/metrics").unwrap_or_default();
        said.extend(metrics.lines().filter_map(|line| Some(line.rsplit_once(' ')?.0.to_owned())));
        let in_details = || self.details().find_map(|detail| canary::masked(&detail));
        canary::found_in(&said).or_else(in_details).or_else(|| kept(&self.data))
    }

    /// Deliveries one by one. Their cards show names, to whoever may ask the admin address, but no number.
    fn details(&self) -> impl Iterator<Item = String> {
        let listed = self.get(DELIVERIES).unwrap_or_default();
        let mut listed: Value = serde_json::from_str(&listed).unwrap_or_default();
        let rows = listed["deliveries"].as_array_mut().map(std::mem::take).unwrap_or_default();
        rows.into_iter().filter_map(|row| self.get(&format!("/api/deliveries/{}", row["id"])))
    }

    /// The body of an answer, where there is one.
    fn get(&self, path: &str) -> Option<String> {
        let mut stream = TcpStream::connect_timeout(&self.admin, ANSWER_WITHIN).ok()?;
        stream.set_read_timeout(Some(ANSWER_WITHIN)).ok()?;
        let token = self.token.as_ref().map_or(String::new(), |token| format!("authorization: Bearer {token}\r\n"));
        write!(stream, "GET {path} HTTP/1.1\r\nhost: {}\r\n{token}connection: close\r\n\r\n", self.admin).ok()?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).ok()?;
        let answer = String::from_utf8_lossy(&answer).into_owned();
        answer.split_once("\r\n\r\n").map(|(_, body)| body.to_owned())
    }
}

/// A secret in a file below a directory: neither the copy of the last good rules nor the outbox holds one.
fn kept(directory: &Path) -> Option<String> {
    let entries = std::fs::read_dir(directory).into_iter().flatten().filter_map(Result::ok);
    entries.map(|entry| entry.path()).find_map(|path| {
        if path.is_dir() {
            return kept(&path);
        }
        let secret = canary::secret_in(&std::fs::read(&path).unwrap_or_default())?;
        Some(format!("{secret:?} in {}", path.display()))
    })
}
