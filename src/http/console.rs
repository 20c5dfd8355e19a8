//! The console's own routes: signing in and out, and QR codes.
//!
//! Everything else the console does by the routes that API keys use.

use actix_web::{
    HttpRequest, HttpResponse,
    cookie::{Cookie, SameSite, time},
    web,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    crypto::secret::SecretText,
    domain::{
        console::Offers,
        instant::Instant,
        permission::{PathGrant, Role},
        tenant::Mode,
    },
    service::{AddressClass, Broker, Caller, Error, console::SignedIn},
};

use super::{
    extract::{Authenticated, CONSOLE_COOKIE, CSRF_COOKIE, With, asking, cookie_name, is_secure},
    json::Json,
    limits::Presents,
    principals::GrantView,
    problem::{Problem, ProblemDocument},
    qr,
};

/// By what somebody signs in.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SignInBody {
    /// An API key.
    #[schema(value_type = String, example = "crk_live_…")]
    pub api_key: SecretText,
}

impl Presents for SignInBody {
    const CLASS: AddressClass = AddressClass::SignIn;

    fn credential(&self) -> &SecretText {
        &self.api_key
    }
}

/// Whose tenant it is.
#[derive(Debug, Serialize, ToSchema)]
pub struct OwnTenantView {
    /// Its id.
    pub id: String,
    /// What recipients are told.
    pub name: String,
}

/// As whom somebody signed in: an API key, or a user. Never a secret.
#[derive(Debug, Serialize, ToSchema)]
pub struct OwnPrincipalView {
    /// Its id.
    pub id: String,
    /// What it is called.
    pub label: Option<String>,
    /// How the key's secret begins; what the issuer calls the user.
    pub preview: String,
    /// `viewer`, `member` or `admin`.
    #[schema(value_type = String)]
    pub role: Role,
    /// What it may do.
    #[schema(value_type = Vec<GrantView>)]
    pub grants: Vec<PathGrant>,
    /// Whether it may also create tenants.
    pub operator: bool,
    /// When it ends (RFC 3339).
    pub expires_at: Option<String>,
}

/// What to offer somebody: what they may do somewhere.
#[derive(Debug, Serialize, ToSchema)]
pub struct OffersView {
    /// To share files.
    pub share: bool,
    /// To ask others for files.
    pub request: bool,
    /// To publish files as an artifact, and to link to it.
    pub publish: bool,
    /// To upload.
    pub upload: bool,
    /// To administer keys, and to read the audit trail.
    pub administer: bool,
    /// To administer tenants.
    pub operate: bool,
}

/// A session of the console.
#[derive(Debug, Serialize, ToSchema)]
pub struct ConsoleSessionView {
    /// Whose tenant it is.
    pub tenant: OwnTenantView,
    /// Whether it is of the real namespace, or of the one for trying out.
    pub livemode: bool,
    /// As whom they signed in.
    pub principal: OwnPrincipalView,
    /// When they signed in (RFC 3339).
    pub created_at: String,
    /// When the session ends by itself (RFC 3339): 12 hours later, or with the key.
    pub expires_at: String,
    /// What to offer. Each route decides for itself.
    #[schema(value_type = OffersView)]
    pub may: Offers,
}

impl ConsoleSessionView {
    fn of(caller: Caller) -> Result<Self, Error> {
        let session = caller.console.ok_or(Error::Unauthenticated)?.session;
        let (tenant, who) = (caller.tenant, caller.principal);
        Ok(Self {
            may: Offers::to(&who),
            tenant: OwnTenantView { id: tenant.id.to_string(), name: tenant.name },
            livemode: who.namespace.mode == Mode::Live,
            principal: OwnPrincipalView {
                id: who.id.to_string(),
                preview: who.preview(),
                label: who.label,
                role: who.role,
                grants: who.grants.0,
                operator: who.operator,
                expires_at: who.expires_at.map(|at| at.to_string()),
            },
            created_at: session.created_at.to_string(),
            expires_at: session.expires_at.to_string(),
        })
    }
}

/// The two cookies of a session: its secret, which no script reads, and what
/// scripts of our own pages repeat.
fn cookies(broker: &Broker, secret: &str, csrf: &str, expires_at: Instant) -> [Cookie<'static>; 2] {
    let secure = is_secure(broker);
    let seconds = i64::try_from(expires_at.since(broker.now()).as_secs()).unwrap_or(0);
    [(CONSOLE_COOKIE, secret, true), (CSRF_COOKIE, csrf, false)].map(|(name, value, http_only)| {
        Cookie::build(cookie_name(name, secure), value.to_owned())
            .path("/")
            .http_only(http_only)
            .secure(secure)
            .same_site(SameSite::Strict)
            .max_age(time::Duration::seconds(seconds))
            .finish()
    })
}

/// Sign in to the console: sets the cookies of a session.
#[utoipa::path(
    post, path = "/v1/console/session", tag = "console", request_body = SignInBody,
    responses(
        (status = 200, description = "Signed in; two cookies are set", body = ConsoleSessionView),
        (status = 401, description = "The one answer to every key that is not accepted", body = ProblemDocument),
        (status = 429, description = "Too many requests; wait as Retry-After says", body = ProblemDocument),
    )
)]
pub async fn sign_in(
    request: HttpRequest,
    broker: web::Data<Broker>,
    Json(body): Json<SignInBody>,
) -> Result<HttpResponse, Problem> {
    let signed_in = broker.sign_in(&body.api_key, asking(&request)).await?;
    let [secret, csrf] = cookies_of(&broker, &signed_in);
    Ok(HttpResponse::Ok().cookie(secret).cookie(csrf).json(ConsoleSessionView::of(signed_in.caller)?))
}

/// The cookies of somebody who has just signed in.
pub(super) fn cookies_of(broker: &Broker, signed_in: &SignedIn) -> [Cookie<'static>; 2] {
    let ends = signed_in.caller.console.as_ref().map_or(broker.now(), |console| console.session.expires_at);
    cookies(broker, signed_in.secret.expose(), signed_in.secret.csrf_token().expose(), ends)
}

/// A provider at which people sign in.
#[derive(Debug, Serialize, ToSchema)]
pub struct ProviderView {
    /// Its name here.
    #[schema(example = "sso")]
    pub name: String,
    /// Where to go to sign in.
    #[schema(example = "/console/sign-in/sso")]
    pub path: String,
}

/// The providers at which people sign in.
#[derive(Debug, Serialize, ToSchema)]
pub struct ProvidersView {
    /// All of them.
    pub items: Vec<ProviderView>,
}

/// List the identity providers at which people sign in.
#[utoipa::path(
    get, path = "/v1/console/providers", tag = "console",
    responses((status = 200, body = ProvidersView), (status = "4XX", body = ProblemDocument))
)]
pub async fn providers(broker: web::Data<Broker>) -> HttpResponse {
    let view = |name: &str| ProviderView { name: name.to_owned(), path: format!("/console/sign-in/{name}") };
    HttpResponse::Ok().json(ProvidersView { items: broker.sign_in_providers().map(view).collect() })
}

/// Who is signed in, and what to offer them.
#[utoipa::path(
    get, path = "/v1/console/session", tag = "console", security(("console" = [])),
    responses((status = 200, body = ConsoleSessionView), (status = 401, body = ProblemDocument))
)]
pub async fn inspect(Authenticated(caller): Authenticated) -> Result<HttpResponse, Problem> {
    Ok(HttpResponse::Ok().json(ConsoleSessionView::of(caller)?))
}

/// Sign out: the session ends on the server.
#[utoipa::path(
    delete, path = "/v1/console/session", tag = "console", security(("console" = [])),
    responses((status = 204, description = "Signed out"), (status = "4XX", body = ProblemDocument))
)]
pub async fn sign_out(
    Authenticated(caller): Authenticated,
    broker: web::Data<Broker>,
) -> Result<HttpResponse, Problem> {
    broker.sign_out(&caller).await?;
    let [secret, csrf] = cookies(&broker, "", "", broker.now());
    Ok(HttpResponse::NoContent().cookie(secret).cookie(csrf).finish())
}

/// A text to draw.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct QrBody {
    /// The text, a link for example: 1 to 2,048 bytes.
    #[schema(value_type = String)]
    pub text: SecretText,
}

/// Draw a QR code. Nothing of it is kept.
#[utoipa::path(
    post, path = "/v1/console/qr", tag = "console", request_body = QrBody,
    security(("console" = []), ("api_key" = [])),
    responses((status = 200, body = qr::QrView), (status = "4XX", body = ProblemDocument))
)]
pub async fn draw(With(Authenticated(_), body): With<Authenticated, QrBody>) -> Result<HttpResponse, Problem> {
    let code = qr::draw(body.text.expose()).map_err(|fault| Problem::invalid("/text", fault.to_string()))?;
    Ok(HttpResponse::Ok().json(code))
}
