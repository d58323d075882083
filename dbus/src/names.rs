//! The names of the interface. A number at a name's end rises when the interface changes its meaning.

use windlass_contract::ErrorCode;
use windlass_domain::id::RunId;

/// The bus name of the service.
pub const BUS_NAME: &str = "dev.windlass.Windlass1";

/// The object that can do everything.
pub const MANAGER_PATH: &str = "/dev/windlass/Windlass1";

/// The interface of [`MANAGER_PATH`].
pub const MANAGER_INTERFACE: &str = "dev.windlass.Manager1";

/// The interface of a run's object.
pub const RUN_INTERFACE: &str = "dev.windlass.Run1";

/// What the name of each error starts with.
pub const ERROR_PREFIX: &str = "dev.windlass.Error.";

/// The path of a run's object.
#[must_use]
pub fn run_path(run_id: RunId) -> String {
    let digits = run_id.to_string().replace('-', "");
    format!("{MANAGER_PATH}/runs/{digits}")
}

/// The D-Bus name of an error code: `dev.windlass.Error.BadRequest` for `bad_request`.
#[must_use]
pub fn error_name(code: ErrorCode) -> String {
    let mut name = ERROR_PREFIX.to_owned();
    for word in code.word().split('_') {
        let (first, rest) = word.split_at(1);
        name.push_str(&first.to_ascii_uppercase());
        name.push_str(rest);
    }
    name
}

/// The error code of a D-Bus error name, when it is one of ours.
pub(crate) fn error_code(name: &str) -> Option<ErrorCode> {
    ErrorCode::ALL.into_iter().find(|code| error_name(*code) == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_manual_names_every_error() {
        let manual =
            std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/dbus.md")).unwrap();
        for code in ErrorCode::ALL {
            let name = error_name(code);
            let short = name.strip_prefix(ERROR_PREFIX).unwrap();
            let row = format!("| `{short}` | `{}` | {} |\n", code.word(), code.exit() as u8);
            assert!(manual.contains(&row), "docs/dbus.md has no row {row}");
        }
    }

    #[test]
    fn every_error_code_has_a_name_of_its_own_that_leads_back() {
        for code in ErrorCode::ALL {
            assert_eq!(error_code(&error_name(code)), Some(code));
        }
        assert_eq!(error_name(ErrorCode::MaieuticIncomplete), "dev.windlass.Error.MaieuticIncomplete");
        assert_eq!(error_code("org.freedesktop.DBus.Error.Failed"), None);
    }
}
