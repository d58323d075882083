//! Which files of a commit are worth reading, and why the others are not.

use std::collections::BTreeMap;

use windlass_contract::document::{LeftOut, PassageSource};

use crate::ports::ListedFile;

/// Largest file that is read, in bytes: what people write is smaller, larger files are data or generated.
pub const MAX_FILE_BYTES: u64 = 256 * 1024;
/// Most files that are read. With [`MAX_BYTES`] it bounds the memory and the time of one search to seconds.
pub const MAX_FILES: usize = 4_000;
/// Most bytes that are read in all.
pub const MAX_BYTES: u64 = 16 * 1024 * 1024;
/// Longest line of a file that people write, in bytes; a longer one is minified or encoded.
pub const MAX_LINE_BYTES: usize = 4 * 1024;
/// How many files a reason names: enough to see what it is about.
const MAX_EXAMPLES: usize = 5;

/// Folders of what others wrote or programs made.
const FOREIGN_FOLDERS: [&str; 5] = ["node_modules", "vendor", "third_party", "dist", "target"];
/// Endings of what programs made.
const MADE_ENDINGS: [&str; 7] =
    [".lock", ".min.js", ".min.css", ".map", ".svg", ".snap", "package-lock.json"];
/// Endings of what is written for people.
const DOCUMENT_ENDINGS: [&str; 6] = [".md", ".markdown", ".mdx", ".rst", ".adoc", ".txt"];
/// Beginnings of names of what is written for people.
const DOCUMENT_NAMES: [&str; 4] = ["readme", "changelog", "contributing", "architecture"];

/// What was not searched, by reason.
#[derive(Debug, Clone, Default)]
pub struct Omissions(BTreeMap<&'static str, (u64, Vec<String>)>);

impl Omissions {
    /// Notes a file.
    pub fn note(&mut self, reason: &'static str, path: &str) {
        let (count, examples) = self.0.entry(reason).or_default();
        *count += 1;
        if examples.len() < MAX_EXAMPLES {
            examples.push(path.to_owned());
        }
    }

    /// For the evidence pack.
    #[must_use]
    pub fn into_document(self) -> Vec<LeftOut> {
        let omissions = self.0.into_iter();
        omissions
            .map(|(reason, (files, examples))| LeftOut { reason: reason.to_owned(), files, examples })
            .collect()
    }
}

/// The paths to read, documents before code and each in the order of its path, and what is left out.
#[must_use]
pub fn select(files: &[ListedFile]) -> (Vec<String>, Omissions) {
    let mut omissions = Omissions::default();
    let mut order: Vec<&ListedFile> = files.iter().collect();
    order.sort_by_key(|file| (source_of(&file.path) == PassageSource::Code, &file.path));
    let (mut paths, mut sum) = (Vec::new(), 0);
    for file in order {
        match (unfit(file), file.bytes) {
            (Some(reason), _) => omissions.note(reason, &file.path),
            (None, None) => omissions.note("its content was never fetched", &file.path),
            (None, Some(bytes)) if paths.len() >= MAX_FILES || sum + bytes > MAX_BYTES => {
                omissions.note("the limit of one search is reached", &file.path);
            }
            (None, Some(bytes)) => {
                sum += bytes;
                paths.push(file.path.clone());
            }
        }
    }
    (paths, omissions)
}

fn unfit(file: &ListedFile) -> Option<&'static str> {
    let foreign = || file.path.split('/').any(|part| FOREIGN_FOLDERS.contains(&part));
    let made = || MADE_ENDINGS.iter().any(|ending| file.path.ends_with(ending));
    if !file.regular {
        Some("a link or a submodule")
    } else if file.bytes.is_some_and(|bytes| bytes > MAX_FILE_BYTES) {
        Some("larger than 256 KiB")
    } else if foreign() {
        Some("in a folder of what others wrote or programs made")
    } else if made() {
        Some("made by a program")
    } else {
        None
    }
}

/// The text of a file.
///
/// # Errors
/// Why it is none that people write.
pub fn text_of(bytes: Vec<u8>) -> Result<String, &'static str> {
    let text = String::from_utf8(bytes).map_err(|_| "no text")?;
    if text.contains('\0') {
        Err("no text")
    } else if text.lines().any(|line| line.len() > MAX_LINE_BYTES) {
        Err("a line is longer than 4 KiB")
    } else {
        Ok(text)
    }
}

/// Whether a file is written for people, by its name.
#[must_use]
pub fn source_of(path: &str) -> PassageSource {
    let path = path.to_ascii_lowercase();
    let name = path.rsplit('/').next().unwrap_or(&path);
    let named = !name.contains('.') && DOCUMENT_NAMES.iter().any(|known| name.starts_with(known));
    if named || DOCUMENT_ENDINGS.iter().any(|ending| name.ends_with(ending)) {
        PassageSource::Document
    } else {
        PassageSource::Code
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str, bytes: u64) -> ListedFile {
        ListedFile { path: path.to_owned(), regular: true, bytes: Some(bytes) }
    }

    #[test]
    fn documents_come_first_and_what_is_left_out_has_a_reason() {
        let link = ListedFile { regular: false, ..file("link", 3) };
        let elsewhere = ListedFile { bytes: None, ..file("elsewhere.rs", 0) };
        let files = [
            file("a.rs", 10),
            link,
            elsewhere,
            file("docs/b.md", 10),
            file("README", 10),
            file("Cargo.lock", 10),
            file("web/node_modules/x.js", 10),
            file("big.rs", MAX_FILE_BYTES + 1),
        ];
        let (paths, omissions) = select(&files);
        assert_eq!(paths, ["README", "docs/b.md", "a.rs"]);
        let told = omissions.into_document();
        let told: Vec<_> =
            told.iter().map(|left| (left.reason.as_str(), left.files, left.examples[0].as_str())).collect();
        let expected = [
            ("a link or a submodule", 1, "link"),
            ("in a folder of what others wrote or programs made", 1, "web/node_modules/x.js"),
            ("its content was never fetched", 1, "elsewhere.rs"),
            ("larger than 256 KiB", 1, "big.rs"),
            ("made by a program", 1, "Cargo.lock"),
        ];
        assert_eq!(told, expected);
    }

    #[test]
    fn one_search_has_a_limit_of_files_and_of_bytes() {
        let many: Vec<_> = (0..MAX_FILES + 3).map(|number| file(&format!("{number:05}.rs"), 1)).collect();
        let (paths, omissions) = select(&many);
        assert_eq!((paths.len(), omissions.into_document()[0].files), (MAX_FILES, 3));
        let large: Vec<_> = (0..70).map(|number| file(&format!("{number:05}.rs"), MAX_FILE_BYTES)).collect();
        let (paths, omissions) = select(&large);
        assert_eq!((paths.len(), omissions.into_document()[0].files), (64, 6));
    }

    #[test]
    fn what_people_did_not_write_is_no_text() {
        assert_eq!(text_of(b"plain\n".to_vec()).as_deref(), Ok("plain\n"));
        assert_eq!(text_of(vec![0xff]), Err("no text"));
        assert_eq!(text_of(b"a\0b".to_vec()), Err("no text"));
        assert_eq!(text_of(vec![b'x'; MAX_LINE_BYTES + 1]), Err("a line is longer than 4 KiB"));
    }
}
