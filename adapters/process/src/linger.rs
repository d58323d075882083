//! Whether this user's services outlive a logout and start at boot, without asking anybody.
//!
//! systemd-logind keeps one empty file for each lingering user, named after the user (`loginctl(1)`, `enable-linger`).

use std::fs;
use std::path::Path;
use std::sync::OnceLock;

/// There while systemd is the system's init (`sd_booted(3)`).
const BOOTED: &str = "/run/systemd/system";

/// One file for each lingering user.
const LINGERING: &str = "/var/lib/systemd/linger";

/// Whether this user lingers; none where systemd does not run this machine or the user has no name.
#[must_use]
pub fn lingering() -> Option<bool> {
    if !Path::new(BOOTED).is_dir() {
        return None;
    }
    Some(Path::new(LINGERING).join(user_name()?).exists())
}

/// The name of the user of this process.
#[must_use]
pub fn user_name() -> Option<&'static str> {
    static NAME: OnceLock<Option<String>> = OnceLock::new();
    let find = || {
        let uid = rustix::process::getuid().as_raw();
        let users = fs::read_to_string("/etc/passwd").unwrap_or_default();
        // Users of a directory service are not in that file; a login puts their names here.
        let of_login = || ["USER", "LOGNAME"].into_iter().find_map(|name| std::env::var(name).ok());
        name_of(uid, &users).or_else(of_login)
    };
    NAME.get_or_init(find).as_deref()
}

/// The name of a user in a text like `/etc/passwd` (`passwd(5)`).
fn name_of(uid: u32, users: &str) -> Option<String> {
    let wanted = uid.to_string();
    users.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)? == wanted && !name.is_empty()).then(|| name.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::name_of;

    #[test]
    fn a_user_is_found_by_the_whole_number() {
        let users = "root:x:0:0:root:/root:/bin/bash\nkim:x:1000:1000:Kim:/home/kim:/bin/sh\nodd:x\n";
        assert_eq!(name_of(1000, users).as_deref(), Some("kim"));
        assert_eq!(name_of(0, users).as_deref(), Some("root"));
        assert_eq!(name_of(100, users), None);
    }
}
