//! A command with a terminal of its own, typed into by the test. The terminal is a real pseudo-terminal.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::process::{Child, Command, Stdio};

use rustix::fs::{Mode, OFlags};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};

/// A command in a terminal.
pub struct Terminal {
    master: File,
    child: Child,
    seen: String,
}

impl Terminal {
    /// Starts a command in a new terminal.
    ///
    /// # Panics
    /// There are no pseudo-terminals, or it cannot be started.
    #[must_use]
    pub fn start(command: &mut Command) -> Self {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC)
            .expect("there are pseudo-terminals");
        grantpt(&master).expect("it is our terminal");
        unlockpt(&master).expect("it is our terminal");
        let name = ptsname(&master, Vec::new()).expect("it has a name");
        let slave = || -> OwnedFd {
            let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
            rustix::fs::open(&name, flags, Mode::empty()).expect("it is our terminal")
        };
        let size = Winsize { ws_row: 50, ws_col: 200, ws_xpixel: 0, ws_ypixel: 0 };
        tcsetwinsize(&master, size).expect("it is our terminal");
        let child = command
            .env("TERM", "dumb")
            .env("NO_COLOR", "1")
            .stdin(Stdio::from(slave()))
            .stdout(Stdio::from(slave()))
            .stderr(Stdio::from(slave()))
            .spawn()
            .expect("the command can be started");
        Self { master: File::from(master), child, seen: String::new() }
    }

    /// Waits for a question, then types an answer and the enter key. Gives what was shown before the question.
    ///
    /// # Panics
    /// The question was never asked.
    pub fn answer(&mut self, question: &str, answer: &str) -> String {
        let before = self.wait_for(question);
        self.type_in(&format!("{answer}\r"));
        before
    }

    /// Types; whether anybody reads it shows later.
    pub fn type_in(&mut self, keys: &str) {
        self.master.write_all(keys.as_bytes()).unwrap_or_default();
    }

    fn wait_for(&mut self, text: &str) -> String {
        loop {
            if let Some(at) = self.seen.find(text) {
                return self.seen.drain(..at + text.len()).collect();
            }
            assert!(self.read(), "`{text}` was never shown; at the end stood:\n{}", self.seen);
        }
    }

    /// Reads on; whether there was more.
    pub fn read(&mut self) -> bool {
        let mut bytes = [0; 4096];
        // The kernel says EIO once nobody has the other end open.
        let count = self.master.read(&mut bytes).unwrap_or(0);
        self.seen.push_str(&String::from_utf8_lossy(&bytes[..count]));
        count > 0
    }

    /// What was shown behind the last answered question.
    #[must_use]
    pub fn seen(&self) -> &str {
        &self.seen
    }

    /// Reads to the end, and gives the exit code.
    ///
    /// # Panics
    /// The command was ended by a signal.
    pub fn finish(&mut self) -> i32 {
        while self.read() {}
        self.child.wait().expect("it is our child").code().expect("it ends by itself")
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // A test that stopped early must not leave the command waiting for an answer.
        if self.child.try_wait().is_ok_and(|ended| ended.is_none()) {
            self.child.kill().and_then(|()| self.child.wait()).map(drop).unwrap_or_default();
        }
    }
}
