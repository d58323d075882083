//! The whole store as text, for tests that show what a change does to everything: deterministic for the same writes,
//! clock and ids.

use std::fmt::{Debug, Write as _};

use windlass_domain::admission::Deduped;
use windlass_domain::artifact::Artifact;
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

/// Printable bytes as they are, others as hexadecimal in angle brackets.
fn shown(key: &[u8]) -> String {
    let mut text = String::new();
    for piece in key.chunk_by(|one, next| one.is_ascii_graphic() == next.is_ascii_graphic()) {
        match std::str::from_utf8(piece) {
            Ok(piece) if piece.bytes().all(|byte| byte.is_ascii_graphic()) => text.push_str(piece),
            _ => {
                text.push('<');
                text.push_str(&hex::encode(piece));
                text.push('>');
            }
        }
    }
    text
}

fn json(value: &impl serde::Serialize) -> String {
    windlass_domain::digest::canonical_json(value).expect("stored values hold only what JSON can express")
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
