//! Views as text for people. What comes from data is escaped here, before any colour is added.

pub(crate) mod approval;
pub(crate) mod event;
pub(crate) mod item;
pub(crate) mod patch;
pub(crate) mod policy;
pub(crate) mod run;
pub(crate) mod service;
pub(crate) mod style;
pub(crate) mod table;
pub(crate) mod text;
pub(crate) mod time;
