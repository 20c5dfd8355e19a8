//! Mails over SMTP (RFC 5321): on TLS from the first byte (RFC 8314), or on TLS after STARTTLS, without which nothing
//! is sent beyond this machine.

use std::time::Duration;

use async_trait::async_trait;
use lettre::{
    AsyncSmtpTransport, AsyncTransport, Tokio1Executor,
    transport::smtp::{
        authentication::Credentials,
        client::{Tls, TlsParameters},
    },
};

use crate::crypto::secret::SecretText;

use super::{Letter, Mailer, NotSent, NotUsable};

/// How long the server may be silent.
const SILENCE: Duration = Duration::from_secs(10);

/// How long one mail may take in all, however slowly the server goes on answering.
const PATIENCE: Duration = Duration::from_secs(30);

/// Which server, and how it is reached.
#[derive(Clone, Debug)]
pub struct SmtpServer {
    /// Its name, which its certificate must have.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// Whether TLS comes first.
    pub implicit_tls: bool,
    /// Whether it is on this machine, and needs no TLS.
    pub on_this_machine: bool,
    /// As whom.
    pub credentials: Option<(String, SecretText)>,
}

/// Sends mails to one server, each on a connection of its own.
#[derive(Debug)]
pub struct SmtpMailer {
    transport: AsyncSmtpTransport<Tokio1Executor>,
}

impl SmtpMailer {
    /// To this server. It is not asked for anything yet.
    ///
    /// # Errors
    /// When its name can be in no certificate.
    pub fn new(server: &SmtpServer) -> Result<Self, NotUsable> {
        let tls =
            || TlsParameters::new(server.host.clone()).map_err(|fault| NotUsable(format!("CLOAKROOM_MAIL: {fault}")));
        let tls = match (server.implicit_tls, server.on_this_machine) {
            (true, _) => Tls::Wrapper(tls()?),
            (false, false) => Tls::Required(tls()?),
            (false, true) => Tls::None,
        };
        let builder = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(&server.host);
        let builder = builder.port(server.port).tls(tls).timeout(Some(SILENCE));
        let builder = match &server.credentials {
            Some((user, password)) => builder.credentials(Credentials::new(user.clone(), password.expose().to_owned())),
            None => builder,
        };
        Ok(Self { transport: builder.build() })
    }
}

#[async_trait]
impl Mailer for SmtpMailer {
    async fn send(&self, letter: &Letter) -> Result<(), NotSent> {
        match tokio::time::timeout(PATIENCE, self.transport.send(letter.rendered.clone())).await {
            Err(_) => Err(NotSent::Later("the mail server takes too long".into())),
            Ok(Ok(_)) => Ok(()),
            // Not what the server wrote: it may repeat the address.
            Ok(Err(fault)) => {
                let status = fault.status().map(|code| format!(" {code}")).unwrap_or_default();
                Err(match () {
                    () if fault.is_permanent() => NotSent::Never(format!("the mail server refused:{status}")),
                    () if fault.is_transient() => NotSent::Later(format!("the mail server put it off:{status}")),
                    () if fault.is_timeout() => NotSent::Later("the mail server is silent".into()),
                    () if fault.is_tls() => NotSent::Later("there is no TLS with the mail server".into()),
                    () => NotSent::Later("the mail server cannot be reached, or said something else".into()),
                })
            }
        }
    }
}
