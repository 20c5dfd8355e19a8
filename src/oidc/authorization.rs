//! Signing in at a provider: the authorization code flow (RFC 6749, section 4.1; OpenID
//! Connect Core, section 3.1) with PKCE.

use std::sync::Arc;

use base64::{Engine, engine::general_purpose::STANDARD};
use form_urlencoded::{Serializer, byte_serialize};
use serde::Deserialize;
use ureq::Agent;

use crate::{
    crypto::{secret::SecretText, signing_in::SigningIn},
    domain::identity::Identity,
};

use super::{
    claims, json,
    jws::Jws,
    known::Snapshot,
    metadata::Endpoints,
    provider::{LARGEST_ANSWER, Provider},
    rejected::Rejected,
    settings::Client,
};

/// What a provider sends back by way of the browser. The state has been compared already.
#[derive(Clone, Debug)]
pub struct Answer {
    /// A code, or why there is none: an error code of RFC 6749, section 4.1.2.1.
    pub code: Result<SecretText, String>,
    /// Which issuer it says it comes from (RFC 9207).
    pub issuer: Option<String>,
}

/// Why nobody has signed in: for logs and security events. The person learns no more than that.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotSignedIn {
    /// The operator named no client, or the issuer has no endpoints for it.
    #[error("nobody can sign in at this provider: {0}")]
    NotOffered(&'static str),
    /// The answer belongs to no attempt of this browser, or to an old one.
    #[error("the answer belongs to no attempt of this browser: {0}")]
    NotThisAttempt(&'static str),
    /// The provider did not let them in.
    #[error("the provider refused: {0}")]
    Refused(String),
    /// The answer is another issuer's, or does not name its own although it says that it does.
    #[error("the answer comes from another issuer")]
    WrongIssuer,
    /// The code could not be exchanged.
    #[error("the code could not be exchanged: {0}")]
    Exchange(String),
    /// The provider's keys, or its token, are not to be had or not to be believed.
    #[error(transparent)]
    Token(#[from] Rejected),
}

/// The answer of a token endpoint (RFC 6749, section 5.1).
#[derive(Deserialize)]
struct Tokens {
    id_token: Option<SecretText>,
    access_token: Option<SecretText>,
}

/// An error of a token endpoint (RFC 6749, section 5.2).
#[derive(Deserialize)]
struct Fault {
    error: String,
}

/// What somebody else calls a fault, in letters that do no harm in a log.
pub(super) fn harmless(code: &str) -> String {
    let known = |character: &char| character.is_ascii_lowercase() || *character == '_';
    let code: String = code.chars().take_while(known).take(40).collect();
    if code.is_empty() { "no reason is given".into() } else { code }
}

impl Provider {
    /// Where to send a browser for this attempt. `redirect_uri` is where it comes back.
    ///
    /// # Errors
    /// When nobody signs in here, or the issuer does not say where.
    pub async fn authorization_url(
        self: &Arc<Self>,
        attempt: &SigningIn,
        redirect_uri: &str,
    ) -> Result<String, NotSignedIn> {
        let client = self.client()?;
        let snapshot = self.snapshot().await?;
        let endpoint = endpoints(&snapshot)?.authorization.as_str();
        let mut query = Serializer::new(String::new());
        query
            .append_pair("response_type", "code")
            .append_pair("client_id", &client.id)
            .append_pair("redirect_uri", redirect_uri)
            .append_pair("scope", "openid")
            .append_pair("state", &attempt.state())
            .append_pair("nonce", &attempt.nonce())
            .append_pair("code_challenge", &attempt.challenge())
            .append_pair("code_challenge_method", "S256");
        if !self.settings().accepted_acr.is_empty() {
            query.append_pair("acr_values", &self.settings().accepted_acr.join(" "));
        }
        let joint = if endpoint.contains('?') { '&' } else { '?' };
        Ok(format!("{endpoint}{joint}{}", query.finish()))
    }

    /// Who has signed in in this attempt, going by the provider's answer.
    ///
    /// # Errors
    /// The real reason, for logs, why nobody has.
    pub async fn signed_in(
        self: &Arc<Self>,
        answer: Answer,
        attempt: &SigningIn,
        redirect_uri: &str,
    ) -> Result<Identity, NotSignedIn> {
        let client = self.client()?.clone();
        let snapshot = self.snapshot().await?;
        // Before the code goes anywhere: it may be meant for another issuer (RFC 9207, section 2.4).
        match &answer.issuer {
            Some(issuer) if issuer != self.settings().issuer.as_str() => return Err(NotSignedIn::WrongIssuer),
            None if snapshot.metadata.names_itself => return Err(NotSignedIn::WrongIssuer),
            _ => {}
        }
        let code = answer.code.map_err(|fault| NotSignedIn::Refused(harmless(&fault)))?;
        let token_endpoint = endpoints(&snapshot)?.token.clone();
        let (agent, verifier, redirect_uri) = (self.agent.clone(), attempt.verifier(), redirect_uri.to_owned());
        let ask = move || exchange(&agent, token_endpoint.as_str(), &client, &code, &verifier, &redirect_uri);
        let tokens = self.in_turn(ask).await?;

        let text = tokens.id_token.ok_or_else(|| NotSignedIn::Exchange("there is no ID token in the answer".into()))?;
        let token = Jws::parse(text.expose())?;
        let claims = claims::claimed(&token)?;
        let now = self.now();
        claims.check_id(&token, self.settings(), attempt, tokens.access_token.as_ref(), now)?;
        self.verified(&token).await?;
        Ok(claims.identity(self.settings())?)
    }

    fn client(&self) -> Result<&Client, NotSignedIn> {
        self.settings().client.as_ref().ok_or(NotSignedIn::NotOffered("it has no client_id in the configuration"))
    }

    /// Runs what blocks, a few at a time: a slow provider must not take all threads.
    async fn in_turn(
        &self,
        ask: impl FnOnce() -> Result<Tokens, String> + Send + 'static,
    ) -> Result<Tokens, NotSignedIn> {
        let place = tokio::time::timeout(self.settings().patience, self.exchanges.acquire()).await;
        let _place = place.ok().and_then(Result::ok).ok_or_else(|| NotSignedIn::Exchange("too many at once".into()))?;
        let asked = self.runtime.spawn_blocking(ask).await;
        asked.map_err(|_| NotSignedIn::Exchange("a thread was lost".into()))?.map_err(NotSignedIn::Exchange)
    }
}

fn endpoints(snapshot: &Snapshot) -> Result<&Endpoints, NotSignedIn> {
    let missing = NotSignedIn::NotOffered("its discovery document names no endpoints for it");
    snapshot.metadata.authorization.as_ref().ok_or(missing)
}

/// RFC 6749, sections 4.1.3 and 2.3.1; RFC 7636, section 4.5.
fn exchange(
    agent: &Agent,
    endpoint: &str,
    client: &Client,
    code: &SecretText,
    verifier: &SecretText,
    redirect_uri: &str,
) -> Result<Tokens, String> {
    let mut form = Serializer::new(String::new());
    form.append_pair("grant_type", "authorization_code")
        .append_pair("code", code.expose())
        .append_pair("redirect_uri", redirect_uri)
        .append_pair("code_verifier", verifier.expose());
    let mut request = agent
        .post(endpoint)
        .header("Accept", "application/json")
        .header("Content-Type", "application/x-www-form-urlencoded");
    match &client.secret {
        Some(secret) => {
            let encoded = |text: &str| byte_serialize(text.as_bytes()).collect::<String>();
            let credentials = SecretText::new(format!("{}:{}", encoded(&client.id), encoded(secret.expose())));
            let value = SecretText::new(format!("Basic {}", STANDARD.encode(credentials.expose())));
            request = request.header("Authorization", value.expose());
        }
        None => {
            form.append_pair("client_id", &client.id);
        }
    }
    let form = SecretText::new(form.finish());
    let mut answer = request.send(form.expose()).map_err(|fault| format!("{endpoint} cannot be asked: {fault}"))?;
    let status = answer.status();
    let body = answer.body_mut().with_config().limit(LARGEST_ANSWER).read_to_vec();
    let body = body.map_err(|fault| format!("the answer of {endpoint} cannot be read: {fault}"))?;
    if status != 200 {
        let fault = json::object::<Fault>(&body).map_or_else(String::new, |fault| fault.error);
        return Err(format!("{endpoint} answered {status}: {}", harmless(&fault)));
    }
    json::object(&body).ok_or_else(|| format!("the answer of {endpoint} cannot be read"))
}
