//! The settings of the scanner: a command, or a URL, or none.

use std::time::Duration;

use crate::outward::{Destination, NotADestination};

use super::{ConfigError, wrong};

/// The scanner with all it needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScannerConfig {
    /// What it is.
    pub kind: ScannerKind,
    /// How long one scan may go on.
    pub timeout: Duration,
}

/// What the scanner is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ScannerKind {
    /// A program and its arguments: at least one word.
    Command(Vec<String>),
    /// A service.
    Url(String),
}

impl ScannerConfig {
    pub(super) fn of(
        command: Option<String>,
        url: Option<String>,
        timeout: Option<u64>,
    ) -> Result<Option<Self>, ConfigError> {
        let timeout = timeout.unwrap_or(300);
        if !(1..=21_600).contains(&timeout) {
            return Err(wrong("CLOAKROOM_SCANNER_TIMEOUT", "must be 1 to 21600 seconds"));
        }
        let kind = match (command, url) {
            (None, None) => return Ok(None),
            (Some(_), Some(_)) => {
                let both = "set this or CLOAKROOM_SCANNER_COMMAND, and not both";
                return Err(wrong("CLOAKROOM_SCANNER_URL", both));
            }
            (Some(command), None) => ScannerKind::Command(words(&command)?),
            (None, Some(url)) => ScannerKind::Url(checked(url)?),
        };
        Ok(Some(Self { kind, timeout: Duration::from_secs(timeout) }))
    }
}

/// The words of a command. There is no quoting: whoever needs a space within a
/// word names a script of their own. What looks like quoting is refused, since
/// it would not do what it says.
fn words(command: &str) -> Result<Vec<String>, ConfigError> {
    let fault = |message: &str| wrong("CLOAKROOM_SCANNER_COMMAND", message);
    let words: Vec<String> = command.split_whitespace().map(str::to_owned).collect();
    match words.first() {
        None => Err(fault("name a program, or leave it out")),
        Some(program) if !program.starts_with('/') => {
            Err(fault("name the program with its whole path, such as /usr/bin/clamdscan"))
        }
        Some(_) if command.contains(['"', '\'', '\\', '\0']) => {
            Err(fault("is split at spaces and read by no shell: it knows no quotes; name a script instead"))
        }
        Some(_) => Ok(words),
    }
}

/// The bytes of uploads go there.
fn checked(url: String) -> Result<String, ConfigError> {
    let fault = |fault: NotADestination| wrong("CLOAKROOM_SCANNER_URL", fault.to_string());
    Destination::parse(&url).map(|_| url).map_err(fault)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(command: Option<&str>, url: Option<&str>, timeout: Option<u64>) -> Result<Option<ScannerConfig>, String> {
        let text = |text: Option<&str>| text.map(str::to_owned);
        ScannerConfig::of(text(command), text(url), timeout).map_err(|fault| fault.to_string())
    }

    #[test]
    fn without_settings_nothing_is_scanned() {
        assert_eq!(given(None, None, None), Ok(None));
    }

    #[test]
    fn a_command_is_words_and_nothing_more() {
        let config = given(Some("/usr/bin/clamdscan  --no-summary -"), None, None).unwrap().unwrap();
        let words = ["/usr/bin/clamdscan", "--no-summary", "-"].map(str::to_owned);
        assert_eq!(config.kind, ScannerKind::Command(words.into()));
        assert_eq!(config.timeout, Duration::from_secs(300));
        for wrong in ["", "  ", "clamdscan", "./scan", "/bin/sh -c 'cat'", "/bin/a \"b\"", "/bin/a\\ b"] {
            assert!(given(Some(wrong), None, None).unwrap_err().contains("CLOAKROOM_SCANNER_COMMAND"), "{wrong}");
        }
    }

    #[test]
    fn bytes_leave_the_machine_only_over_tls() {
        for right in [
            "https://scan.example/v1?x=1",
            "https://scan.example",
            "http://127.0.0.1:9/x",
            "http://[::1]:9",
            "http://localhost:9/x",
        ] {
            assert_eq!(given(None, Some(right), None).unwrap().unwrap().kind, ScannerKind::Url(right.into()));
        }
        for wrong in [
            "",
            "scan.example",
            "ftp://a",
            "https://",
            "http://scan.example/",
            "http://127.0.0.1@scan.example/",
            "http://127.0.0.1.example/",
            "http://localhost.example/",
            "https://a b",
            "https://a/#b",
        ] {
            assert!(given(None, Some(wrong), None).unwrap_err().contains("CLOAKROOM_SCANNER_URL"), "{wrong}");
        }
    }

    #[test]
    fn one_scanner_with_a_bounded_patience() {
        assert!(given(Some("/a"), Some("https://a"), None).unwrap_err().contains("not both"));
        for wrong in [0, 86_401] {
            assert!(given(Some("/a"), None, Some(wrong)).unwrap_err().contains("CLOAKROOM_SCANNER_TIMEOUT"));
        }
        assert_eq!(given(Some("/a"), None, Some(7)).unwrap().unwrap().timeout, Duration::from_secs(7));
    }
}
