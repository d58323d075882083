//! One page of the web, read once, as text.
//!
//! It asks for what it is given and follows nothing: a redirect is an answer, and whoever asked decides whether it may be
//! followed. It is no judge and no store. **Invariants:**
//!
//! - nothing is read without a [`Permit`](windlass_policy::Permit) for exactly the page's host;
//! - nothing is sent but the address: no cookie, no credential, no referrer, and no proxy of the environment is asked;
//! - an address of this machine or of a private network is not connected to unless the caller says that exactly this page
//!   was named; the numbers that are looked at are the ones that are connected to;
//! - a page costs a bounded amount of memory and time.

mod network;
mod page;
mod text;

pub use page::{MAX_PAGE_BYTES, Page, PageAnswer, PageError, PageRequest, get};
pub use text::MAX_TEXT_BYTES;
