//! A check that waits until the test lets it go, without a clock: it reads a named pipe that the test holds.

use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, FileType, Mode, mknodat};

use crate::home::Home;

/// A named pipe that a check reads to its end.
pub struct Gate {
    path: PathBuf,
}

impl Gate {
    /// A new one in this home. Its check runs without a sandbox, which this home's policy then allows: inside one the pipe
    /// could not be seen.
    ///
    /// # Panics
    /// It cannot be made.
    #[must_use]
    pub fn new(home: &Home) -> Self {
        let path = home.path().join("gate");
        mknodat(CWD, &path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0)
            .expect("a pipe can be made in our own folder");
        home.without_sandbox();
        Self { path }
    }

    /// A checks file with this one check, named `gate`.
    #[must_use]
    pub fn checks(&self) -> String {
        format!("[[check]]\nname = \"gate\"\nargv = [\"cat\", \"{}\"]\n", self.path.display())
    }

    /// The pipe.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Waits until the check reads, and holds it until the value is dropped.
    ///
    /// # Panics
    /// The pipe is gone.
    #[must_use]
    pub fn meet(&self) -> File {
        OpenOptions::new().write(true).open(&self.path).expect("the pipe is there")
    }
}
