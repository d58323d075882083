//! Who calls: the user behind a connection, as the bus vouches for it, and the door that the caller names.
//!
//! The name is a record of who did what, not a permission: whoever may use the session bus may call everything.

use std::collections::HashMap;
use std::sync::Mutex;

use windlass_contract::request::Caller;
use windlass_contract::{ErrorCode, Fault};
use windlass_domain::run::request::Door;
use zbus::fdo::DBusProxy;
use zbus::message::Header;
use zbus::names::{BusName, OwnedUniqueName};
use zbus::{Connection, OwnedVariant};

use crate::convert::Received;
use crate::fault;

/// Most connections whose user is remembered. A bus never gives a unique name twice, so an entry stays true; the limit only
/// keeps a service of many weeks small.
const MAX_REMEMBERED: usize = 256;

/// The option by which a caller names its door. It goes with each call because a service that left when idle remembers nothing.
const DOOR_OPTION: &str = "door";

/// Knows the users behind connections.
#[derive(Debug, Default)]
pub(crate) struct Callers {
    names: Mutex<HashMap<OwnedUniqueName, String>>,
}

impl Callers {
    /// Who sent this call; takes the door out of its options.
    ///
    /// # Errors
    /// `bad_request` for a door that no caller can be; `io` when the bus does not know the caller any more.
    pub(crate) async fn identify(
        &self,
        connection: &Connection,
        call: &Header<'_>,
        options: &mut Received,
    ) -> Result<Caller, Fault> {
        let door = door_of(options.remove(DOOR_OPTION))?;
        let Some(sender) = call.sender() else {
            // A peer without a bus in between.
            let credentials = connection.peer_creds().await.map_err(|error| unknown(&error))?;
            let uid = credentials.unix_user_id().ok_or_else(|| unknown(&"the kernel names no user"))?;
            return Ok(Caller { name: user_name(uid).await, door });
        };
        let sender = OwnedUniqueName::from(sender.to_owned());
        if let Some(name) = self.names().get(&sender).cloned() {
            return Ok(Caller { name, door });
        }
        let bus = DBusProxy::new(connection).await.map_err(|error| fault::from_bus(&error))?;
        let uid = bus
            .get_connection_unix_user(BusName::Unique(sender.as_ref()))
            .await
            .map_err(|error| unknown(&error))?;
        let name = user_name(uid).await;
        let mut names = self.names();
        if names.len() >= MAX_REMEMBERED {
            names.clear();
        }
        names.insert(sender, name.clone());
        Ok(Caller { name, door })
    }

    fn names(&self) -> std::sync::MutexGuard<'_, HashMap<OwnedUniqueName, String>> {
        self.names.lock().expect("nothing panics while it holds this lock")
    }
}

fn unknown(error: &impl std::fmt::Display) -> Fault {
    Fault::new(ErrorCode::Io, format!("the caller's user cannot be told: {error}"))
}

fn door_of(option: Option<OwnedVariant>) -> Result<Door, Fault> {
    let Some(option) = option else { return Ok(Door::Dbus) };
    let refuse = |given: &str| {
        Fault::new(
            ErrorCode::BadRequest,
            format!("option `{DOOR_OPTION}` is {given}; it is `dbus`, `cli` or `tui`"),
        )
    };
    let word = String::try_from(option).map_err(|_| refuse("not a string"))?;
    match word.as_str() {
        "dbus" => Ok(Door::Dbus),
        "cli" => Ok(Door::Cli),
        "tui" => Ok(Door::Tui),
        _ => Err(refuse(&format!("`{}`", word.escape_debug()))),
    }
}

/// The user's name: from `/etc/passwd`; for this process's own user, who may stand in a directory service instead, from the
/// environment that the user manager sets; else the number.
async fn user_name(uid: u32) -> String {
    let passwd = tokio::fs::read_to_string("/etc/passwd").await.unwrap_or_default();
    if let Some(name) = name_in(&passwd, uid) {
        return name;
    }
    let own = (rustix::process::getuid().as_raw() == uid).then(|| std::env::var("USER").ok()).flatten();
    own.filter(|name| !name.is_empty()).unwrap_or_else(|| format!("uid {uid}"))
}

fn name_in(passwd: &str, uid: u32) -> Option<String> {
    passwd.lines().find_map(|line| {
        let mut columns = line.split(':');
        let name = columns.next().filter(|name| !name.is_empty())?;
        let found: u32 = columns.nth(1)?.parse().ok()?;
        (found == uid).then(|| name.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWD: &str =
        "root:x:0:0:root:/root:/bin/bash\n+::::::\nada:x:1000:1000:Ada:/home/ada:/bin/sh\nbroken\n";

    #[test]
    fn a_user_is_found_by_number() {
        assert_eq!(name_in(PASSWD, 0).as_deref(), Some("root"));
        assert_eq!(name_in(PASSWD, 1000).as_deref(), Some("ada"));
        assert_eq!(name_in(PASSWD, 100), None);
    }

    #[test]
    fn a_caller_is_no_part_of_the_runtime() {
        let door = |word: &str| door_of(Some(OwnedVariant::from(zbus::Str::from(word))));
        assert_eq!(door_of(None).unwrap(), Door::Dbus);
        assert_eq!(door("cli").unwrap(), Door::Cli);
        assert_eq!(door("runtime").unwrap_err().code(), ErrorCode::BadRequest);
        assert_eq!(door_of(Some(OwnedVariant::from(1_u32))).unwrap_err().code(), ErrorCode::BadRequest);
    }
}
