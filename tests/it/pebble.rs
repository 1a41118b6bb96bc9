//! A private certificate authority, run by `tests/pebble.sh`. It ends with the test, however that ends.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};

use super::server::Place;

/// The name for which certificates are asked; to this authority every name is 127.0.0.1.
pub const DOMAIN: &str = "calls.example.test";

/// A life of certificates by which none is renewed while a test runs.
pub const LONG: u32 = 90 * 24 * 60 * 60;

pub struct Pebble {
    port: u16,
    roots: u16,
    /// Where it looks whether a name is ours, by HTTP-01 and by TLS-ALPN-01.
    pub http: u16,
    pub tls: u16,
    directory: PathBuf,
    orders: ChildStdin,
    answers: BufReader<ChildStdout>,
    _child: Child,
}

/// A port that nobody listens on, below those that the system hands out: until somebody does no connection of another test
/// gets it. Processes of tests begin at different ones.
fn free_port() -> u16 {
    static TAKEN: AtomicU16 = AtomicU16::new(0);
    let first = 10_000 + u16::try_from(std::process::id() % 2_000).unwrap() * 10;
    let mut ports = std::iter::repeat_with(|| first + TAKEN.fetch_add(1, Ordering::Relaxed));
    ports.find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok()).unwrap()
}

impl Pebble {
    /// An authority whose certificates hold so many seconds.
    pub fn start(life: u32) -> Pebble {
        Pebble::start_with(life, &[])
    }

    /// With further environment variables.
    pub fn start_with(life: u32, environment: &[(&str, &str)]) -> Pebble {
        let ports: [u16; 5] = std::array::from_fn(|_| free_port());
        let [port, roots, _, http, tls] = ports;
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/pebble.sh");
        let mut child = Command::new(script)
            .arg("run")
            .args(ports.map(|port| port.to_string()))
            .arg(life.to_string())
            .env("PEBBLE_VA_NOSLEEP", "1")
            .envs(environment.iter().copied())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let answers = BufReader::new(child.stdout.take().unwrap());
        let orders = child.stdin.take().unwrap();
        let mut pebble = Pebble { port, roots, http, tls, directory: PathBuf::new(), orders, answers, _child: child };
        pebble.directory = pebble.answer("ready ").into();
        pebble
    }

    /// Lets a server ask it for a certificate by TLS-ALPN-01.
    pub fn certify(&self, place: &mut Place) {
        place.argument("--listen", &format!("127.0.0.1:{}", self.tls));
        place.argument("--acme-domain", DOMAIN);
        place.argument("--acme-directory", &format!("https://127.0.0.1:{}/dir", self.port));
        // Outlives the authority, as a file of an operator would.
        let trusted = place.rules().with_file_name("pebble.pem");
        std::fs::copy(self.directory.join("cert.pem"), &trusted).unwrap();
        place.argument("--acme-ca", trusted.to_str().unwrap());
        place.set("CALLCARD_ACME_AGREE", "true");
    }

    /// What clients trust that trust this authority: another root after each start.
    pub async fn root(&self) -> reqwest::Certificate {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let own = std::fs::read(self.directory.join("cert.pem")).unwrap();
        let own = reqwest::Certificate::from_pem(&own).unwrap();
        let asking = reqwest::Client::builder().no_proxy().tls_certs_only([own]).build().unwrap();
        let root = asking.get(format!("https://127.0.0.1:{}/roots/0", self.roots)).send().await.unwrap();
        reqwest::Certificate::from_pem(&root.bytes().await.unwrap()).unwrap()
    }

    pub fn stop(&mut self) {
        writeln!(self.orders, "stop").unwrap();
        self.answer("stopped");
    }

    pub fn start_again(&mut self) {
        writeln!(self.orders, "start").unwrap();
        self.answer("ready ");
    }

    /// How often its log has these words.
    pub fn logged(&self, words: &str) -> usize {
        std::fs::read_to_string(self.directory.join("log")).unwrap().matches(words).count()
    }

    fn answer(&mut self, begin: &str) -> String {
        let mut said = String::new();
        self.answers.read_line(&mut said).unwrap();
        if let Some(rest) = said.strip_prefix(begin) {
            return rest.trim().to_owned();
        }
        self.answers.read_to_string(&mut said).unwrap();
        panic!("`tests/pebble.sh install` installs it; this one said: {said}");
    }
}
