//! The settings of mail: a server, or a folder, or none.

use std::path::PathBuf;

use percent_encoding::percent_decode_str;
use url::Url;

use crate::{
    crypto::secret::SecretText,
    mail::{Sender, SmtpServer},
    outward,
};

use super::{ConfigError, wrong};

/// How mail is sent.
#[derive(Clone, Debug)]
pub struct MailConfig {
    /// By what.
    pub kind: MailKind,
    /// From whom.
    pub sender: Sender,
}

/// By what mail is sent.
#[derive(Clone, Debug)]
pub enum MailKind {
    /// A server.
    Smtp(SmtpServer),
    /// Files in a folder.
    Folder(PathBuf),
}

const MAIL: &str = "CLOAKROOM_MAIL";
const PASSWORD: &str = "CLOAKROOM_MAIL_PASSWORD_FILE";

impl MailConfig {
    pub(super) fn of(
        mail: Option<MailUrl>,
        from: Option<String>,
        password: Option<PathBuf>,
    ) -> Result<Option<Self>, ConfigError> {
        let Some(MailUrl(mail)) = mail else {
            return match (from, password) {
                (None, None) => Ok(None),
                _ => Err(wrong(MAIL, "set it to a server or a folder, or leave out the other settings of mail")),
            };
        };
        let kind = match mail.expose().strip_prefix("folder:") {
            Some(folder) if folder.starts_with('/') && password.is_none() => MailKind::Folder(folder.into()),
            Some(_) if password.is_some() => return Err(wrong(PASSWORD, "is for a server; a folder needs none")),
            Some(_) => return Err(wrong(MAIL, "name the folder with its whole path, as folder:/var/mail/cloakroom")),
            None => MailKind::Smtp(server(&mail, password)?),
        };
        let from = from.or_else(|| matches!(kind, MailKind::Folder(_)).then(|| "cloakroom@localhost".into()));
        let from = from.ok_or_else(|| wrong("CLOAKROOM_MAIL_FROM", "name the address that mails come from"))?;
        let sender = from.parse().map_err(|fault| wrong("CLOAKROOM_MAIL_FROM", format!("{fault}")))?;
        Ok(Some(Self { kind, sender }))
    }
}

/// The URL as it was given: it may hold a password.
#[derive(Clone, Debug)]
pub struct MailUrl(SecretText);

impl From<String> for MailUrl {
    fn from(text: String) -> Self {
        Self(SecretText::new(text))
    }
}

impl<'de> serde::Deserialize<'de> for MailUrl {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        SecretText::deserialize(deserializer).map(Self)
    }
}

fn server(mail: &SecretText, password_file: Option<PathBuf>) -> Result<SmtpServer, ConfigError> {
    let form = || wrong(MAIL, "is written as smtps://user:password@host:465, smtp://host:587 or folder:/path");
    let url = Url::parse(mail.expose()).map_err(|_| form())?;
    let implicit_tls = match url.scheme() {
        "smtps" => true,
        "smtp" => false,
        _ => return Err(form()),
    };
    let host = url.host_str().filter(|host| !host.is_empty()).ok_or_else(form)?;
    // An address of IPv6 stands in brackets in a URL, and nowhere else.
    let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
    if !matches!(url.path(), "" | "/") || url.query().is_some() || url.fragment().is_some() {
        return Err(form());
    }
    let decoded = |text: &str| percent_decode_str(text).decode_utf8().map(|text| text.into_owned());
    let user = decoded(url.username()).map_err(|_| form())?;
    let password = match (url.password(), password_file) {
        (Some(_), Some(_)) => return Err(wrong(PASSWORD, "the URL has a password already: leave one of them out")),
        (Some(password), None) => Some(SecretText::new(decoded(password).map_err(|_| form())?)),
        (None, Some(file)) => Some(read(&file)?),
        (None, None) => None,
    };
    let credentials = match (user.is_empty(), password) {
        (true, None) => None,
        (false, Some(password)) => Some((user, password)),
        _ => return Err(wrong(MAIL, "needs a user and a password, or neither of them")),
    };
    let on_this_machine = outward::is_loopback(&host);
    let port = url.port().unwrap_or(if implicit_tls { 465 } else { 587 });
    Ok(SmtpServer { host, port, implicit_tls, on_this_machine, credentials })
}

fn read(file: &PathBuf) -> Result<SecretText, ConfigError> {
    use std::os::unix::fs::PermissionsExt;
    let unreadable = |fault: std::io::Error| wrong(PASSWORD, format!("{}: {fault}", file.display()));
    let mode = std::fs::metadata(file).map_err(unreadable)?.permissions().mode();
    if mode & 0o007 != 0 {
        return Err(wrong(PASSWORD, format!("everybody may read {}: chmod o= {0}", file.display())));
    }
    let text = SecretText::new(std::fs::read_to_string(file).map_err(unreadable)?);
    Ok(SecretText::new(text.expose().trim_end_matches(['\r', '\n'])))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn of(mail: &str, from: Option<&str>) -> Result<Option<MailConfig>, String> {
        let mail = Some(mail.to_owned().into());
        MailConfig::of(mail, from.map(str::to_owned), None).map_err(|fault| fault.to_string())
    }

    fn smtp(mail: &str) -> SmtpServer {
        match of(mail, Some("noreply@example.org")).unwrap().unwrap().kind {
            MailKind::Smtp(server) => server,
            MailKind::Folder(folder) => panic!("{folder:?}"),
        }
    }

    #[test]
    fn a_server_is_reached_over_tls_unless_it_is_here() {
        let server = smtp("smtps://me:p%40ss@mail.example:4650");
        assert_eq!((server.host.as_str(), server.port, server.implicit_tls), ("mail.example", 4650, true));
        let (user, password) = server.credentials.unwrap();
        assert_eq!((user.as_str(), password.expose()), ("me", "p@ss"));
        assert_eq!(smtp("smtps://mail.example").port, 465);
        let server = smtp("smtp://mail.example");
        assert_eq!((server.port, server.implicit_tls, server.on_this_machine), (587, false, false));
        for here in ["smtp://127.0.0.1:25", "smtp://localhost:25", "smtp://[::1]:25"] {
            assert!(smtp(here).on_this_machine, "{here}");
        }
        assert_eq!(smtp("smtp://[::1]:25").host, "::1");
        assert!(!smtp("smtp://127.0.0.1.example").on_this_machine);
    }

    #[test]
    fn a_password_is_never_printed() {
        let config = of("smtps://me:hunter2@mail.example", Some("a@b.example")).unwrap().unwrap();
        assert!(!format!("{config:?}").contains("hunter2"));
        for wrong in ["smtps://me:hunter2@", "smtps://me:hunter2@mail.example/x", "imap://me:hunter2@mail.example"] {
            let fault = of(wrong, Some("a@b.example")).unwrap_err();
            assert!(fault.contains("CLOAKROOM_MAIL") && !fault.contains("hunter2"), "{fault}");
        }
        assert!(!format!("{:?}", MailUrl::from("smtps://me:hunter2@x".to_owned())).contains("hunter2"));
    }

    #[test]
    fn a_password_comes_from_a_file_that_not_everybody_reads() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("password");
        std::fs::write(&file, "hunter2\n").unwrap();
        let given = |mail: &str| {
            MailConfig::of(Some(mail.to_owned().into()), Some("a@b.example".into()), Some(file.clone()))
                .map_err(|fault| fault.to_string())
        };
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
        assert!(given("smtps://me@mail.example").unwrap_err().contains("everybody may read"));
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o640)).unwrap();
        let Some(MailConfig { kind: MailKind::Smtp(server), .. }) = given("smtps://me@mail.example").unwrap() else {
            panic!()
        };
        assert_eq!(server.credentials.unwrap().1.expose(), "hunter2");
        assert!(given("smtps://me:x@mail.example").unwrap_err().contains("leave one of them out"));
        assert!(given("folder:/tmp/x").unwrap_err().contains("a folder needs none"));
    }

    #[test]
    fn what_is_missing_is_named() {
        assert!(MailConfig::of(None, None, None).unwrap().is_none());
        assert!(MailConfig::of(None, Some("a@b".into()), None).unwrap_err().to_string().contains("CLOAKROOM_MAIL:"));
        assert!(of("smtps://mail.example", None).unwrap_err().contains("CLOAKROOM_MAIL_FROM"));
        assert!(of("smtps://mail.example", Some("x")).unwrap_err().contains("CLOAKROOM_MAIL_FROM"));
        assert!(of("smtps://me@mail.example", Some("a@b.example")).unwrap_err().contains("neither"));
        assert!(of("folder:mail", None).unwrap_err().contains("whole path"));
        assert!(matches!(of("folder:/tmp/mail", None).unwrap().unwrap().kind, MailKind::Folder(_)));
    }
}
