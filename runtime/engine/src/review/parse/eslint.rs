//! `eslint --format json`: one array of files with their messages.

use serde::Deserialize;
use windlass_contract::document::Severity;

use super::{Parsed, Places, RawFinding, json_in};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct File {
    file_path: String,
    #[serde(default)]
    messages: Vec<Message>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Message {
    rule_id: Option<String>,
    message: String,
    #[serde(default)]
    severity: u8,
    line: Option<u32>,
    end_line: Option<u32>,
}

pub(super) fn parse(stdout: &[u8], places: &Places<'_>) -> Result<Parsed, String> {
    let files: Vec<File> = json_in(stdout, '[')?;
    let mut parsed = Parsed::default();
    for file in files {
        let path = places.tracked(&file.file_path);
        for message in file.messages {
            parsed.push(RawFinding {
                file: path.clone(),
                line: message.line.unwrap_or(1),
                end_line: message.end_line,
                rule: message.rule_id,
                message: Some(message.message),
                severity: Some(if message.severity >= 2 { Severity::Error } else { Severity::Warning }),
            });
        }
    }
    Ok(parsed)
}
