//! What around this process keeps runs from going on, as a person is told of it.

use windlass_process::Launcher;

use crate::shared::Shared;

/// Why runs do not go on; none while they do.
pub(super) fn paused(shared: &Shared) -> Option<String> {
    let text = "runs are paused: the service ended three times within a minute before it was ready; \
                `windlass service start` lets them go on";
    let waits = shared.store.refusal().map(|refusal| refusal.first().message.clone());
    let full = || shared.store.waits_for_room().map(|waits| waits.to_string());
    waits.or_else(full).or_else(|| shared.paused().then(|| text.to_owned()))
}

/// What somebody who submits a run should know.
pub(super) fn warnings(shared: &Shared) -> Vec<String> {
    // Without a user manager nobody ends the service at a logout.
    let managed = matches!(shared.launcher, Launcher::TransientUnit { .. });
    let ends_with_login = managed && windlass_process::lingering() == Some(false);
    let text = "lingering is off: the run stops when you log out and goes on when you log in; \
                `loginctl enable-linger` lets it go on meanwhile";
    paused(shared).into_iter().chain(ends_with_login.then(|| text.to_owned())).collect()
}
