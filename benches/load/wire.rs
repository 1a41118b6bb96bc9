//! HTTP/1.1 as far as both ends of this bench need it: one request at a time on a connection, bodies with `Content-Length`.
//!
//! By hand, because what the load costs is taken away from the server on the same cores.

use std::io::Error;
use std::str;

use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;

/// One message: its first line and headers, and its body.
pub struct Message<'a> {
    pub head: &'a str,
    pub body: &'a [u8],
}

/// A connection that messages are read from.
pub struct Wire {
    pub stream: TcpStream,
    received: Vec<u8>,
    /// How much of it the last message took.
    taken: usize,
}

impl Wire {
    pub fn new(stream: TcpStream) -> Wire {
        stream.set_nodelay(true).unwrap();
        Wire { stream, received: Vec::with_capacity(8 * 1024), taken: 0 }
    }

    /// The next message; `None` where the other end closed the connection.
    pub async fn next(&mut self) -> Result<Option<Message<'_>>, Error> {
        self.received.drain(..self.taken);
        self.taken = 0;
        let (head, length) = loop {
            if let Some(end) = self.received.windows(4).position(|four| four == b"\r\n\r\n") {
                let head = str::from_utf8(&self.received[..end]).map_err(Error::other)?;
                let length = head.lines().find_map(|line| {
                    let (name, value) = line.split_once(':')?;
                    name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok())?
                });
                break (end, length.unwrap_or(0));
            }
            if self.stream.read_buf(&mut self.received).await? == 0 {
                return Ok(None);
            }
        };
        let end = head + 4 + length;
        while self.received.len() < end {
            if self.stream.read_buf(&mut self.received).await? == 0 {
                return Ok(None);
            }
        }
        self.taken = end;
        let head_text = str::from_utf8(&self.received[..head]).map_err(Error::other)?;
        Ok(Some(Message { head: head_text, body: &self.received[head + 4..end] }))
    }
}
