//! Which bus to use, and what it says about its names.

use zbus::MatchRule;
use zbus::connection::Builder;
use zbus::message::Type;

/// Which bus to use.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Bus {
    /// The session bus, found as every program finds it: `DBUS_SESSION_BUS_ADDRESS`, else `$XDG_RUNTIME_DIR/bus`.
    #[default]
    Session,
    /// The bus at this D-Bus address.
    Address(String),
}

impl Bus {
    /// A connection to be, without a name.
    pub(crate) fn builder(&self) -> Builder<'static> {
        match self {
            Self::Session => Builder::session(),
            Self::Address(address) => Builder::address(address.as_str()),
        }
    }
}

/// What the bus says when `name` gets another owner, or none.
///
/// # Errors
/// `name` is no bus name.
pub(crate) fn owner_changes(name: &str) -> zbus::Result<MatchRule<'_>> {
    MatchRule::builder()
        .msg_type(Type::Signal)
        .sender("org.freedesktop.DBus")
        .path("/org/freedesktop/DBus")
        .interface("org.freedesktop.DBus")
        .member("NameOwnerChanged")
        .arg(0, name)
        .build()
}
