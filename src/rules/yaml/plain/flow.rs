//! Brackets and quotes of the plain YAML: flow mappings and lists, also over several lines, and texts in quotes.

use super::{Key, Kind, Line, Node, Reader, is_name, key, unquoted};

impl Reader<'_> {
    /// A value in brackets or quotes. It goes behind it. Its lines stand in at least as far as `margin`.
    pub(super) fn closed(&mut self, margin: usize, depth: usize) -> Option<Node> {
        if depth >= super::DEPTH_MAX {
            return None;
        }
        let line = self.line?;
        let rest = self.rest(&line, line.at);
        let mark = self.mark(&line, line.at, 1);
        match rest.as_bytes().first()? {
            b'{' => {
                let entries = self.items(b'}', margin, |reader| reader.entry(margin, depth))?;
                self.map(entries, mark)
            }
            b'[' => {
                let items = self.items(b']', margin, |reader| reader.inside(margin, depth))?;
                self.node(Kind::List(items.into()), mark)
            }
            quote => {
                let text = quoted(rest, *quote)?;
                let mark = self.mark(&line, line.at, text.len() + 2);
                self.go_on(text.len() + 2)?;
                self.node(Kind::Text(text.into()), mark)
            }
        }
    }

    /// What stands between brackets.
    fn items<T>(&mut self, closing: u8, margin: usize, item: impl Fn(&mut Self) -> Option<T>) -> Option<Vec<T>> {
        let mut items = Vec::new();
        self.go_on(1)?;
        self.skip(margin)?;
        let mut is_last = self.first()? == closing;
        while !is_last {
            items.push(item(self)?);
            self.skip(margin)?;
            is_last = match self.first()? {
                b',' => {
                    self.go_on(1)?;
                    self.skip(margin)?;
                    false
                }
                byte if byte == closing => true,
                _ => return None,
            };
        }
        self.go_on(1)?;
        Some(items)
    }

    /// `key: value` or `"key": value`.
    fn entry(&mut self, margin: usize, depth: usize) -> Option<(Key, Node)> {
        let line = self.line?;
        let rest = self.rest(&line, line.at);
        let (name, typed) = match rest.strip_prefix('"') {
            Some(_) => {
                let name = quoted(rest, b'"').filter(|name| is_name(name))?;
                rest.get(name.len() + 2..)?.strip_prefix(':')?;
                (name, name.len() + 2)
            }
            None => key(rest).map(|name| (name, name.len()))?,
        };
        let key = Key { name: self.name(name), mark: self.mark(&line, line.at, typed) };
        self.go_on(typed + 1)?;
        self.skip(margin)?;
        Some((key, self.inside(margin, depth)?))
    }

    /// A value inside brackets. It goes behind it.
    fn inside(&mut self, margin: usize, depth: usize) -> Option<Node> {
        let line = self.line?;
        let rest = self.rest(&line, line.at);
        if rest.starts_with(['{', '[', '"', '\'']) {
            return self.closed(margin, depth + 1);
        }
        let text = rest.get(..rest.find([',', ']', '}', '{', '['])?)?.trim_end_matches(' ');
        let goes_on = |behind: &str| behind.starts_with(|next: char| next.is_ascii_alphanumeric() || next == '/');
        if text.contains('#') || !text.split(':').skip(1).all(goes_on) {
            return None;
        }
        self.go_on(text.len())?;
        self.node(unquoted(text)?, self.mark(&line, line.at, text.len()))
    }

    /// Goes behind blanks, and on to the next line where this one ends.
    fn skip(&mut self, margin: usize) -> Option<()> {
        let line = self.line?;
        let at = line.end - self.rest(&line, line.at).trim_start_matches(' ').len();
        if at < line.end {
            self.line = Some(Line { at, ..line });
            return Some(());
        }
        self.advance();
        (self.line?.indent() >= margin).then_some(())
    }

    fn first(&self) -> Option<u8> {
        let line = self.line?;
        self.rest(&line, line.at).bytes().next()
    }
}

/// The text in quotes with which a text begins; none that has an escape in it.
fn quoted(text: &str, quote: u8) -> Option<&str> {
    let ends = match quote {
        b'"' => ['"', '\\'],
        b'\'' => ['\'', '\''],
        _ => return None,
    };
    let inside = text.get(1..)?;
    let text = inside.get(..inside.find(ends)?)?;
    let behind = inside.get(text.len()..)?.as_bytes();
    // Two single quotes are one, written.
    (behind.first() == Some(&quote) && !behind.starts_with(b"''")).then_some(text)
}
