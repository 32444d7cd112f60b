//! Follows the arguments of a tool call as they come in pieces, to know when they are whole.

/// Where a JSON object stands that is read byte by byte. Only brackets and strings count: whether
/// the text is valid JSON is not judged here.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Progress {
    depth: u32,
    is_in_string: bool,
    is_escaped: bool,
    is_whole: bool,
}

impl Progress {
    /// True once the outermost bracket is closed.
    pub(super) fn is_whole(self) -> bool {
        self.is_whole
    }

    /// Takes the next piece and gives as much of it as belongs to the object: what follows a whole
    /// object is a repetition, which some servers send with their last chunk.
    pub(super) fn take<'a>(&mut self, piece: &'a str) -> &'a str {
        if self.is_whole {
            return "";
        }
        for (at, byte) in piece.bytes().enumerate() {
            self.step(byte);
            if self.is_whole {
                // A closing bracket is ASCII, so the cut is at a character.
                return &piece[..=at];
            }
        }
        piece
    }

    fn step(&mut self, byte: u8) {
        if self.is_in_string {
            match byte {
                _ if self.is_escaped => self.is_escaped = false,
                b'\\' => self.is_escaped = true,
                b'"' => self.is_in_string = false,
                _ => {}
            }
            return;
        }
        match byte {
            b'"' => self.is_in_string = true,
            b'{' | b'[' => self.depth = self.depth.saturating_add(1),
            b'}' | b']' if self.depth > 0 => {
                self.depth -= 1;
                self.is_whole = self.depth == 0;
            }
            _ => {}
        }
    }
}
