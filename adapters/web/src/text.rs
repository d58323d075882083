//! The text of a page.
//!
//! HTML is taken as a row of tags and words, and no tree is built: a page that nests a million elements, or closes none,
//! costs what its length costs.

use std::cell::RefCell;
use std::time::Instant;

use html5ever::tendril::StrTendril;
use html5ever::tokenizer::states::{Rawtext, Rcdata, ScriptData};
use html5ever::tokenizer::{
    BufferQueue, Tag, TagKind, Token, TokenSink, TokenSinkResult, Tokenizer, TokenizerOpts,
};

/// Longest text of a page that is kept, in bytes; the rest is cut off at a line.
pub const MAX_TEXT_BYTES: usize = 256 * 1024;
/// Longest title, in characters.
const MAX_TITLE: usize = 200;
/// How much of a page is taken at once, in bytes, between two looks at the clock.
const PIECE_BYTES: usize = 4 * 1024;
/// Columns after which a line of text is broken between words, so that a citation names some lines and not a page.
const WIDTH: usize = 100;

/// Elements whose content is not for readers.
const HIDDEN: [&str; 6] = ["script", "style", "template", "noscript", "iframe", "svg"];
/// Elements that begin and end a paragraph.
const BLOCKS: [&str; 30] = [
    "address",
    "article",
    "aside",
    "blockquote",
    "body",
    "dd",
    "details",
    "div",
    "dl",
    "dt",
    "fieldset",
    "figcaption",
    "figure",
    "footer",
    "form",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "header",
    "hr",
    "main",
    "nav",
    "ol",
    "p",
    "pre",
    "section",
    "ul",
];
/// Elements that begin and end a line.
const LINES: [&str; 4] = ["br", "li", "tr", "caption"];
/// Elements that stand beside each other.
const CELLS: [&str; 2] = ["td", "th"];

/// A page's text and title.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Text {
    pub(crate) title: Option<String>,
    pub(crate) text: String,
}

/// The text of an HTML page; none if it is not read through by then.
pub(crate) fn of_html(html: &str, until: Instant) -> Option<Text> {
    let input = BufferQueue::default();
    let tokenizer = Tokenizer::new(Reader::default(), TokenizerOpts::default());
    let mut rest = html;
    while !rest.is_empty() {
        // A tag with a hundred thousand attributes costs the square of that.
        if Instant::now() >= until {
            return None;
        }
        let (piece, behind) = rest.split_at(rest.floor_char_boundary(PIECE_BYTES));
        rest = behind;
        input.push_back(StrTendril::from(piece));
        // It hands over at the end of each script, which nobody runs here.
        while !input.is_empty() {
            let _ = tokenizer.feed(&input);
        }
    }
    tokenizer.end();
    let mut page = tokenizer.sink.0.into_inner();
    page.end_line();
    let title: String = page.title.split_whitespace().collect::<Vec<_>>().join(" ");
    let title: String = title.chars().take(MAX_TITLE).collect();
    Some(Text { title: (!title.is_empty()).then_some(title), text: cut(page.text) })
}

/// A page that is text already.
pub(crate) fn of_plain(text: String) -> Text {
    Text { title: None, text: cut(text) }
}

fn cut(mut text: String) -> String {
    if text.len() > MAX_TEXT_BYTES {
        let mut end = MAX_TEXT_BYTES;
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        let end = text[..end].rfind('\n').map_or(end, |line_end| line_end + 1);
        text.truncate(end);
    }
    text
}

/// Takes tags and words as they come.
#[derive(Default)]
struct Reader(RefCell<Page>);

/// What was read so far.
#[derive(Default)]
struct Page {
    title: String,
    in_title: bool,
    /// The element that hides what is in it.
    hidden: Option<String>,
    in_pre: bool,
    text: String,
    /// The line that is being written, and its width in characters.
    line: String,
    width: usize,
    /// Whether white space came since the last word.
    apart: bool,
}

impl TokenSink for Reader {
    type Handle = ();

    fn process_token(&self, token: Token, _line_number: u64) -> TokenSinkResult<()> {
        let mut page = self.0.borrow_mut();
        match token {
            Token::TagToken(tag) => return page.tag(&tag),
            Token::CharacterTokens(text) => page.words(&text),
            _ => {}
        }
        TokenSinkResult::Continue
    }
}

impl Page {
    fn tag(&mut self, tag: &Tag) -> TokenSinkResult<()> {
        let (name, begins) = (&*tag.name, tag.kind == TagKind::StartTag);
        if let Some(hidden) = &self.hidden {
            if !begins && hidden == name {
                self.hidden = None;
            }
            return TokenSinkResult::Continue;
        }
        if begins && HIDDEN.contains(&name) && !tag.self_closing {
            self.hidden = Some(name.to_owned());
        } else if name == "title" {
            self.in_title = begins && self.title.is_empty();
        } else if BLOCKS.contains(&name) {
            self.end_paragraph();
            self.in_pre = begins && name == "pre";
            let level = name.strip_prefix('h').and_then(|level| level.parse().ok());
            if let Some(level) = level.filter(|_| begins) {
                self.mark(&"#".repeat(level));
            }
        } else if LINES.contains(&name) {
            self.end_line();
            if begins && name == "li" {
                self.mark("-");
            }
        } else if begins && CELLS.contains(&name) && !self.line.is_empty() {
            self.mark("|");
        }
        match name {
            "script" if begins => TokenSinkResult::RawData(ScriptData),
            "style" | "iframe" if begins => TokenSinkResult::RawData(Rawtext),
            "title" | "textarea" if begins => TokenSinkResult::RawData(Rcdata),
            _ => TokenSinkResult::Continue,
        }
    }

    fn words(&mut self, text: &str) {
        if self.hidden.is_some() {
        } else if self.in_title {
            self.title.push_str(text);
        } else if self.in_pre {
            self.as_it_stands(text);
        } else {
            self.flowing(text);
        }
    }

    fn as_it_stands(&mut self, text: &str) {
        for piece in text.split_inclusive('\n') {
            self.line.push_str(piece.trim_end_matches(['\n', '\r']));
            if piece.ends_with('\n') {
                self.text.push_str(self.line.trim_end());
                self.text.push('\n');
                self.line.clear();
            }
        }
    }

    fn flowing(&mut self, text: &str) {
        self.apart |= text.starts_with(char::is_whitespace);
        for word in text.split_whitespace() {
            let width = word.chars().count();
            if self.apart && self.width + width > WIDTH {
                self.end_line();
            }
            if self.apart && !self.line.is_empty() {
                self.line.push(' ');
            }
            self.line.push_str(word);
            self.width += width + 1;
            self.apart = true;
        }
        self.apart = text.ends_with(char::is_whitespace) || (self.apart && text.is_empty());
    }

    /// A word that the page's structure says.
    fn mark(&mut self, mark: &str) {
        if !self.line.is_empty() {
            self.line.push(' ');
        }
        self.line.push_str(mark);
        self.width += mark.len() + 1;
        self.apart = true;
    }

    fn end_line(&mut self) {
        let line = self.line.trim_end();
        if !line.is_empty() {
            self.text.push_str(line);
            self.text.push('\n');
        }
        self.line.clear();
        self.width = 0;
        self.apart = false;
    }

    fn end_paragraph(&mut self) {
        self.end_line();
        if !self.text.is_empty() && !self.text.ends_with("\n\n") {
            self.text.push('\n');
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn read(html: &str) -> Text {
        of_html(html, Instant::now() + Duration::from_secs(3600)).unwrap()
    }

    #[test]
    fn a_page_is_its_words_without_its_scripts() {
        let html = "<!doctype html><html><head><TITLE>Anchors &amp; <b>chains</TITLE><style>p{}</style>\
                    <script>if (a < b) steal('</p>')</script></head><body><h1>Anchors</h1>\n<p>An anchor\n hangs on a \
                    <a href='https://x/'>chain</a>.</p><!-- no --><svg><text>no</text></svg><ul><li>one<li>two</ul>\
                    <pre>a  b\n  c</pre><table><tr><td>1<td>2</table>";
        let text = read(html);
        assert_eq!(text.title.as_deref(), Some("Anchors & <b>chains"));
        assert_eq!(
            text.text,
            "# Anchors\n\nAn anchor hangs on a chain.\n\n- one\n- two\n\na  b\n  c\n\n1 | 2\n"
        );
    }

    #[test]
    fn a_long_paragraph_has_lines_that_can_be_named() {
        let text = read(&format!("<p>{}", "anchor ".repeat(100))).text;
        assert!(text.lines().count() > 6 && text.lines().all(|line| line.len() <= WIDTH + 7), "{text}");
    }

    #[test]
    fn a_page_that_is_made_to_break_its_reader_does_not() {
        let pieces =
            ["<div>", "<b>", "<table><tr><td>", "<ul><li>", "<svg><g>", "<", "<!--", "&#x0;", "<script>"];
        for piece in pieces {
            assert!(read(&piece.repeat(256 * 1024 / piece.len())).text.len() <= MAX_TEXT_BYTES, "{piece}");
        }
    }

    #[test]
    fn a_page_that_takes_too_long_is_left() {
        assert_eq!(of_html("<p>anchor", Instant::now()), None);
    }

    #[test]
    fn a_long_text_is_cut_at_a_line() {
        let line = format!("{}\n", "ä".repeat(60));
        let text = of_plain(line.repeat(4000)).text;
        assert!(text.len() <= MAX_TEXT_BYTES && text.len() > MAX_TEXT_BYTES - 200 && text.ends_with("ä\n"));
        assert!(of_plain("ä".repeat(MAX_TEXT_BYTES)).text.len() <= MAX_TEXT_BYTES);
    }
}
