//! Who is at the keyboard, for the audit log. Nobody proves it: it is what the machine says.

use crate::operations::audit::Act;
use std::env;

/// The environment name that says who is at work, where the user's name does not.
const OPERATOR: &str = "SAGA_TRACKER_OPERATOR";

/// The name under which commands of this process go into audit logs.
pub fn name() -> String {
    let named = [OPERATOR, "SUDO_USER", "USER", "LOGNAME"]
        .into_iter()
        .filter_map(|name| env::var(name).ok())
        .map(|name| name.trim().to_owned())
        .find(|name| !name.is_empty());
    named.unwrap_or_else(|| "unknown user".to_owned())
}

/// What a command of this process does to a store that it has opened itself.
pub(super) fn act(action: &str, target: &str, why: &str) -> Act {
    let machine = std::fs::read_to_string("/proc/sys/kernel/hostname")
        .ok()
        .map(|name| name.trim().to_owned())
        .filter(|name| !name.is_empty());
    Act {
        who: name(),
        origin: format!("command line on {}", machine.as_deref().unwrap_or("this machine")),
        action: action.to_owned(),
        target: target.to_owned(),
        why: why.to_owned(),
    }
}
