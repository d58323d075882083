//! The whole store as text, for tests that show what a change does to everything: deterministic for the same writes,
//! clock and ids.

use std::fmt::{Debug, Write as _};

use windlass_domain::admission::Deduped;
use windlass_domain::artifact::Artifact;
use windlass_domain::digest::{Digest, canonical_json};
use windlass_domain::event::Event;
use windlass_domain::id::RunId;
use windlass_domain::item::WorkItem;
use windlass_domain::workspace::Workspace;

use crate::error::ReadError;
use crate::reader::{Reader, View};
use crate::record::Stored;
use crate::rows::{CapsuleHead, Link, RunRow, StreamHead};
use crate::tables::Table;

/// Every table with its records in order, events as their canonical JSON.
///
/// # Errors
/// [`ReadError`] when a record cannot be read.
pub fn snapshot(reader: &Reader) -> Result<String, ReadError> {
    reader.read(|view| {
        let tables = view.tables;
        let mut page = Text { view, text: String::new() };
        page.records(tables.meta, |head: CapsuleHead| json(&head))?;
        page.records(tables.events, |event: Event| json(&event))?;
        page.records(tables.links, |link: Link| json(&link))?;
        page.records(tables.heads, |head: StreamHead| format!("seq {} {}", head.seq.0, head.hash))?;
        page.values(tables.streams, |cursor| format!("event {}", number(cursor)))?;
        page.records(tables.workspaces, |workspace: Workspace| json(&workspace))?;
        page.values(tables.common_dirs, |id| hex::encode(id))?;
        page.records(tables.items, |item: WorkItem| json(&item))?;
        page.records(tables.runs, debug::<RunRow>)?;
        page.values(tables.run_index, run)?;
        page.values(tables.active, run)?;
        page.records(tables.dedupe, debug::<Deduped>)?;
        page.values(tables.continued, run)?;
        page.records(tables.artifacts, |artifact: Artifact| json(&artifact))?;
        page.values(tables.blobs, |bytes| String::from_utf8_lossy(bytes).into_owned())?;
        page.values(tables.approvals, |asking| hex::encode(asking))?;
        Ok(page.text)
    })
}

struct Text<'a> {
    view: &'a View<'a>,
    text: String,
}

impl Text<'_> {
    fn records<T: Stored>(&mut self, table: Table, show: impl Fn(T) -> String) -> Result<(), ReadError> {
        self.heading(table)?;
        for entry in table.from(self.view.txn, &[])? {
            let (key, bytes) = entry?;
            self.entry(key, &show(table.decode(key, bytes)?));
        }
        Ok(())
    }

    fn values(&mut self, table: Table, show: impl Fn(&[u8]) -> String) -> Result<(), ReadError> {
        self.heading(table)?;
        for entry in table.from(self.view.txn, &[])? {
            let (key, bytes) = entry?;
            self.entry(key, &show(bytes));
        }
        Ok(())
    }

    fn heading(&mut self, table: Table) -> Result<(), ReadError> {
        let count = table.len(self.view.txn)?;
        writeln!(self.text, "# {} ({count})", table.name).expect("a string takes any text");
        Ok(())
    }

    fn entry(&mut self, key: &[u8], value: &str) {
        let key = shown(key);
        writeln!(self.text, "{key} = {value}").expect("a string takes any text");
    }
}

/// Texts inside a key as they are, other bytes as hexadecimal in angle brackets; a digest is all hexadecimal.
fn shown(key: &[u8]) -> String {
    /// Shorter runs of printable bytes are taken for chance.
    const SHORTEST_TEXT: usize = 3;
    if key.len() == size_of::<Digest>() {
        return hex::encode(key);
    }
    let (mut text, mut bytes) = (String::new(), String::new());
    for (number, piece) in
        key.chunk_by(|one, next| one.is_ascii_graphic() == next.is_ascii_graphic()).enumerate()
    {
        if piece[0].is_ascii_graphic() && (number == 0 || piece.len() >= SHORTEST_TEXT) {
            if !bytes.is_empty() {
                text += &format!("<{}>", std::mem::take(&mut bytes));
            }
            text.extend(piece.iter().copied().map(char::from));
        } else {
            bytes += &hex::encode(piece);
        }
    }
    if bytes.is_empty() { text } else { format!("{text}<{bytes}>") }
}

fn json(value: &impl serde::Serialize) -> String {
    canonical_json(value).expect("stored values hold only what JSON can express")
}

fn debug<T: Debug>(value: T) -> String {
    format!("{value:?}")
}

fn run(bytes: &[u8]) -> String {
    bytes.try_into().map_or_else(|_| hex::encode(bytes), |id| RunId::from_bytes(id).to_string())
}

fn number(bytes: &[u8]) -> String {
    bytes.try_into().map_or_else(|_| hex::encode(bytes), |bytes| u64::from_be_bytes(bytes).to_string())
}
