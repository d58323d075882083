//! What the tools of each kind of project need around them: environment and folders, as data.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// A kind of project that Windlass knows checks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ecosystem {
    /// Cargo packages.
    Rust,
    /// Python packages and scripts.
    Python,
    /// Node.js packages.
    Node,
    /// Go modules.
    Go,
}

/// What a check needs beyond the worktree, `PATH` and a private `HOME`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Needs {
    /// Variables to set.
    pub env: BTreeMap<String, String>,
    /// Host folders to show read-only; missing ones are left out.
    pub readable: Vec<String>,
    /// Folders below the scratch folder that its tools write to.
    pub writable: Vec<String>,
}

impl Ecosystem {
    /// All of them, in their order.
    pub const ALL: [Self; 4] = [Self::Rust, Self::Python, Self::Node, Self::Go];

    /// The needs of all ecosystems together. A check of a checks file may use any of them, so every check gets all.
    #[must_use]
    pub fn all_needs(home: &str, scratch: &str) -> Needs {
        let mut all = Needs::default();
        for ecosystem in Self::ALL {
            let Needs { env, readable, writable } = ecosystem.needs(home, scratch);
            all.env.extend(env);
            all.readable.extend(readable);
            all.writable.extend(writable);
        }
        all.env.insert("NO_COLOR".to_owned(), "1".to_owned());
        all
    }

    /// What the tools of this ecosystem need, with the user's home folder and the run's scratch folder.
    ///
    /// Caches are read from the home folder and never written there; builds go to the scratch folder; nothing is
    /// downloaded.
    #[must_use]
    pub fn needs(self, home: &str, scratch: &str) -> Needs {
        let in_home = |path: &str| format!("{home}/{path}");
        let in_scratch = |path: &str| format!("{scratch}/{path}");
        let (env, readable, writable) = match self {
            Self::Rust => (
                vec![
                    ("CARGO_HOME", in_home(".cargo")),
                    ("RUSTUP_HOME", in_home(".rustup")),
                    ("CARGO_TARGET_DIR", in_scratch("cargo-target")),
                    ("CARGO_NET_OFFLINE", "true".to_owned()),
                    // Each tree is built once; the incremental cache would only be written.
                    ("CARGO_INCREMENTAL", "0".to_owned()),
                    ("CARGO_TERM_COLOR", "never".to_owned()),
                    ("RUSTUP_AUTO_INSTALL", "0".to_owned()),
                ],
                vec![in_home(".cargo"), in_home(".rustup")],
                vec![in_scratch("cargo-target")],
            ),
            Self::Python => (
                vec![
                    ("PYTHONDONTWRITEBYTECODE", "1".to_owned()),
                    ("PYTHONPYCACHEPREFIX", in_scratch("pycache")),
                    // HOME is private; packages that the user installed stay visible.
                    ("PYTHONUSERBASE", in_home(".local")),
                    ("PYTHONHASHSEED", "0".to_owned()),
                    ("RUFF_NO_CACHE", "true".to_owned()),
                    ("MYPY_CACHE_DIR", in_scratch("mypy-cache")),
                    ("PIP_NO_INDEX", "1".to_owned()),
                ],
                vec![
                    in_home(".local/bin"),
                    in_home(".local/lib"),
                    in_home(".local/share/uv"),
                    in_home(".pyenv"),
                ],
                vec![in_scratch("pycache"), in_scratch("mypy-cache")],
            ),
            Self::Node => (
                vec![
                    ("npm_config_offline", "true".to_owned()),
                    ("npm_config_cache", in_scratch("npm-cache")),
                    ("npm_config_update_notifier", "false".to_owned()),
                    ("npm_config_fund", "false".to_owned()),
                    ("npm_config_audit", "false".to_owned()),
                    ("COREPACK_ENABLE_DOWNLOAD_PROMPT", "0".to_owned()),
                    ("COREPACK_ENABLE_NETWORK", "0".to_owned()),
                ],
                vec![in_home(".nvm"), in_home(".volta"), in_home(".local/share/fnm"), in_home(".npm-global")],
                vec![in_scratch("npm-cache")],
            ),
            Self::Go => (
                vec![
                    ("GOPATH", in_home("go")),
                    ("GOMODCACHE", in_home("go/pkg/mod")),
                    ("GOCACHE", in_scratch("go-build")),
                    ("GOTMPDIR", in_scratch("go-tmp")),
                    ("GOPROXY", "off".to_owned()),
                    ("GOSUMDB", "off".to_owned()),
                    ("GOTOOLCHAIN", "local".to_owned()),
                    ("GOTELEMETRY", "off".to_owned()),
                    ("GOFLAGS", "-mod=readonly".to_owned()),
                ],
                vec![in_home("go"), in_home("sdk"), "/usr/local/go".to_owned()],
                vec![in_scratch("go-build"), in_scratch("go-tmp")],
            ),
        };
        let env = env.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        Needs { env, readable, writable }
    }
}
