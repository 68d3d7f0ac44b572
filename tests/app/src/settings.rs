//! What the environment asks of the process. Every variable is optional.
//!
//! | Variable | Meaning |
//! |---|---|
//! | `PORT` | where it serves; 8080 |
//! | `REVISION` | a text that every answer carries |
//! | `START_DELAY_MS` | how long it takes until it serves |
//! | `DRAIN_MS` | how long it goes on answering after SIGTERM |
//! | `IGNORE_TERM` | not empty: SIGTERM is ignored |
//! | `LOG_LINES` | lines to print at start: `line 1`, `line 2`, … |
//! | `EXIT_CODE` | alone: print, then exit with this code; with `CRASH_AFTER_MS`: the code to crash with |
//! | `CRASH_AFTER_MS` | serve this long, then exit, with 1 unless `EXIT_CODE` says otherwise |
//! | `LISTEN_AT` | a Unix socket: what arrives at it is printed |
//! | `MEMORY_HOG_MIB` | memory to fill at start |

use std::str::FromStr;
use std::time::Duration;

/// See the table above.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Settings {
    pub(crate) port: u16,
    pub(crate) revision: String,
    pub(crate) start_delay: Duration,
    pub(crate) drain: Duration,
    pub(crate) ignore_term: bool,
    pub(crate) log_lines: u64,
    pub(crate) exit_code: Option<i32>,
    pub(crate) crash_after: Option<Duration>,
    pub(crate) listen_at: Option<String>,
    pub(crate) memory_hog_mib: usize,
}

// === impl Settings ===

impl Settings {
    pub(crate) fn from_environment(variable: impl Fn(&str) -> Option<String>) -> Result<Self, String> {
        let number = |name: &str| parsed::<u64>(&variable, name);
        let millis = |name: &str| number(name).map(|value| value.map(Duration::from_millis));
        Ok(Self {
            port: parsed(&variable, "PORT")?.unwrap_or(8080),
            revision: variable("REVISION").unwrap_or_default(),
            start_delay: millis("START_DELAY_MS")?.unwrap_or_default(),
            drain: millis("DRAIN_MS")?.unwrap_or_default(),
            ignore_term: variable("IGNORE_TERM").is_some_and(|value| !value.is_empty()),
            log_lines: number("LOG_LINES")?.unwrap_or(0),
            exit_code: parsed(&variable, "EXIT_CODE")?,
            crash_after: millis("CRASH_AFTER_MS")?,
            listen_at: variable("LISTEN_AT").filter(|path| !path.is_empty()),
            memory_hog_mib: parsed(&variable, "MEMORY_HOG_MIB")?.unwrap_or(0),
        })
    }

    /// The exit code of a process that does not serve at all.
    pub(crate) fn exits_at_once(&self) -> Option<i32> {
        if self.crash_after.is_none() { self.exit_code } else { None }
    }
}

fn parsed<T: FromStr>(variable: impl Fn(&str) -> Option<String>, name: &str) -> Result<Option<T>, String> {
    match variable(name).filter(|value| !value.is_empty()) {
        None => Ok(None),
        Some(value) => match value.parse() {
            Ok(value) => Ok(Some(value)),
            Err(_) => Err(format!("{name} cannot be {value:?}")),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(variables: &[(&str, &str)]) -> Result<Settings, String> {
        let value =
            |name: &str| variables.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
        Settings::from_environment(value)
    }

    #[test]
    fn serves_for_ever_by_default() {
        let settings = settings(&[]).unwrap();
        assert_eq!((settings.port, settings.exits_at_once(), settings.crash_after), (8080, None, None));
    }

    #[test]
    fn an_exit_code_alone_means_a_one_off() {
        assert_eq!(settings(&[("EXIT_CODE", "3")]).unwrap().exits_at_once(), Some(3));
        assert_eq!(settings(&[("EXIT_CODE", "3"), ("CRASH_AFTER_MS", "5")]).unwrap().exits_at_once(), None);
    }

    #[test]
    fn a_mistake_names_the_variable() {
        assert_eq!(settings(&[("PORT", "many")]), Err("PORT cannot be \"many\"".to_owned()));
    }
}
