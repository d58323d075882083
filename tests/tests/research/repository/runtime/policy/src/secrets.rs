//! Finds secrets in text, and takes them out.
//!
//! What a secret looks like is data: the rule set of the crate `nosecrets-rules`, and beside it `secrets/additional.toml`
//! in the same format. This module only applies rules: keywords first, then the expression, then the rule's own
//! validation, then what tells a real value from a placeholder.
//!
//! It is not a proof of absence: what has no known format and no telling name beside it is not seen, nor is a key whose
//! text is cut over several calls.
//! **Invariant:** nothing here puts a secret into a message.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use aho_corasick::AhoCorasick;
use nosecrets_rules::{Rule, Severity, load_builtin_rules, parse_rules};
use regex::Regex;

/// Rules that the crate lacks, in its format.
const ADDITIONAL_RULES: &str = include_str!("secrets/additional.toml");

/// How far the body of a private key is followed, in bytes: eight times a 16384-bit RSA key in PEM.
const LONGEST_KEY_BYTES: usize = 128 * 1024;

/// Fewest base64 characters that make a body of a private key: an Ed25519 key has 64; a header alone is a constant of a
/// program that reads keys.
const SHORTEST_KEY_BODY: usize = 40;

/// Values that stand for a secret instead of being one, in lower case.
const PLACEHOLDER_WORDS: [&str; 18] = [
    "example",
    "changeme",
    "change_me",
    "change-me",
    "placeholder",
    "your_",
    "your-",
    "yourpassword",
    "yourkey",
    "redacted",
    "dummy",
    "sample",
    "insert",
    "replace",
    "xxxx",
    "****",
    "....",
    "fake",
];

/// A secret in a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct SecretMatch {
    /// Where it starts, in bytes.
    pub start: usize,
    /// Where it ends, in bytes.
    pub end: usize,
    /// The id of the rule that knows it.
    pub rule: &'static str,
    /// What the rule knows, for people.
    pub name: &'static str,
    /// Whether it has an issuer's own format; otherwise the name beside it gave it away.
    pub exact: bool,
}

/// A rule, ready to be applied.
struct Known {
    rule: Rule,
    expression: Regex,
    allowed: Vec<Regex>,
    charset: Option<Regex>,
}

struct Scanner {
    rules: Vec<Known>,
    keywords: AhoCorasick,
    rule_of_keyword: Vec<usize>,
}

static SCANNER: LazyLock<Scanner> = LazyLock::new(Scanner::compile);

impl Known {
    fn compile(rule: Rule) -> Self {
        let regex = |pattern: &str| Regex::new(pattern).expect("a test compiles every rule");
        let allowed =
            rule.allow.iter().flat_map(|allow| &allow.patterns).map(|pattern| regex(pattern)).collect();
        let charset = rule.validate.as_ref().and_then(|validate| validate.charset.as_deref());
        let charset = charset.map(|charset| regex(&format!("^[{charset}]+$")));
        Self { expression: regex(&rule.pattern), allowed, charset, rule }
    }

    /// A private key's rule matches the first line of the key only.
    fn is_private_key(&self) -> bool {
        self.rule.id.contains("private-key")
    }

    /// Whether the name beside the value gives it away, and not its own format.
    fn goes_by_name(&self) -> bool {
        self.rule.pattern.starts_with("(?i)")
    }

    fn is_connection(&self) -> bool {
        self.rule.id.ends_with("-uri") || self.rule.id.starts_with("jdbc-")
    }

    /// Whether a value that the expression found is taken for a secret.
    fn holds(&self, value: &str) -> bool {
        self.is_valid(value)
            && !self.allowed.iter().any(|allowed| allowed.is_match(value))
            && !is_placeholder(value)
            && (!self.goes_by_name() || self.is_connection() || looks_drawn(value))
    }

    fn is_valid(&self, value: &str) -> bool {
        let Some(validate) = &self.rule.validate else { return true };
        validate.length.is_none_or(|length| value.len() == length)
            && validate.min_length.is_none_or(|least| value.len() >= least)
            && validate.max_length.is_none_or(|most| value.len() <= most)
            && (validate.prefix.is_empty() || validate.prefix.iter().any(|prefix| value.starts_with(prefix)))
            && self.charset.as_ref().is_none_or(|charset| charset.is_match(value))
    }
}

impl Scanner {
    fn compile() -> Self {
        let mut rules = load_builtin_rules().expect("a test loads the rules of the crate");
        rules.extend(
            parse_rules(ADDITIONAL_RULES, "additional.toml").expect("a test loads the additional rules"),
        );
        let rules: Vec<Known> = rules.into_iter().map(Known::compile).collect();
        let words = rules
            .iter()
            .enumerate()
            .flat_map(|(place, known)| known.rule.keywords.iter().map(move |word| (word.as_str(), place)));
        let (keywords, rule_of_keyword): (Vec<&str>, Vec<usize>) = words.unzip();
        let keywords = AhoCorasick::builder()
            .ascii_case_insensitive(true)
            .build(&keywords)
            .expect("a few hundred short words fit an automaton");
        Self { rules, keywords, rule_of_keyword }
    }

    fn scan(&'static self, text: &str) -> Vec<SecretMatch> {
        let mut found = Vec::new();
        let mut offset = 0;
        for line in text.split_inclusive('\n') {
            let candidates: BTreeSet<usize> = self
                .keywords
                .find_overlapping_iter(line)
                .map(|hit| self.rule_of_keyword[hit.pattern().as_usize()])
                .collect();
            if !candidates.is_empty() {
                // Many rules want a character after the value; the last line of a file may have none.
                let ended = if line.ends_with('\n') { line.into() } else { format!("{line}\n") };
                for place in candidates {
                    self.apply(&self.rules[place], &ended, text, offset, &mut found);
                }
            }
            offset += line.len();
        }
        without_overlaps(found)
    }

    fn apply(
        &'static self,
        known: &'static Known,
        line: &str,
        text: &str,
        offset: usize,
        found: &mut Vec<SecretMatch>,
    ) {
        for captures in known.expression.captures_iter(line) {
            let Some(value) = captures.get(known.rule.capture) else { continue };
            let start = offset + value.start();
            let end = if known.is_private_key() {
                match private_key_end(text, start, offset + value.end()) {
                    Some(end) => end,
                    None => continue,
                }
            } else if known.holds(value.as_str()) {
                offset + value.end()
            } else {
                continue;
            };
            found.push(SecretMatch {
                start,
                end,
                rule: &known.rule.id,
                name: &known.rule.name,
                exact: matches!(known.rule.severity, Severity::Critical | Severity::High),
            });
        }
    }
}

/// Finds the secrets in a text, in their order, none overlapping another.
#[must_use]
pub fn scan(text: &str) -> Vec<SecretMatch> {
    SCANNER.scan(text)
}

/// The text with `[redacted:<rule>]` in the place of each secret.
#[must_use]
pub fn redact(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    let mut kept = 0;
    for secret in scan(text) {
        clean.push_str(&text[kept..secret.start]);
        clean.push_str("[redacted:");
        clean.push_str(secret.rule);
        clean.push(']');
        kept = secret.end;
    }
    clean.push_str(&text[kept..]);
    clean
}

/// Where a private key ends whose first line is `start..header_end`; none when no key follows.
fn private_key_end(text: &str, start: usize, header_end: usize) -> Option<usize> {
    let mut limit = text.len().min(start + LONGEST_KEY_BYTES);
    while !text.is_char_boundary(limit) {
        limit -= 1;
    }
    let after = &text[header_end..limit];
    let body = match after.find("-----END ") {
        Some(at) => &after[..at],
        // Cut off before its end: the key goes on as far as it looks like one.
        None => {
            let is_part =
                |c: char| c.is_ascii_alphanumeric() || c.is_ascii_whitespace() || "+/=\\,:-\"".contains(c);
            &after[..after.find(|c| !is_part(c)).unwrap_or(after.len())]
        }
    };
    let base64 =
        body.bytes().filter(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/')).count();
    let has_long_line = body.split(['\n', '\\']).any(|line| line.trim().len() >= SHORTEST_KEY_BODY);
    if base64 < SHORTEST_KEY_BODY || !has_long_line || is_placeholder(body) {
        return None;
    }
    let end = header_end + body.len();
    let last_line = text[end..limit].strip_prefix("-----END ").and_then(|rest| rest.find("-----"));
    Some(last_line.map_or(end, |at| end + "-----END ".len() + at + "-----".len()))
}

/// Whether a value stands for a secret instead of being one: `<your-key>`, `${KEY}`, `changeme`, `xxxxxxxx`.
fn is_placeholder(value: &str) -> bool {
    let lower = value.to_ascii_lowercase();
    let is_template = ["${", "{{", "%(", "$(", "<"].iter().any(|mark| lower.contains(mark))
        || lower.starts_with('$')
        || lower.contains("env[")
        || lower.contains("environ")
        || lower.contains(".env.");
    let distinct: BTreeSet<char> = lower.chars().collect();
    is_template
        || distinct.len() <= 3
        || PLACEHOLDER_WORDS.iter().any(|word| lower.contains(word))
        || is_run(&lower)
}

/// Whether most of a value counts up, as in `0123456789abcdef`: nobody draws that.
fn is_run(value: &str) -> bool {
    let pairs = value.len().saturating_sub(1);
    let rising = value.as_bytes().windows(2).filter(|pair| pair[0].checked_add(1) == Some(pair[1])).count();
    pairs > 0 && rising * 3 > pairs * 2
}

/// Whether a value that only its name gave away was drawn or thought up, and is not a word, a name or an expression.
fn looks_drawn(value: &str) -> bool {
    let digits = value.bytes().filter(u8::is_ascii_digit).count();
    let letters = value.bytes().filter(u8::is_ascii_alphabetic).count();
    let is_expression = value.contains([' ', '(', ')', '[', ']', '\t']);
    let is_words = value.split(['_', '-', '.']).all(|word| {
        let trimmed = word.trim_end_matches(|c: char| c.is_ascii_digit());
        trimmed.is_empty() || trimmed.bytes().all(|byte| byte.is_ascii_alphabetic())
    });
    let is_name = is_words && value.contains(['_', '-', '.']) && digits < 4;
    digits > 0 && letters > 0 && !is_expression && !is_name
}

/// Where two rules know overlapping text, the exact one is kept, then the longer one.
fn without_overlaps(mut found: Vec<SecretMatch>) -> Vec<SecretMatch> {
    if found.len() > 1 {
        found.sort_by_key(|secret| (!secret.exact, std::cmp::Reverse(secret.end - secret.start), *secret));
        let mut kept: Vec<SecretMatch> = Vec::with_capacity(found.len());
        for secret in found {
            if kept.iter().all(|other| secret.end <= other.start || other.end <= secret.start) {
                kept.push(secret);
            }
        }
        kept.sort();
        return kept;
    }
    found
}

#[cfg(test)]
mod tests;
