//! Errors on the bus: each error code has a D-Bus error name of its own, and the reply's body carries the rest.
//!
//! Body: `s` the message, `as` its hints, `aa{sv}` the further errors, each with `code`, `message` and `hints`. A caller that reads
//! only the first string, as most do, gets the message.

use windlass_contract::{ErrorBody, ErrorCode, Fault};
use zbus::message::{Header, Message};
use zbus::names::ErrorName;
use zbus::{DBusError, fdo};

use crate::convert::{NotOnBus, Received, Sent, read, to_fields};
use crate::names::{error_code, error_name};

/// A [`Fault`] as an error reply.
#[derive(Debug)]
pub(crate) struct Refused {
    fault: Fault,
    name: String,
}

impl From<Fault> for Refused {
    fn from(fault: Fault) -> Self {
        Self { name: error_name(fault.code()), fault }
    }
}

impl From<NotOnBus> for Refused {
    fn from(error: NotOnBus) -> Self {
        Fault::new(ErrorCode::Io, format!("the answer cannot be carried by D-Bus: {error}")).into()
    }
}

impl DBusError for Refused {
    fn create_reply(&self, call: &Header<'_>) -> zbus::Result<Message> {
        let mut errors = self.fault.clone().errors().into_iter();
        let first = errors.next().unwrap_or_else(|| self.fault.first().clone());
        let more = errors.map(|error| to_fields(&carried(error)));
        let more: Vec<Sent> =
            more.collect::<Result<_, _>>().map_err(|error| zbus::Error::Failure(error.to_string()))?;
        let first = carried(first);
        Message::error(call, self.name()).build(&(first.message, first.hints, more))
    }

    fn name(&self) -> ErrorName<'_> {
        ErrorName::try_from(self.name.as_str())
            .expect("every code's name is a valid error name, which a test checks")
    }

    fn description(&self) -> Option<&str> {
        Some(&self.fault.first().message)
    }
}

/// The error with texts that D-Bus strings can hold.
fn carried(error: ErrorBody) -> ErrorBody {
    ErrorBody {
        code: error.code,
        message: carried_text(&error.message),
        hints: error.hints.iter().map(|hint| carried_text(hint)).collect(),
    }
}

/// A text for people as a D-Bus string, which holds no NUL.
pub(crate) fn carried_text(text: &str) -> String {
    text.replace('\0', "\u{fffd}")
}

/// The fault that a failed call means.
pub(crate) fn from_bus(error: &zbus::Error) -> Fault {
    match error {
        zbus::Error::MethodError(name, message, reply) => match error_code(name) {
            Some(code) => from_reply(code, reply),
            None => from_foreign(name, message.as_deref().unwrap_or("no details")),
        },
        zbus::Error::FDO(error) => from_standard(error),
        zbus::Error::InputOutput(_) => answer_lost("the connection to the session bus broke"),
        other => Fault::new(ErrorCode::Io, format!("the call over the session bus failed: {other}")),
    }
}

/// There is no connection to the bus.
pub(crate) fn not_connected(error: &zbus::Error) -> Fault {
    unavailable(format!("the session bus cannot be reached: {error}"))
        .hint("echo $DBUS_SESSION_BUS_ADDRESS; ls $XDG_RUNTIME_DIR/bus")
}

/// The service cannot be reached.
pub(crate) fn unavailable(message: String) -> Fault {
    Fault::new(ErrorCode::BusUnavailable, message)
        .hint("windlass service run")
        .hint("add --ephemeral to drive a run without the service")
}

/// The call was sent and its answer never came.
pub(crate) fn answer_lost(message: &str) -> Fault {
    let text =
        format!("the service went away before it answered ({message}); what was asked may have been done");
    Fault::new(ErrorCode::BusUnavailable, text)
        .hint("windlass bot runs")
        .hint("ask again with the same dedupe key, which gives the same run")
}

fn from_reply(code: ErrorCode, reply: &Message) -> Fault {
    let body = reply.body();
    let Ok((message, hints, more)) = body.deserialize::<(String, Vec<String>, Vec<Received>)>() else {
        let message = body.deserialize::<(String,)>().map_or_else(|_| error_name(code), |(message,)| message);
        return Fault::new(code, message);
    };
    let first = ErrorBody { code, message, hints };
    // A further error of a code that a newer service has is left out; the first decides.
    let more = more.into_iter().filter_map(|fields| read::<ErrorBody>(fields).ok());
    Fault::of(std::iter::once(first.clone()).chain(more).collect())
        .unwrap_or_else(|| Fault::new(first.code, first.message))
}

/// Errors that neither the bus's standard nor we name: mostly systemd's, when it cannot start the unit.
fn from_foreign(name: &str, message: &str) -> Fault {
    if name.starts_with("org.freedesktop.systemd1.") {
        return unavailable(format!("the service could not be started: {message} ({name})"))
            .hint("journalctl --user -u windlass.service");
    }
    Fault::new(
        ErrorCode::Io,
        format!("the service, which may be newer than this program, answered with an unknown error: {name}: {message}"),
    )
    .hint("windlass service status")
}

fn from_standard(error: &fdo::Error) -> Fault {
    use fdo::Error as E;
    match error {
        E::ServiceUnknown(message) | E::NameHasNoOwner(message) => {
            unavailable(format!("no Windlass service is on the session bus: {message}"))
        }
        E::SpawnExecFailed(message)
        | E::SpawnForkFailed(message)
        | E::SpawnChildExited(message)
        | E::SpawnChildSignaled(message)
        | E::SpawnFailed(message)
        | E::SpawnFailedToSetup(message)
        | E::SpawnConfigInvalid(message)
        | E::SpawnServiceNotValid(message)
        | E::SpawnServiceNotFound(message)
        | E::SpawnPermissionsInvalid(message)
        | E::SpawnFileInvalid(message)
        | E::SpawnNoMemory(message)
        | E::TimedOut(message) => unavailable(format!("the service could not be started: {message}"))
            .hint("journalctl --user -u windlass.service"),
        E::NoReply(message) | E::Disconnected(message) => answer_lost(message),
        E::NoServer(message) | E::AuthFailed(message) => {
            unavailable(format!("the session bus cannot be reached: {message}"))
        }
        E::LimitsExceeded(message) => {
            Fault::new(ErrorCode::Overloaded, format!("the session bus is at a limit: {message}"))
                .hint("ask again in a moment; nothing of this call was done")
        }
        E::UnknownMethod(message)
        | E::UnknownInterface(message)
        | E::UnknownObject(message)
        | E::InvalidArgs(message) => {
            let text = format!(
                "the service, which may be of another version, does not understand the call: {message}"
            );
            Fault::new(ErrorCode::Io, text).hint("windlass service status")
        }
        E::ZBus(error) => from_bus(error),
        other => Fault::new(ErrorCode::Io, format!("the call over the session bus failed: {other}")),
    }
}

/// The reply is not what this version expects.
pub(crate) fn unreadable(error: &impl std::fmt::Display) -> Fault {
    Fault::new(
        ErrorCode::Io,
        format!("the answer of the service, which may be newer, cannot be read: {error}"),
    )
    .hint("windlass service status")
}

#[cfg(test)]
mod tests;
