//! What packagers and shells want: completion scripts and manual pages.

use std::path::PathBuf;

use clap::Args;
use clap_complete::Shell;

/// `windlass completions`
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  windlass completions zsh > ~/.zfunc/_windlass
  windlass completions fish > ~/.config/fish/completions/windlass.fish")]
pub(crate) struct CompletionsArgs {
    /// The shell
    #[arg(value_name = "SHELL")]
    pub(crate) shell: Shell,
}

/// `windlass man`
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  windlass man | man -l -\n  windlass man ~/.local/share/man/man1")]
pub(crate) struct ManArgs {
    /// Write the pages of all commands into this folder
    #[arg(value_name = "DIR")]
    pub(crate) folder: Option<PathBuf>,
}
