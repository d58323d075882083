//! How much of what a run saw and did may be stored.

use bincode::{Decode, Encode};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The capture mode of a run, chosen at submission and never changed afterwards.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema, Encode, Decode,
)]
#[serde(rename_all = "snake_case")]
pub enum CaptureMode {
    /// Nothing may be stored. No run is admitted with it: a run without a record would break P4.
    None,
    /// Prompts, templates and digests, but nothing that commands and agents printed or read.
    PromptsOnly,
    /// Everything.
    FullIo,
}

/// What kind of data a stored field is.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema, Encode, Decode,
)]
#[serde(rename_all = "snake_case")]
pub enum DataClass {
    /// Facts about the run itself: names, times, digests, exit codes.
    Metadata,
    /// What the run exists to produce: findings, diffs, reports.
    Output,
    /// What was asked of a model or a provider.
    Prompt,
    /// What commands, agents and web pages said.
    Io,
}

impl CaptureMode {
    /// Whether data of this class may be stored in this mode.
    #[must_use]
    pub const fn keeps(self, class: DataClass) -> bool {
        match (self, class) {
            (_, DataClass::Metadata) | (Self::FullIo, _) => true,
            (Self::PromptsOnly, DataClass::Output | DataClass::Prompt) => true,
            (Self::PromptsOnly, DataClass::Io) => false,
            (Self::None, DataClass::Output | DataClass::Prompt | DataClass::Io) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{CaptureMode::*, DataClass::*};

    #[test]
    fn each_mode_keeps_what_the_contract_says() {
        for (mode, class, kept) in [
            (None, Metadata, true),
            (None, Output, false),
            (None, Prompt, false),
            (None, Io, false),
            (PromptsOnly, Metadata, true),
            (PromptsOnly, Output, true),
            (PromptsOnly, Prompt, true),
            (PromptsOnly, Io, false),
            (FullIo, Metadata, true),
            (FullIo, Output, true),
            (FullIo, Prompt, true),
            (FullIo, Io, true),
        ] {
            assert_eq!(mode.keeps(class), kept, "{mode:?} {class:?}");
        }
    }
}
