//! The text of a file, from its encoding.
//!
//! A byte that its encoding does not have is a mistake, and nothing is put in its place.

use std::fs::File;
use std::io::Read;

use encoding_rs::{DecoderResult, Encoding, UTF_8};

use crate::problem::{Code, Fault};

/// A larger file belongs into a database.
const FILE_BYTES_MAX: u64 = 512 * 1024 * 1024;

// Where a row begins is kept in 32 bits, and a byte can become three in UTF-8.
const _: () = assert!(FILE_BYTES_MAX * 3 <= u32::MAX as u64);

/// Bytes that are decoded at a time.
const CHUNK: usize = 64 * 1024;

/// Reads a file; `path` is its name in messages. A mark of the encoding at its beginning is left out.
pub(super) fn read(mut file: File, path: &str, encoding: &'static Encoding) -> Result<String, Fault> {
    let fault = |message: String| Fault::new(Code::SourceFile, "", message);
    let unreadable = |error: std::io::Error| fault(format!("`{path}` can't be read: {error}"));
    let bytes = file.metadata().map_err(unreadable)?.len();
    if bytes > FILE_BYTES_MAX {
        let message = format!("`{path}` has {bytes} bytes; a table may have {FILE_BYTES_MAX}");
        return Err(fault(message).help("a table of that size belongs into a database"));
    }
    // Where it grows in the meantime, no more of it is read than was there.
    let mut input = (&mut file).take(bytes);
    let read = if encoding == UTF_8 { utf_8(&mut input, bytes) } else { decoded(&mut input, encoding) };
    match read.map_err(unreadable)? {
        Ok(text) => Ok(text),
        Err(Undecodable { line, begins }) => {
            let message = format!("`{path}` is not {} (line {line})", encoding.name());
            Err(match begins.as_slice() {
                b"PK\x03\x04" => fault(format!("`{path}` is a spreadsheet or an archive, not CSV"))
                    .help("open it and save it as \"CSV UTF-8\""),
                [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => fault(message).help("it begins as UTF-16 does: write `encoding: utf-16`"),
                _ => fault(message).help(
                    "save it as \"CSV UTF-8\", or say what it is, such as `encoding: windows-1254` from a Turkish spreadsheet",
                ),
            })
        }
    }
}

/// The first byte that can't be decoded.
struct Undecodable {
    line: usize,
    /// The first bytes of the file, which tell what it is.
    begins: Vec<u8>,
}

impl Undecodable {
    fn new(before: &[u8], all: &[u8]) -> Undecodable {
        Undecodable { line: 1 + line_breaks(before), begins: all.iter().take(4).copied().collect() }
    }
}

pub(super) fn line_breaks(bytes: &[u8]) -> usize {
    bytes.iter().filter(|byte| **byte == b'\n').count()
}

/// The bytes become the text where they lie.
fn utf_8(input: &mut impl Read, bytes: u64) -> std::io::Result<Result<String, Undecodable>> {
    let mut read = Vec::with_capacity(usize::try_from(bytes).unwrap_or_default());
    input.read_to_end(&mut read)?;
    Ok(match String::from_utf8(read) {
        Ok(mut text) => {
            if text.starts_with('\u{feff}') {
                text.drain(..'\u{feff}'.len_utf8());
            }
            Ok(text)
        }
        Err(error) => {
            let end = error.utf8_error().valid_up_to();
            let all = error.as_bytes();
            Err(Undecodable::new(all.get(..end).unwrap_or_default(), all))
        }
    })
}

/// Decodes chunk by chunk: the undecoded file is never in memory as a whole.
fn decoded(input: &mut impl Read, encoding: &'static Encoding) -> std::io::Result<Result<String, Undecodable>> {
    let (mut decoder, mut text, mut chunk) = (encoding.new_decoder(), String::new(), vec![0; CHUNK]);
    loop {
        let length = input.read(&mut chunk)?;
        let mut rest = chunk.get(..length).unwrap_or_default();
        loop {
            text.reserve(decoder.max_utf8_buffer_length_without_replacement(rest.len()).unwrap_or(CHUNK));
            let (result, taken) = decoder.decode_to_string_without_replacement(rest, &mut text, length == 0);
            rest = rest.get(taken..).unwrap_or_default();
            match result {
                DecoderResult::InputEmpty => break,
                DecoderResult::OutputFull => {}
                DecoderResult::Malformed(..) => return Ok(Err(Undecodable::new(text.as_bytes(), &[]))),
            }
        }
        if length == 0 {
            text.shrink_to_fit();
            return Ok(Ok(text));
        }
    }
}
