//! The checks file: TOML, with defaults for everything but a name and a command.

use std::collections::BTreeSet;

use serde::Deserialize;
use toml::Spanned;
use windlass_contract::document::Severity;
use windlass_domain::run::request::{Preset, Scope};
use windlass_policy::CheckOrigin;

use super::{Anchor, Check, Checks, FindingPattern, Fixer, Parser};

/// The version of the file format. 1: the first.
pub const CHECKS_VERSION: u32 = 1;

/// Largest accepted checks file, in bytes: it is written by people.
pub const MAX_CHECKS_BYTES: usize = 256 * 1024;

/// Most checks, and most fixers, of one file: each is a process.
pub const MAX_CHECKS: usize = 64;

/// Longest name of a check or fixer, in bytes: it is part of each finding's rule.
const MAX_NAME_BYTES: usize = 64;

/// Why a text is not a checks file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadChecks {
    /// It is larger than a person would write.
    #[error("{file}: a checks file has at most {MAX_CHECKS_BYTES} bytes, this one has {bytes}")]
    TooLarge {
        /// The file.
        file: String,
        /// Its size.
        bytes: usize,
    },
    /// It has more checks or fixers than anybody runs.
    #[error("{file}: a checks file has at most {MAX_CHECKS} checks and as many fixers")]
    TooMany {
        /// The file.
        file: String,
    },
    /// It says something that cannot be understood or done.
    #[error("{file}:{line}:{column}: {message}")]
    Wrong {
        /// The file.
        file: String,
        /// Line, from 1.
        line: usize,
        /// Column in characters, from 1.
        column: usize,
        /// What is wrong, and the mend.
        message: String,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ChecksFile {
    version: Option<Spanned<u32>>,
    #[serde(default)]
    check: Vec<CheckTable>,
    #[serde(default)]
    fixer: Vec<FixerTable>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CheckTable {
    name: Spanned<String>,
    argv: Spanned<Vec<String>>,
    scope: Option<Scope>,
    preset: Option<Preset>,
    parser: Option<ParserName>,
    pattern: Option<Spanned<FindingPattern>>,
    severity: Option<Severity>,
    rationale: Option<String>,
    message: Option<String>,
    time_limit_ms: Option<u64>,
    output_limit_bytes: Option<u64>,
    success_exit: Option<Vec<u8>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FixerTable {
    name: Spanned<String>,
    argv: Spanned<Vec<String>>,
    scope: Option<Scope>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum ParserName {
    CargoJson,
    Sarif,
    Junit,
    EslintJson,
    Regex,
    Exit,
}

/// Reads a checks file. `file` names it in errors and in findings without a place.
///
/// # Errors
/// [`BadChecks`], with line and column wherever there is a place to point at.
pub fn parse_checks(origin: CheckOrigin, file: &str, text: &str) -> Result<Checks, BadChecks> {
    if text.len() > MAX_CHECKS_BYTES {
        return Err(BadChecks::TooLarge { file: file.to_owned(), bytes: text.len() });
    }
    let reader = Reader { file, text };
    let tables: ChecksFile = toml::from_str(text)
        .map_err(|error| reader.wrong(error.span().map_or(0, |span| span.start), error.message()))?;
    if let Some(version) = tables.version.filter(|version| *version.get_ref() != CHECKS_VERSION) {
        let message = format!(
            "version {} is not known here; this windlass reads version {CHECKS_VERSION}",
            version.get_ref()
        );
        return Err(reader.wrong(version.span().start, &message));
    }
    if tables.check.len() > MAX_CHECKS || tables.fixer.len() > MAX_CHECKS {
        return Err(BadChecks::TooMany { file: file.to_owned() });
    }
    let names = tables.check.iter().map(|check| (&check.name, &check.argv));
    reader.check_names(names)?;
    let names = tables.fixer.iter().map(|fixer| (&fixer.name, &fixer.argv));
    reader.check_names(names)?;
    let checks = tables.check.into_iter().map(|table| reader.check(table)).collect::<Result<_, _>>()?;
    let fixers = tables.fixer.into_iter().map(|table| reader.fixer(table)).collect();
    Ok(Checks { origin, checks, fixers })
}

struct Reader<'a> {
    file: &'a str,
    text: &'a str,
}

impl Reader<'_> {
    fn place(&self, offset: usize) -> (usize, usize) {
        let before = self.text.get(..offset).unwrap_or(self.text);
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
    }

    fn wrong(&self, offset: usize, message: &str) -> BadChecks {
        let (line, column) = self.place(offset);
        BadChecks::Wrong { file: self.file.to_owned(), line, column, message: message.to_owned() }
    }

    fn anchor(&self, name: &Spanned<String>) -> Anchor {
        let line = u32::try_from(self.place(name.span().start).0).unwrap_or(u32::MAX);
        Anchor { file: self.file.to_owned(), line }
    }

    fn check_names<'a>(
        &self,
        commands: impl Iterator<Item = (&'a Spanned<String>, &'a Spanned<Vec<String>>)>,
    ) -> Result<(), BadChecks> {
        let mut seen = BTreeSet::new();
        for (name, argv) in commands {
            let text = name.get_ref();
            let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
            if text.is_empty() || text.len() > MAX_NAME_BYTES || !text.chars().all(fits) || text == "windlass"
            {
                let message = format!(
                    "`{}` cannot be a name: letters, digits, `-`, `_` and `.`, at most {MAX_NAME_BYTES}, not `windlass`",
                    text.escape_debug()
                );
                return Err(self.wrong(name.span().start, &message));
            }
            if !seen.insert(text) {
                let message = format!("the name `{text}` is taken already; a finding must name one check");
                return Err(self.wrong(name.span().start, &message));
            }
            if argv.get_ref().first().is_none_or(String::is_empty) {
                return Err(
                    self.wrong(argv.span().start, "a command needs a program: argv = [\"program\", …]")
                );
            }
        }
        Ok(())
    }

    fn check(&self, table: CheckTable) -> Result<Check, BadChecks> {
        let anchor = self.anchor(&table.name);
        let name_start = table.name.span().start;
        let parser = match (table.parser.unwrap_or(ParserName::Exit), table.pattern) {
            (ParserName::Regex, Some(pattern)) => Parser::Regex { pattern: pattern.into_inner() },
            (ParserName::Regex, None) => {
                let message = "parser = \"regex\" needs a pattern with named groups, for instance \
                               pattern = '^(?<file>[^:]+):(?<line>\\d+): (?<message>.+)$'";
                return Err(self.wrong(name_start, message));
            }
            (_, Some(pattern)) => {
                return Err(self.wrong(pattern.span().start, "a pattern needs parser = \"regex\""));
            }
            (ParserName::CargoJson, None) => Parser::CargoJson,
            (ParserName::Sarif, None) => Parser::Sarif,
            (ParserName::Junit, None) => Parser::Junit,
            (ParserName::EslintJson, None) => Parser::EslintJson,
            (ParserName::Exit, None) => Parser::Exit,
        };
        let usual_severity = match parser {
            Parser::Exit | Parser::Junit => Severity::Error,
            Parser::CargoJson | Parser::Sarif | Parser::EslintJson | Parser::Regex { .. } => {
                Severity::Warning
            }
        };
        let name = table.name.into_inner();
        let rationale = table.rationale.unwrap_or_else(|| {
            format!(
                "the check `{name}` ({}:{}) says so; run it by hand to see more",
                anchor.file, anchor.line
            )
        });
        Ok(Check {
            name,
            argv: table.argv.into_inner(),
            scope: table.scope.unwrap_or(Scope::Correctness),
            preset: table.preset.unwrap_or(Preset::Quick),
            parser,
            severity: table.severity.unwrap_or(usual_severity),
            rationale,
            message: table.message,
            time_limit_ms: table.time_limit_ms,
            output_limit_bytes: table.output_limit_bytes,
            success_exit: table.success_exit.unwrap_or_else(|| vec![0]),
            anchor,
        })
    }

    fn fixer(&self, table: FixerTable) -> Fixer {
        let anchor = self.anchor(&table.name);
        Fixer {
            name: table.name.into_inner(),
            argv: table.argv.into_inner(),
            scope: table.scope.unwrap_or(Scope::Style),
            anchor,
        }
    }
}
