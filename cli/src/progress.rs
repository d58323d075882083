//! A line on standard error that says what is being waited for, in a terminal and only after a second.

use std::future::Future;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget};

use crate::output::Output;
use crate::render::text::safe;

/// What takes less than this needs no explanation.
const PATIENCE: Duration = Duration::from_secs(1);

/// How often the spinner turns once it shows.
const TURN: Duration = Duration::from_millis(120);

/// A line that may appear.
#[derive(Debug)]
pub(crate) struct Progress {
    bar: ProgressBar,
    allowed: bool,
}

impl Progress {
    /// A line that says this once it appears.
    pub(crate) fn new(output: &Output, doing: &str) -> Self {
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden());
        bar.set_message(safe(doing).into_owned());
        Self { bar, allowed: output.draws_progress() }
    }

    /// Says something else.
    pub(crate) fn say(&self, doing: &str) {
        self.bar.set_message(safe(doing).into_owned());
    }

    /// Waits for what is being done, and shows the line if that takes long.
    pub(crate) async fn during<T>(&self, doing: impl Future<Output = T>) -> T {
        if !self.allowed {
            return doing.await;
        }
        tokio::pin!(doing);
        let done = tokio::select! {
            biased;
            done = &mut doing => done,
            () = tokio::time::sleep(PATIENCE) => {
                self.bar.set_draw_target(ProgressDrawTarget::stderr());
                self.bar.enable_steady_tick(TURN);
                doing.await
            }
        };
        self.bar.finish_and_clear();
        done
    }
}
