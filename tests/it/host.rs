//! A small HTTP/1.1 server on threads, on which the fake card API and the fake CRM stand.
//!
//! Written by hand because a real server would not hang, break off or vanish on demand. It knows `Content-Length` and
//! connections that are kept open, which is what the engine's clients use, and nothing else.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Bytes of a request's body that are read; a card is far smaller.
const BODY_BYTES_MAX: usize = 1024 * 1024;

/// One request as it came in.
#[derive(Clone, Debug)]
pub struct Request {
    pub at: Instant,
    pub method: String,
    /// Path and query, as they were sent.
    pub target: String,
    /// Names in small letters.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Request {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    pub fn path(&self) -> &str {
        self.target.split('?').next().unwrap_or_default()
    }
}

/// What the server does with one request.
#[derive(Clone, Debug)]
pub enum Reply {
    Answer {
        status: u16,
        headers: Vec<(String, String)>,
        body: Vec<u8>,
    },
    /// No answer, the connection stays open until the client closes it or the server stops.
    Hang,
    /// The request is done, and the connection closed without a byte.
    Taken,
    /// The answer after a while.
    Late(Duration, Box<Reply>),
    /// The connection is closed without a byte.
    Close,
    /// The connection is closed in the middle of the status line.
    HalfAnswer,
    /// These bytes, whatever they claim to be; then the connection is closed.
    Raw(Vec<u8>),
    /// These bytes, one at a time with a pause behind each.
    Drip(Vec<u8>, Duration),
}

impl Reply {
    pub fn json(status: u16, body: &serde_json::Value) -> Reply {
        let headers = vec![("content-type".to_owned(), "application/json; charset=utf-8".to_owned())];
        Reply::Answer { status, headers, body: body.to_string().into_bytes() }
    }

    /// What it says of the request, where the request was done: [`Reply::Taken`] says it to nobody.
    pub fn status(&self) -> Option<u16> {
        match self {
            Reply::Answer { status, .. } => Some(*status),
            Reply::Taken => Some(201),
            Reply::Late(_, reply) => reply.status(),
            _ => None,
        }
    }

    /// An answer with one more header.
    pub fn with(self, name: &str, value: &str) -> Reply {
        let Reply::Answer { status, mut headers, body } = self else { panic!("{self:?} has no headers") };
        headers.push((name.to_owned(), value.to_owned()));
        Reply::Answer { status, headers, body }
    }

    /// The same answer, compressed.
    pub fn gzipped(self) -> Reply {
        let Reply::Answer { status, headers, body } = self else { panic!("{self:?} has no body") };
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        encoder.write_all(&body).unwrap();
        Reply::Answer { status, headers, body: encoder.finish().unwrap() }.with("content-encoding", "gzip")
    }
}

type Handler = Arc<dyn Fn(Request) -> Reply + Send + Sync>;

/// A listening server; it vanishes when it is dropped.
pub struct Host {
    pub address: SocketAddr,
    handler: Handler,
    running: Option<Running>,
}

struct Running {
    stop: Arc<Mutex<Stop>>,
    accepting: JoinHandle<()>,
}

#[derive(Default)]
struct Stop {
    asked: bool,
    connections: Vec<TcpStream>,
}

impl Host {
    pub fn start(handler: impl Fn(Request) -> Reply + Send + Sync + 'static) -> Host {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let handler: Handler = Arc::new(handler);
        let running = Some(Running::start(listener, &handler));
        Host { address, handler, running }
    }

    /// How many connections there were.
    pub fn connections(&self) -> usize {
        self.running.as_ref().map_or(0, |running| running.stop.lock().unwrap().connections.len())
    }

    /// From now on connections are refused, and those that are open are closed.
    pub fn stop(&mut self) {
        let Some(running) = self.running.take() else { return };
        {
            let mut stop = running.stop.lock().unwrap();
            stop.asked = true;
            for connection in stop.connections.drain(..) {
                let _ = connection.shutdown(Shutdown::Both);
            }
        }
        // Wakes the thread that accepts; it then drops the listener.
        let _ = TcpStream::connect(self.address);
        let _ = running.accepting.join();
    }

    /// Listens on the same port again.
    pub fn restart(&mut self) {
        self.stop();
        let listener = TcpListener::bind(self.address).unwrap();
        self.running = Some(Running::start(listener, &self.handler));
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Running {
    fn start(listener: TcpListener, handler: &Handler) -> Running {
        let stop = Arc::new(Mutex::new(Stop::default()));
        let (shared, handler) = (Arc::clone(&stop), Arc::clone(handler));
        let accepting = std::thread::spawn(move || {
            for connection in listener.incoming() {
                let mut stop = shared.lock().unwrap();
                if stop.asked {
                    break;
                }
                let Ok(connection) = connection else { continue };
                stop.connections.push(connection.try_clone().unwrap());
                let handler = Arc::clone(&handler);
                std::thread::spawn(move || converse(connection, &handler));
            }
        });
        Running { stop, accepting }
    }
}

/// Answers requests until the client or a fault ends the connection.
fn converse(mut connection: TcpStream, handler: &Handler) {
    let _ = connection.set_nodelay(true);
    let Ok(clone) = connection.try_clone() else { return };
    let mut reader = BufReader::new(clone);
    while let Some(request) = read(&mut reader) {
        if !reply(&mut connection, handler(request)) {
            break;
        }
    }
    let _ = connection.shutdown(Shutdown::Both);
}

/// Sends a reply; `false` where the connection ends with it.
fn reply(connection: &mut TcpStream, reply_: Reply) -> bool {
    match reply_ {
        Reply::Answer { status, headers, body } => {
            let mut head = format!("HTTP/1.1 {status} Status\r\ncontent-length: {}\r\n", body.len());
            for (name, value) in headers {
                head += &format!("{name}: {value}\r\n");
            }
            head += "\r\n";
            connection.write_all(&[head.as_bytes(), &body].concat()).is_ok()
        }
        Reply::Hang => {
            // Ends when the client gives up, or when the server is stopped.
            let _ = connection.read(&mut [0]);
            false
        }
        Reply::Late(after, later) => {
            std::thread::sleep(after);
            reply(connection, *later)
        }
        Reply::Close | Reply::Taken => false,
        Reply::HalfAnswer => {
            let _ = connection.write_all(b"HTTP/1.1 20");
            false
        }
        Reply::Raw(bytes) => {
            // The client may have had enough before the last byte.
            let _ = connection.write_all(&bytes);
            false
        }
        Reply::Drip(bytes, pause) => {
            for byte in bytes {
                if connection.write_all(&[byte]).is_err() {
                    break;
                }
                std::thread::sleep(pause);
            }
            false
        }
    }
}

fn read(reader: &mut impl BufRead) -> Option<Request> {
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let mut words = line.split_whitespace();
    let (method, target) = (words.next()?.to_owned(), words.next()?.to_owned());
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let line = line.trim_end();
        if line.is_empty() {
            break;
        }
        let (name, value) = line.split_once(':')?;
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    let length = headers.iter().find(|(name, _)| name == "content-length");
    let length: usize = length.map_or(Ok(0), |(_, value)| value.parse()).ok()?;
    let mut body = vec![0; length.min(BODY_BYTES_MAX)];
    reader.read_exact(&mut body).ok()?;
    Some(Request { at: Instant::now(), method, target, headers, body })
}
