//! The two routes of single sign-on on a real socket, and a browser that goes along them.

use std::collections::HashMap;

use actix_web::{App, HttpServer, dev::ServerHandle, middleware::from_fn, web};
use cloakroom::{
    domain::{
        ids::RequestId,
        path::PathPin,
        permission::{Grants, PathGrant, Permission, Role},
        principal::Principal,
        quota::Limits,
        tenant::Mode,
    },
    http::{guards, routes},
    service::{
        Asking, Broker, Error,
        idempotency::Reply,
        principals::{ChangePrincipal, NewPrincipal},
        users::CreateUser,
    },
};

use crate::api::laboratory::Laboratory;

use super::*;

/// The API and its pages, for the users of the first tenant whom a provider vouches for.
pub struct Console {
    runtime: Runtime,
    handle: ServerHandle,
    pub url: String,
    pub broker: Broker,
    pub laboratory: Laboratory,
}

impl Console {
    /// With providers of these settings, at the time of the laboratory, or of this clock.
    pub fn with(settings: Vec<ProviderSettings>, clock: Option<Arc<dyn Clock>>) -> Self {
        Self::reached_at(None, settings, clock)
    }

    /// The same behind something that people reach at this URL.
    pub fn reached_at(
        public_url: Option<&str>,
        settings: Vec<ProviderSettings>,
        clock: Option<Arc<dyn Clock>>,
    ) -> Self {
        let runtime = runtime();
        let laboratory = runtime.block_on(Laboratory::new());
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let mut broker = laboratory.broker.clone();
        let tenant: TenantId = laboratory.tenant.id.parse().unwrap();
        let issuers: Vec<_> = settings.iter().map(|settings| settings.issuer.clone()).collect();
        let settings = settings.into_iter().map(|settings| ProviderSettings { tenant, ..settings }).collect();
        if let Some(clock) = clock {
            broker.clock = clock;
        }
        broker.settings.public_url = public_url.unwrap_or(&url).to_owned();
        broker.providers = Arc::new(Providers::new(settings, &broker.clock, runtime.handle()));
        let served = broker.clone();
        let server = HttpServer::new(move || {
            App::new().app_data(web::Data::new(served.clone())).wrap(from_fn(guards::api)).configure(routes::configure)
        });
        let server = {
            let _inside = runtime.enter();
            server.workers(1).disable_signals().listen(listener).unwrap().run()
        };
        let handle = server.handle();
        runtime.spawn(server);
        let console = Self { runtime, handle, url, broker, laboratory };
        for issuer in std::collections::BTreeSet::from_iter(issuers) {
            console.let_in(issuer, "alice", Role::Admin).unwrap();
        }
        console
    }

    /// Lets a user of this issuer in.
    pub fn let_in(&self, issuer: Issuer, subject: &str, role: Role) -> Result<Principal, Error> {
        let permission = if role == Role::Admin { Permission::Admin } else { Permission::Read };
        let wanted = CreateUser {
            issuer,
            subject: cloakroom::domain::identity::Subject::parse(subject).unwrap(),
            principal: NewPrincipal {
                label: None,
                metadata: Default::default(),
                mode: Mode::Live,
                role: Some(role),
                grants: Grants(vec![PathGrant { path: PathPin::root(), permission }]),
                largest_upload: None,
                quota: Limits::default(),
                expires_at: None,
            },
        };
        self.runtime.block_on(async {
            let administrator = self.laboratory.caller(&self.laboratory.tenant.admin).await?;
            self.broker.create_user(&administrator, wanted, &Reply::unkept()).await
        })
    }

    /// Makes somebody an administrator.
    pub fn promote(&self, user: &Principal) {
        let grants = Grants(vec![PathGrant { path: PathPin::root(), permission: Permission::Admin }]);
        let wanted = ChangePrincipal { role: Some(Role::Admin), grants: Some(grants), others: Default::default() };
        self.runtime.block_on(async {
            let administrator = self.laboratory.caller(&self.laboratory.tenant.admin).await.unwrap();
            self.broker.change_principal(&administrator, user.id, wanted).await.unwrap();
        });
    }

    /// As whom somebody is signed in.
    pub fn signed_in(&self, browser: &mut Browser) -> Option<Value> {
        let page = browser.get(&format!("{}/v1/console/session", self.url));
        (page.status == 200).then(|| serde_json::from_str(&page.body).unwrap())
    }

    /// What the API answers to a bearer.
    pub fn with_token(&self, token: &str) -> Result<Principal, String> {
        let asking = Asking::here(RequestId::from_bytes([1; 16]));
        let caller = self.runtime.block_on(self.broker.authenticate(&SecretText::new(token), asking));
        caller.map(|caller| caller.principal).map_err(|fault| fault.to_string())
    }

    pub fn identify(&self, token: &str) -> Result<Identity, String> {
        let identified = self.runtime.block_on(self.broker.identify(&SecretText::new(token)));
        identified.map_err(|fault| fault.to_string())
    }
}

impl Drop for Console {
    fn drop(&mut self) {
        self.runtime.block_on(self.handle.stop(false));
    }
}

/// Keeps cookies, and follows nothing by itself.
#[derive(Clone)]
pub struct Browser {
    agent: ureq::Agent,
    /// Whom it asks for, where that is another than whom it asks.
    host: Option<&'static str>,
    pub cookies: HashMap<String, String>,
}

#[derive(Debug)]
pub struct Page {
    pub status: u16,
    pub location: Option<String>,
    pub set_cookies: Vec<String>,
    pub body: String,
}

impl Browser {
    pub fn new() -> Self {
        Self { agent: cloakroom::outward::agent(AGES), host: None, cookies: HashMap::new() }
    }

    pub fn asking_for(host: &'static str) -> Self {
        Self { host: Some(host), ..Self::new() }
    }

    fn jar(&self) -> String {
        self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("; ")
    }

    pub fn get(&mut self, url: &str) -> Page {
        let mut request = self.agent.get(url).header("Cookie", self.jar());
        if let Some(host) = self.host {
            request = request.header("Host", host);
        }
        let answer = request.call().unwrap();
        self.taken(answer)
    }

    pub fn post(&mut self, url: &str, form: &str) -> Page {
        let request = self.agent.post(url).header("Cookie", self.jar());
        let answer = request.header("Content-Type", "application/x-www-form-urlencoded").send(form).unwrap();
        self.taken(answer)
    }

    fn taken(&mut self, mut answer: ureq::http::Response<ureq::Body>) -> Page {
        let texts = |name: &str| -> Vec<_> {
            answer.headers().get_all(name).iter().map(|value| value.to_str().unwrap().to_owned()).collect()
        };
        let (set_cookies, location) = (texts("set-cookie"), texts("location").pop());
        for cookie in &set_cookies {
            let (name, value) = cookie.split(';').next().unwrap().split_once('=').unwrap();
            match value {
                "" => self.cookies.remove(name),
                value => self.cookies.insert(name.into(), value.into()),
            };
        }
        let status = answer.status().as_u16();
        Page { status, location, set_cookies, body: answer.body_mut().read_to_string().unwrap() }
    }
}
