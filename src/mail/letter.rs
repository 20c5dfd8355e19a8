//! What a mail says. No link, and no word of whoever minted: whoever has learnt that our mails have none is not led
//! anywhere by one that looks so, and nobody sends words of their own to strangers through us.

use std::str::FromStr;

use lettre::{
    Message as Rendered,
    message::{
        Mailbox,
        header::{ContentType, HeaderName, HeaderValue},
    },
};

use crate::{domain::instant::Instant, entropy::Entropy};

use super::{CodeMail, NotSent};

/// Whom a mail is from: an address, with a name where it has one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sender(Mailbox);

/// A text that is no sender; the wording is shown to operators.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("is written as noreply@example.org, or as Example <noreply@example.org>")]
pub struct NotASender;

impl FromStr for Sender {
    type Err = NotASender;

    fn from_str(text: &str) -> Result<Self, NotASender> {
        text.parse().map(Self).map_err(|_| NotASender)
    }
}

/// A mail as it is handed over.
pub struct Letter {
    pub(super) rendered: Rendered,
    at: Instant,
    id: String,
}

impl Letter {
    /// The mail, written by this sender at that time.
    ///
    /// # Errors
    /// When its address cannot be written into a header.
    pub fn write(mail: &CodeMail, sender: &Sender, now: Instant, entropy: &dyn Entropy) -> Result<Self, NotSent> {
        let never = |what: &str| NotSent::Never(format!("{what} cannot be written"));
        let to = mail.to.as_str().parse().map_err(|_| never("the address"))?;
        let id = base16ct::lower::encode_string(&entropy.bytes::<16>());
        let builder = Rendered::builder()
            .from(sender.0.clone())
            .to(Mailbox::new(None, to))
            .subject(SUBJECT)
            .date(std::time::UNIX_EPOCH + std::time::Duration::from_secs(now.as_unix_seconds()))
            .message_id(Some(format!("<{id}@{}>", sender.0.email.domain())))
            // RFC 3834: whoever is away does not tell us so.
            .raw_header(HeaderValue::new(HeaderName::new_from_ascii_str("Auto-Submitted"), "auto-generated".into()))
            .header(ContentType::TEXT_PLAIN);
        let rendered = builder.body(text(mail)).map_err(|_| never("the mail"))?;
        Ok(Self { rendered, at: now, id })
    }

    /// A name that no other has; those written later come later, to the second.
    pub(super) fn name(&self) -> String {
        format!("{}-{}", self.at.as_unix_seconds(), self.id)
    }

    /// As it goes over the wire (RFC 5322).
    pub fn formatted(&self) -> Vec<u8> {
        self.rendered.formatted()
    }
}

/// The same for everybody: names that others chose stay in the body.
const SUBJECT: &str = "Your code / Ihr Code";

/// In both languages of the pages: which one a reader wants, a mail cannot ask.
fn text(CodeMail { from, code, .. }: &CodeMail) -> String {
    let code = code.expose();
    let (first, second) = code.split_at_checked(code.len() / 2).unwrap_or((code, ""));
    format!(
        "Your code is {first} {second}\n\n\
         It opens what {from} has sent you. Type it into the page where you asked for it, within 10 minutes. It works \
         once.\n\n\
         If you did not ask for this, do nothing: somebody has typed in your address. Give the code to nobody; we \
         never ask for it on the telephone or by mail.\n\n\
         --------\n\n\
         Ihr Code ist {first} {second}\n\n\
         Er öffnet, was {from} Ihnen geschickt hat. Geben Sie ihn innerhalb von 10 Minuten auf der Seite ein, auf der \
         Sie ihn angefordert haben. Er gilt einmal.\n\n\
         Wenn Sie ihn nicht angefordert haben, tun Sie nichts: Jemand hat Ihre Adresse eingegeben. Geben Sie den Code \
         niemandem; wir fragen nie am Telefon oder per Mail danach.\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{crypto::secret::SecretText, domain::recipient::Address, entropy::SystemEntropy};

    fn written(from: &str) -> String {
        let mail = CodeMail {
            to: Address::try_from("ada@example.org".to_owned()).unwrap(),
            from: from.into(),
            code: SecretText::new("12345678"),
        };
        let sender = "Cloakroom <noreply@share.example>".parse().unwrap();
        let letter = Letter::write(&mail, &sender, Instant::from_unix_seconds(1_800_000_000), &SystemEntropy).unwrap();
        String::from_utf8(letter.formatted()).unwrap()
    }

    #[test]
    fn a_mail_has_the_code_and_no_link_and_answers_nobody() {
        let text = written("First");
        let (headers, body) = text.split_once("\r\n\r\n").unwrap();
        for header in
            ["Auto-Submitted: auto-generated", "To: ada@example.org", "From: Cloakroom <noreply@share.example>"]
        {
            assert!(headers.lines().any(|line| line == header), "{headers}");
        }
        assert!(headers.contains("Message-ID: <") && headers.contains("Date: Fri, 15 Jan 2027"), "{headers}");
        assert!(body.contains("1234 5678") && body.contains("First"), "{body}");
        assert!(!text.contains("http") && !headers.contains("1234"), "{text}");
    }

    #[test]
    fn whatever_a_name_says_there_is_no_other_header() {
        for evil in ["a\r\nBcc: eve@example.org", "a\r\n\r\nBcc: eve@example.org", "a\nX: y", "\u{202e}"] {
            let text = written(evil);
            let (headers, _) = text.split_once("\r\n\r\n").unwrap();
            assert!(!headers.contains("Bcc") && !headers.contains("X:"), "{headers}");
            assert_eq!(headers.lines().filter(|line| !line.starts_with(' ')).count(), 8, "{headers}");
        }
    }

    #[test]
    fn a_sender_is_one_address() {
        for wrong in ["", "noreply", "a@b\r\nBcc: c@d", "a@b, c@d"] {
            assert_eq!(wrong.parse::<Sender>().err(), Some(NotASender), "{wrong}");
        }
    }
}
