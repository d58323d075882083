//! Files cut into passages: as much as is quoted and read in one piece.

use std::ops::Range;

use windlass_contract::document::{LineRange, PassageSource};

/// Lines after which a document's passage ends at the next blank line: a paragraph or two.
const DOCUMENT_LINES: u32 = 6;
/// Most lines of a document's passage: a table, a long list.
const MAX_DOCUMENT_LINES: u32 = 30;
/// Lines after which a code passage ends at the next blank line: a function.
const CODE_LINES: u32 = 12;
/// Most lines of a code passage: what fits a screen.
const MAX_CODE_LINES: u32 = 40;

/// A piece of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    /// Its lines.
    pub lines: LineRange,
    /// Its bytes in the file, line ends and all.
    pub bytes: Range<usize>,
    /// The headings that it stands under, the outermost first. Empty in code.
    pub headings: String,
}

/// The pieces of a text, in order. Together they are the text but for blank lines between them.
#[must_use]
pub fn cut(text: &str, source: PassageSource) -> Vec<Piece> {
    let mut cutter = Cutter { source, pieces: Vec::new(), open: None, headings: Vec::new(), fenced: false };
    let (mut at, mut number) = (0, 0);
    for line in text.split_inclusive('\n') {
        number += 1;
        cutter.take(line, number, at..at + line.len());
        at += line.len();
    }
    cutter.close();
    cutter.pieces
}

struct Cutter {
    source: PassageSource,
    pieces: Vec<Piece>,
    open: Option<Piece>,
    /// Level and text of the headings above.
    headings: Vec<(usize, String)>,
    /// Inside a fenced block, where `#` begins no heading.
    fenced: bool,
}

impl Cutter {
    fn take(&mut self, line: &str, number: u32, bytes: Range<usize>) {
        let (enough, most) = match self.source {
            PassageSource::Document => (DOCUMENT_LINES, MAX_DOCUMENT_LINES),
            PassageSource::Code => (CODE_LINES, MAX_CODE_LINES),
        };
        let length = self.open.as_ref().map_or(0, |open| number - open.lines.first);
        if self.source == PassageSource::Document {
            if line.trim_start().starts_with("```") {
                self.fenced = !self.fenced;
            }
            if let Some((level, title)) = heading(line).filter(|_| !self.fenced) {
                self.close();
                self.headings.retain(|(above, _)| *above < level);
                self.headings.push((level, title.to_owned()));
            }
        }
        if line.trim().is_empty() {
            if length >= enough {
                self.close();
            }
            return;
        }
        if length >= most {
            self.close();
        }
        match &mut self.open {
            Some(open) => {
                open.lines.last = number;
                open.bytes.end = bytes.end;
            }
            None => {
                let titles: Vec<&str> = self.headings.iter().map(|(_, title)| title.as_str()).collect();
                let lines = LineRange { first: number, last: number };
                self.open = Some(Piece { lines, bytes, headings: titles.join(" / ") });
            }
        }
    }

    fn close(&mut self) {
        self.pieces.extend(self.open.take());
    }
}

/// Level and text of a heading in Markdown's `#` form.
fn heading(line: &str) -> Option<(usize, &str)> {
    let level = line.bytes().take_while(|byte| *byte == b'#').count();
    let title = line.get(level..)?.strip_prefix(' ')?.trim();
    (1..=6).contains(&level).then_some((level, title))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str, source: PassageSource) -> Vec<(u32, u32, String, String)> {
        let pieces = cut(text, source).into_iter();
        pieces
            .map(|piece| (piece.lines.first, piece.lines.last, piece.headings, text[piece.bytes].to_owned()))
            .collect()
    }

    #[test]
    fn a_document_is_cut_at_its_headings_and_knows_them() {
        let text = "# Ship\n\nOne.\n## Winch\nTwo.\n```\n# no heading\n```\n# Crew\nThree";
        let expected = [
            (1, 3, "Ship", "# Ship\n\nOne.\n"),
            (4, 8, "Ship / Winch", "## Winch\nTwo.\n```\n# no heading\n```\n"),
            (9, 10, "Crew", "# Crew\nThree"),
        ];
        let expected =
            expected.map(|(first, last, headings, text)| (first, last, headings.to_owned(), text.to_owned()));
        assert_eq!(shown(text, PassageSource::Document), expected);
    }

    #[test]
    fn code_is_cut_at_blank_lines_and_never_longer_than_a_screen() {
        let block = "line\n".repeat(12);
        let lines = |text: &str| -> Vec<(u32, u32)> {
            let pieces = cut(text, PassageSource::Code);
            pieces.iter().map(|piece| (piece.lines.first, piece.lines.last)).collect()
        };
        assert_eq!(lines(&format!("a\n\n{block}\n\n{block}")), [(1, 14), (17, 28)]);
        assert_eq!(lines(&"line\n".repeat(90)), [(1, 40), (41, 80), (81, 90)]);
        assert_eq!(lines("# no heading\n\nx\n"), [(1, 3)]);
    }
}
