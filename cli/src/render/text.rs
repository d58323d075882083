//! Text from data, made harmless for a terminal.

use std::borrow::Cow;

/// Whether a character could move the cursor, change colours, or turn the reading direction.
fn is_harmful(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// One line of text with every harmful character escaped, line breaks and tabs too.
pub(crate) fn safe(text: &str) -> Cow<'_, str> {
    escape(text, is_harmful)
}

/// Text of several lines: line breaks and tabs stay.
pub(crate) fn safe_lines(text: &str) -> Cow<'_, str> {
    escape(text, |character| is_harmful(character) && !matches!(character, '\n' | '\t'))
}

fn escape(text: &str, harmful: impl Fn(char) -> bool) -> Cow<'_, str> {
    if !text.contains(&harmful) {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(text.len() + 8);
    for character in text.chars() {
        if harmful(character) {
            escaped.extend(character.escape_default());
        } else {
            escaped.push(character);
        }
    }
    Cow::Owned(escaped)
}

/// A word or a sentence as one argument of a POSIX shell, so that a command can be pasted.
pub(crate) fn shell_word(text: &str) -> Cow<'_, str> {
    let plain = |byte: u8| {
        byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'/' | b':' | b'@' | b'=')
    };
    if !text.is_empty() && text.bytes().all(plain) {
        Cow::Borrowed(text)
    } else {
        Cow::Owned(format!("'{}'", text.replace('\'', r"'\''")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_steer_a_terminal_is_escaped() {
        assert_eq!(safe("a\u{1b}[31mb\u{7}\r\n\u{9b}c\u{202e}"), r"a\u{1b}[31mb\u{7}\r\n\u{9b}c\u{202e}");
        assert_eq!(safe_lines("a\n\tb\u{1b}c\r"), "a\n\tb\\u{1b}c\\r");
        assert_eq!(safe("Grüße, 世界"), "Grüße, 世界");
    }

    #[test]
    fn an_argument_survives_the_shell() {
        for text in ["plain-1.2", "two words", "it's", "", "$(rm -rf .)"] {
            let output = std::process::Command::new("sh")
                .arg("-c")
                .arg(format!("printf %s {}", shell_word(text)))
                .output()
                .unwrap();
            assert_eq!(String::from_utf8(output.stdout).unwrap(), text);
        }
    }
}
