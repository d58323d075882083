//! The two output streams: what goes where, with colour or without, and how wide it may be.
//!
//! **Invariant:** with `--json` standard output gets one document, or one event a line, and nothing else.

use std::io::{self, IsTerminal, Write};

use anstream::{AutoStream, ColorChoice};
use serde::Serialize;

use crate::args::Globals;

/// Narrowest terminal that tables are fitted to; below that they are cut by the terminal.
const MIN_WIDTH: u16 = 40;

/// Where a command writes to.
#[derive(Debug, Clone)]
pub(crate) struct Output {
    json: bool,
    quiet: bool,
    stdin_terminal: bool,
    stdout_terminal: bool,
    stderr_terminal: bool,
    color: Option<ColorChoice>,
}

/// Standard output cannot be written to.
#[derive(Debug, thiserror::Error)]
#[error("cannot write to standard output")]
pub(crate) struct OutputLost(#[from] io::Error);

impl OutputLost {
    /// Whether the reader closed its end, which is its right.
    pub(crate) fn reader_left(&self) -> bool {
        self.0.kind() == io::ErrorKind::BrokenPipe
    }

    /// What the system said.
    pub(crate) fn reason(&self) -> String {
        self.0.to_string()
    }
}

impl Output {
    /// The output that the global flags ask for.
    pub(crate) fn new(globals: &Globals) -> Self {
        Self::of(globals.json, globals.quiet, globals.no_color)
    }

    /// The output when the arguments could not be read.
    pub(crate) fn of(json: bool, quiet: bool, no_color: bool) -> Self {
        Self {
            json,
            quiet,
            stdin_terminal: io::stdin().is_terminal(),
            stdout_terminal: io::stdout().is_terminal(),
            stderr_terminal: io::stderr().is_terminal(),
            color: no_color.then_some(ColorChoice::Never),
        }
    }

    /// Whether one JSON document was asked for.
    pub(crate) const fn json(&self) -> bool {
        self.json
    }

    /// Whether only what was asked for is said.
    pub(crate) const fn quiet(&self) -> bool {
        self.quiet
    }

    /// The same output, printing JSON.
    pub(crate) fn as_json(&self) -> Self {
        Self { json: true, ..self.clone() }
    }

    /// Whether a person sits in front of it and could answer a question.
    pub(crate) const fn has_person(&self) -> bool {
        self.stdin_terminal && self.stderr_terminal
    }

    /// Whether standard output is a terminal.
    pub(crate) const fn stdout_is_terminal(&self) -> bool {
        self.stdout_terminal
    }

    /// Whether progress may be drawn on standard error.
    pub(crate) const fn draws_progress(&self) -> bool {
        self.stderr_terminal && !self.quiet
    }

    /// Whether text on standard output is coloured.
    pub(crate) fn stdout_has_color(&self) -> bool {
        let choice = self.color.unwrap_or_else(|| AutoStream::choice(&io::stdout()));
        choice != ColorChoice::Never
    }

    /// Columns of the terminal; none where standard output is no terminal, and nothing is cut then.
    pub(crate) fn width(&self) -> Option<u16> {
        if !self.stdout_terminal {
            return None;
        }
        let size = rustix::termios::tcgetwinsize(io::stdout()).ok()?;
        (size.ws_col > 0).then(|| size.ws_col.max(MIN_WIDTH))
    }

    /// Prints the one document: indented for a person, on one line for a program.
    ///
    /// # Errors
    /// [`OutputLost`], also when the document cannot be expressed in JSON.
    pub(crate) fn document(&self, document: &impl Serialize) -> Result<(), OutputLost> {
        let mut bytes = if self.stdout_terminal {
            serde_json::to_vec_pretty(document)
        } else {
            serde_json::to_vec(document)
        }
        .map_err(io::Error::from)?;
        bytes.push(b'\n');
        self.bytes(&bytes)
    }

    /// Prints one JSON object on a line of its own, and sends it off.
    ///
    /// # Errors
    /// [`OutputLost`], also when the value cannot be expressed in JSON.
    pub(crate) fn line(&self, value: &impl Serialize) -> Result<(), OutputLost> {
        let mut bytes = serde_json::to_vec(value).map_err(io::Error::from)?;
        bytes.push(b'\n');
        self.bytes(&bytes)
    }

    /// Prints bytes as they are, and sends them off.
    ///
    /// # Errors
    /// [`OutputLost`].
    pub(crate) fn bytes(&self, bytes: &[u8]) -> Result<(), OutputLost> {
        let mut stdout = io::stdout().lock();
        stdout.write_all(bytes)?;
        stdout.flush()?;
        Ok(())
    }

    /// Prints text on standard output, without colour where there is none.
    ///
    /// # Errors
    /// [`OutputLost`].
    pub(crate) fn text(&self, text: &str) -> Result<(), OutputLost> {
        let stdout = io::stdout();
        let choice = self.color.unwrap_or_else(|| AutoStream::choice(&stdout));
        let mut stream = AutoStream::new(stdout.lock(), choice);
        stream.write_all(text.as_bytes())?;
        stream.flush()?;
        Ok(())
    }

    /// Prints the commands to type next; only for a person at a terminal.
    ///
    /// # Errors
    /// [`OutputLost`].
    pub(crate) fn next(&self, commands: &[String]) -> Result<(), OutputLost> {
        use crate::render::style::DIM;
        if self.json || self.quiet || !self.stdout_terminal {
            return Ok(());
        }
        let lines: Vec<String> = commands.iter().map(|command| format!("  {command}\n")).collect();
        self.text(&format!("{DIM}next:{DIM:#}\n{}", lines.concat()))
    }

    /// Says something on standard error, unless asked to be quiet.
    pub(crate) fn note(&self, text: &str) {
        if !self.quiet {
            self.complain(&format!("{text}\n"));
        }
    }

    /// Says something on standard error, in any case. There is nobody to tell when that fails.
    pub(crate) fn complain(&self, text: &str) {
        let stderr = io::stderr();
        let choice = self.color.unwrap_or_else(|| AutoStream::choice(&stderr));
        let mut stream = AutoStream::new(stderr.lock(), choice);
        if let Err(error) = stream.write_all(text.as_bytes()) {
            tracing::debug!(%error, "standard error is gone");
        }
    }
}
