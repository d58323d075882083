//! A fault on one side is the same fault on the other.

use proptest::prelude::*;

use super::*;
use crate::samples;

/// What a caller makes of a reply to its call.
fn heard(refused: &Refused) -> Fault {
    let call = Message::method_call("/", "Test").sender(":1.1").build(&()).unwrap();
    let reply = refused.create_reply(&call.header()).unwrap();
    let header = reply.header();
    let name = header.error_name().unwrap().to_owned().into();
    from_bus(&zbus::Error::MethodError(name, None, reply.clone()))
}

proptest! {
    #[test]
    fn a_fault_survives_with_its_hints_and_further_errors(fault in samples::fault()) {
        prop_assert_eq!(heard(&fault.clone().into()), fault);
    }
}

#[test]
fn the_body_starts_with_the_message_for_callers_that_read_no_further() {
    let refused =
        Refused::from(Fault::new(ErrorCode::UnknownRun, "there is no run 7").hint("windlass bot runs"));
    let call = Message::method_call("/", "Test").build(&()).unwrap();
    let reply = refused.create_reply(&call.header()).unwrap();
    assert_eq!(reply.header().error_name().unwrap().as_str(), "dev.windlass.Error.UnknownRun");
    assert_eq!(reply.body().signature().to_string(), "(sasaa{sv})");
}

#[test]
fn a_nul_in_a_message_does_not_break_the_reply() {
    let refused = Refused::from(Fault::new(ErrorCode::Io, "a\0b").hint("c\0d"));
    assert_eq!(heard(&refused), Fault::new(ErrorCode::Io, "a\u{fffd}b").hint("c\u{fffd}d"));
}

#[test]
fn a_reply_of_a_plain_message_is_understood() {
    let call = Message::method_call("/", "Test").build(&()).unwrap();
    let reply = Message::error(&call.header(), "dev.windlass.Error.DiskFull").build(&("no space",)).unwrap();
    let name = "dev.windlass.Error.DiskFull".try_into().unwrap();
    let fault = from_bus(&zbus::Error::MethodError(name, None, reply));
    assert_eq!(fault, Fault::new(ErrorCode::DiskFull, "no space"));
}

#[test]
fn errors_of_the_bus_say_whether_something_may_have_been_done() {
    let code_and_text = |error: fdo::Error| {
        let fault = from_bus(&zbus::Error::FDO(Box::new(error)));
        (fault.code(), format!("{fault}; {}", fault.first().hints.join("; ")))
    };
    let (code, text) = code_and_text(fdo::Error::ServiceUnknown(String::new()));
    assert_eq!(code, ErrorCode::BusUnavailable);
    assert!(text.contains("windlass service run") && text.contains("--ephemeral"), "{text}");
    let (code, text) = code_and_text(fdo::Error::SpawnChildExited(String::new()));
    assert_eq!(code, ErrorCode::BusUnavailable);
    assert!(text.contains("journalctl"), "{text}");
    let (code, text) = code_and_text(fdo::Error::NoReply(String::new()));
    assert_eq!(code, ErrorCode::BusUnavailable);
    assert!(text.contains("may have been done") && !text.contains("--ephemeral"), "{text}");
    assert_eq!(code_and_text(fdo::Error::LimitsExceeded(String::new())).0, ErrorCode::Overloaded);
    assert_eq!(code_and_text(fdo::Error::UnknownMethod(String::new())).0, ErrorCode::Io);
}

#[test]
fn systemds_refusal_to_start_the_unit_is_an_unreachable_service() {
    let call = Message::method_call("/", "Test").build(&()).unwrap();
    let reply = Message::error(&call.header(), "org.freedesktop.systemd1.NoSuchUnit").build(&()).unwrap();
    let name = "org.freedesktop.systemd1.NoSuchUnit".try_into().unwrap();
    let fault = from_bus(&zbus::Error::MethodError(name, Some("no unit".to_owned()), reply));
    assert_eq!(fault.code(), ErrorCode::BusUnavailable);
}
