//! Configuration: flags win over environment variables, variables over one
//! TOML file, the file over defaults. What is unknown in the file is refused.
//!
//! No secret is a setting but the password of a mail server, where it is given within a URL: keys are in files of their own.

mod clients;
mod kinds;
mod mail;
mod oidc;
mod origins;
mod root_keys;
mod scanner;
mod tls;
mod webhooks;

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use clap::Args;
use serde::Deserialize;

pub use clients::GivenLimits;
pub use kinds::{LogFormat, LogLevel, ObjectsConfig, ObjectsKind, PathPolicy, StoreConfig, StoreKind, Unenforced};
pub use mail::{MailConfig, MailKind, MailUrl};
pub use oidc::{OidcClient, OidcConfig, OidcGiven};
pub use scanner::{ScannerConfig, ScannerKind};
pub use tls::{CertificateFiles, TlsConfig};

use crate::{
    domain::{client::ClientRetention, limits::LimitTable, network::Networks},
    keys::source::KeySource,
};

pub(crate) use webhooks::own as own_places;

use origins::{apart, check_origin, host};

/// The largest upload where nothing else is set: 5 TiB.
const LARGEST_UPLOAD: u64 = 5 << 40;

/// Settings as they are given, each optional.
#[derive(Args, Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Given {
    /// A TOML file with these settings, under the names of the flags with underscores
    #[arg(long, env = "CLOAKROOM_CONFIG", value_name = "FILE")]
    #[serde(skip)]
    pub config: Option<PathBuf>,
    /// Where data and keys are kept [default: data]
    #[arg(long, env = "CLOAKROOM_DATA_DIR", value_name = "FOLDER")]
    pub data_dir: Option<PathBuf>,
    /// Address of the API and its pages [default: 127.0.0.1:8080]
    #[arg(long, env = "CLOAKROOM_LISTEN", value_name = "ADDRESS")]
    pub listen: Option<SocketAddr>,
    /// Address of user content [default: 127.0.0.1:8081]
    #[arg(long, env = "CLOAKROOM_CONTENT_LISTEN", value_name = "ADDRESS")]
    pub content_listen: Option<SocketAddr>,
    /// Address of health and readiness [default: 127.0.0.1:8082]
    #[arg(long, env = "CLOAKROOM_OPS_LISTEN", value_name = "ADDRESS")]
    pub ops_listen: Option<SocketAddr>,
    /// Names by which health and readiness are asked for, with commas between; addresses and localhost need none
    #[arg(long, env = "CLOAKROOM_OPS_HOSTS", value_name = "NAMES")]
    pub ops_hosts: Option<String>,
    /// How people reach the API [default: http://127.0.0.1 and its port]
    #[arg(long, env = "CLOAKROOM_PUBLIC_URL", value_name = "URL")]
    pub public_url: Option<String>,
    /// How people reach user content; artifacts are on hosts below it [default: http://localhost and its port]
    #[arg(long, env = "CLOAKROOM_CONTENT_URL", value_name = "URL")]
    pub content_url: Option<String>,
    /// Where people report a weakness, for /.well-known/security.txt: a mailto:, https: or tel: address
    #[arg(long, env = "CLOAKROOM_SECURITY_CONTACT", value_name = "URL")]
    pub security_contact: Option<String>,
    /// For how many days the audit trail tells from where and with which program somebody asked; 0 for not at all [default: 90]
    #[arg(long, env = "CLOAKROOM_CLIENT_DETAILS_DAYS", value_name = "DAYS")]
    pub client_details_days: Option<u16>,
    /// The same for kinds of events, as refusals=14,recipients=30; the others are transfers and administration
    #[arg(long, env = "CLOAKROOM_CLIENT_DETAILS_BY_CLASS", value_name = "CLASS=DAYS,…")]
    pub client_details_by_class: Option<String>,
    /// A PEM file with a certificate chain, to speak TLS without a proxy
    #[arg(long, env = "CLOAKROOM_TLS_CERTIFICATE", value_name = "FILE")]
    pub tls_certificate: Option<PathBuf>,
    /// The PEM file with its private key, which not everybody may read
    #[arg(long, env = "CLOAKROOM_TLS_KEY", value_name = "FILE")]
    pub tls_key: Option<PathBuf>,
    /// The certificate chain of user content and all hosts below it, where that is another
    #[arg(long, env = "CLOAKROOM_CONTENT_TLS_CERTIFICATE", value_name = "FILE")]
    pub content_tls_certificate: Option<PathBuf>,
    /// The file with its private key
    #[arg(long, env = "CLOAKROOM_CONTENT_TLS_KEY", value_name = "FILE")]
    pub content_tls_key: Option<PathBuf>,
    /// Whether a proxy before this ends TLS; needed to listen beyond this machine without a certificate
    #[arg(long, env = "CLOAKROOM_BEHIND_PROXY", value_name = "YES", num_args = 0..=1, default_missing_value = "true")]
    pub behind_proxy: Option<bool>,
    /// Addresses and networks of the proxies whose X-Forwarded-For is believed, with commas between; needed behind
    /// a proxy
    #[arg(long, env = "CLOAKROOM_TRUSTED_PROXIES", value_name = "NETWORKS")]
    pub trusted_proxies: Option<String>,
    /// Other rate limits than the usual ones, such as redeem=300/60s,tenant=100000/60s; or off, to do without
    #[arg(long, env = "CLOAKROOM_LIMITS", value_name = "LIMITS")]
    pub limits: Option<GivenLimits>,
    /// The largest upload, in bytes [default: 5497558138880, 5 TiB]
    #[arg(long, env = "CLOAKROOM_LARGEST_UPLOAD", value_name = "BYTES")]
    pub largest_upload: Option<u64>,
    /// For how long a broker that was told to stop goes on answering, and says that it is not ready: longer than a load
    /// balancer takes to find that out [default: 0]
    #[arg(long, env = "CLOAKROOM_STOP_NOTICE", value_name = "SECONDS")]
    pub stop_notice: Option<u64>,
    /// What to do about paths of credentials, private keys and the like: protect or off [default: protect]
    #[arg(long, env = "CLOAKROOM_PATH_POLICY", value_name = "POLICY")]
    pub path_policy: Option<PathPolicy>,
    /// Threads that answer requests [default: one for each processor]
    #[arg(long, env = "CLOAKROOM_WORKERS", value_name = "NUMBER")]
    pub workers: Option<usize>,
    /// Connections to the API that may be open at a time; more wait. Each holds up to 128 KiB of a head on its way
    /// [default: 4096]
    #[arg(long, env = "CLOAKROOM_CONNECTIONS", value_name = "NUMBER")]
    pub connections: Option<usize>,
    /// Where state is kept: embedded or dynamodb [default: embedded]
    #[arg(long, env = "CLOAKROOM_STORE", value_name = "KIND")]
    pub store: Option<StoreKind>,
    /// The table, for dynamodb [default: cloakroom]
    #[arg(long, env = "CLOAKROOM_DYNAMODB_TABLE", value_name = "TABLE")]
    pub dynamodb_table: Option<String>,
    /// Another endpoint of DynamoDB, for emulators
    #[arg(long, env = "CLOAKROOM_DYNAMODB_ENDPOINT", value_name = "URL")]
    pub dynamodb_endpoint: Option<String>,
    /// Where bytes are kept: embedded or s3 [default: embedded]
    #[arg(long, env = "CLOAKROOM_OBJECTS", value_name = "KIND")]
    pub objects: Option<ObjectsKind>,
    /// The bucket, for s3
    #[arg(long, env = "CLOAKROOM_S3_BUCKET", value_name = "BUCKET")]
    pub s3_bucket: Option<String>,
    /// Another endpoint of S3, for emulators and compatible services
    #[arg(long, env = "CLOAKROOM_S3_ENDPOINT", value_name = "URL")]
    pub s3_endpoint: Option<String>,
    /// The endpoint that clients see, where it is another
    #[arg(long, env = "CLOAKROOM_S3_PUBLIC_ENDPOINT", value_name = "URL")]
    pub s3_public_endpoint: Option<String>,
    /// Whether the bucket is named in the path instead of the host
    #[arg(long, env = "CLOAKROOM_S3_PATH_STYLE", value_name = "YES", num_args = 0..=1, default_missing_value = "true")]
    pub s3_path_style: Option<bool>,
    /// Where the root keys are: a file, env:NAME for a variable, secretsmanager:ID or ssm:NAME [default: root-keys.json
    /// in the data folder]
    #[arg(long, env = "CLOAKROOM_ROOT_KEYS", value_name = "PLACE")]
    pub root_keys: Option<KeySource>,
    /// After how many days a root key is replaced by itself, where all replicas share the place of the keys: 30 to 3650
    /// [default: by nobody]
    #[arg(long, env = "CLOAKROOM_ROOT_KEY_DAYS", value_name = "DAYS")]
    pub root_key_days: Option<u16>,
    /// A key of AWS KMS, by its ARN or alias, that encrypts the data keys of tenants, beside the root keys
    #[arg(long, env = "CLOAKROOM_KMS_KEY", value_name = "KEY")]
    pub kms_key: Option<String>,
    /// What to do where the S3 storage does not enforce what its URLs say: refuse to start, downgrade (do without
    /// the method concerned), or accept (for emulators) [default: refuse]
    #[arg(long, env = "CLOAKROOM_UNENFORCED", value_name = "WHAT")]
    pub unenforced: Option<Unenforced>,
    /// A program that scans uploads, with its arguments after spaces; no shell reads it
    #[arg(long, env = "CLOAKROOM_SCANNER_COMMAND", value_name = "COMMAND")]
    pub scanner_command: Option<String>,
    /// A service that scans uploads, over https, or on this machine
    #[arg(long, env = "CLOAKROOM_SCANNER_URL", value_name = "URL")]
    pub scanner_url: Option<String>,
    /// For how many seconds a scan may go on [default: 300]
    #[arg(long, env = "CLOAKROOM_SCANNER_TIMEOUT", value_name = "SECONDS")]
    pub scanner_timeout: Option<u64>,
    /// How recipients get their codes: smtps://user:password@host:465, smtp://host:587 (with STARTTLS) or, for trying
    /// out, folder:/path; without it nothing is sent to recipients by their addresses
    #[arg(long, env = "CLOAKROOM_MAIL", value_name = "URL", hide_env_values = true)]
    pub mail: Option<MailUrl>,
    /// From which address mails come, as noreply@example.org or Example <noreply@example.org>
    #[arg(long, env = "CLOAKROOM_MAIL_FROM", value_name = "ADDRESS")]
    pub mail_from: Option<String>,
    /// The file with the password of the mail server, where it is not in the URL
    #[arg(long, env = "CLOAKROOM_MAIL_PASSWORD_FILE", value_name = "FILE")]
    pub mail_password_file: Option<PathBuf>,
    /// Networks of your own that webhooks may go to, beside the public internet, and there without TLS, with commas between
    #[arg(long, env = "CLOAKROOM_WEBHOOK_ALLOW_PRIVATE", value_name = "NETWORKS")]
    pub webhook_allow_private: Option<String>,
    /// An OpenID Connect provider whose access tokens are taken, or where people sign in: its issuer
    #[arg(long, env = "CLOAKROOM_OIDC_ISSUER", value_name = "URL")]
    pub oidc_issuer: Option<String>,
    /// What the provider calls this API in access tokens
    #[arg(long, env = "CLOAKROOM_OIDC_AUDIENCE", value_name = "NAME")]
    pub oidc_audience: Option<String>,
    /// As which client people are sent to the provider to sign in
    #[arg(long, env = "CLOAKROOM_OIDC_CLIENT_ID", value_name = "NAME")]
    pub oidc_client_id: Option<String>,
    /// The file with that client's secret; a public client has none
    #[arg(long, env = "CLOAKROOM_OIDC_CLIENT_SECRET_FILE", value_name = "FILE")]
    pub oidc_client_secret_file: Option<PathBuf>,
    /// The id of the tenant whose people the provider vouches for
    #[arg(long, env = "CLOAKROOM_OIDC_TENANT", value_name = "ID")]
    pub oidc_tenant: Option<String>,
    /// Which authentication context classes (acr) count as a second factor, with spaces between them
    #[arg(long, env = "CLOAKROOM_OIDC_ACCEPTED_ACR", value_name = "NAMES")]
    pub oidc_accepted_acr: Option<String>,
    /// Several providers: in the file only
    #[arg(skip)]
    #[serde(default)]
    pub oidc: Vec<OidcGiven>,
    /// How logs are written: text or json [default: text]
    #[arg(long, env = "CLOAKROOM_LOG_FORMAT", value_name = "FORMAT")]
    pub log_format: Option<LogFormat>,
    /// What is logged: error, warn, info, debug or trace [default: info]
    #[arg(long, env = "CLOAKROOM_LOG", value_name = "LEVEL")]
    pub log: Option<LogLevel>,
}

/// Settings, complete and consistent.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "each is said at its flag")]
pub struct Config {
    pub data_dir: PathBuf,
    pub listen: SocketAddr,
    pub content_listen: SocketAddr,
    pub ops_listen: SocketAddr,
    pub ops_hosts: Vec<String>,
    pub public_url: Option<String>,
    pub content_url: Option<String>,
    pub security_contact: Option<String>,
    pub client_details: ClientRetention,
    pub tls: Option<TlsConfig>,
    pub behind_proxy: bool,
    pub trusted_proxies: Networks,
    pub limits: LimitTable,
    pub largest_upload: u64,
    pub stop_notice: Duration,
    pub path_policy: PathPolicy,
    pub workers: usize,
    /// None for as many as usual.
    pub connections: Option<usize>,
    pub store: StoreConfig,
    pub objects: ObjectsConfig,
    pub unenforced: Unenforced,
    pub scanner: Option<ScannerConfig>,
    pub mail: Option<MailConfig>,
    pub webhook_allow_private: Networks,
    pub oidc: Vec<OidcConfig>,
    pub root_keys: KeySource,
    pub root_key_days: Option<u16>,
    pub kms_key: Option<String>,
    pub log_format: LogFormat,
    pub log: LogLevel,
}

/// Why the settings cannot be used, and what to do.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("the configuration file {} cannot be read: {source}", file.display())]
    Unreadable {
        /// Which file.
        file: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// The file is not right.
    #[error("the configuration file {} is not right{line}: {}", file.display(), source.message())]
    Malformed {
        /// Which file.
        file: PathBuf,
        /// In which line, and of which setting, in words.
        line: String,
        /// Why. Its own words quote the line, which may hold a secret.
        source: Box<toml::de::Error>,
    },
    /// A setting is not right.
    #[error("{setting}: {message}")]
    Setting {
        /// Its environment variable.
        setting: &'static str,
        /// What is wrong and what would be right.
        message: String,
    },
}

fn wrong(setting: &'static str, message: impl Into<String>) -> ConfigError {
    ConfigError::Setting { setting, message: message.into() }
}

impl Given {
    /// Completes the settings from the file and from defaults.
    ///
    /// # Errors
    /// When the file or a setting is not right.
    pub fn complete(self) -> Result<Config, ConfigError> {
        let file = match &self.config {
            None => Self::default(),
            Some(file) => read(file)?,
        };
        let data_dir = self.data_dir.or(file.data_dir).unwrap_or_else(|| "data".into());
        let address = |given: Option<SocketAddr>, port: u16| given.unwrap_or(SocketAddr::from(([127, 0, 0, 1], port)));
        let store = match self.store.or(file.store).unwrap_or_default() {
            StoreKind::Embedded => StoreConfig::Embedded,
            StoreKind::Dynamodb => StoreConfig::Dynamodb {
                table: self.dynamodb_table.or(file.dynamodb_table).unwrap_or_else(|| "cloakroom".into()),
                endpoint: self.dynamodb_endpoint.or(file.dynamodb_endpoint),
            },
        };
        let objects = match self.objects.or(file.objects).unwrap_or_default() {
            ObjectsKind::Embedded => ObjectsConfig::Embedded,
            ObjectsKind::S3 => ObjectsConfig::S3 {
                bucket: self
                    .s3_bucket
                    .or(file.s3_bucket)
                    .ok_or_else(|| wrong("CLOAKROOM_S3_BUCKET", "name the bucket that CLOAKROOM_OBJECTS=s3 goes to"))?,
                endpoint: self.s3_endpoint.or(file.s3_endpoint),
                public_endpoint: self.s3_public_endpoint.or(file.s3_public_endpoint),
                path_style: self.s3_path_style.or(file.s3_path_style).unwrap_or(false),
            },
        };
        let config = Config {
            root_keys: self
                .root_keys
                .or(file.root_keys)
                .unwrap_or_else(|| KeySource::File(data_dir.join("root-keys.json"))),
            root_key_days: self.root_key_days.or(file.root_key_days),
            kms_key: self.kms_key.or(file.kms_key),
            data_dir,
            listen: address(self.listen.or(file.listen), 8080),
            content_listen: address(self.content_listen.or(file.content_listen), 8081),
            ops_listen: address(self.ops_listen.or(file.ops_listen), 8082),
            ops_hosts: origins::names("CLOAKROOM_OPS_HOSTS", self.ops_hosts.or(file.ops_hosts))?,
            public_url: self.public_url.or(file.public_url),
            content_url: self.content_url.or(file.content_url),
            security_contact: origins::contact(self.security_contact.or(file.security_contact))?,
            client_details: clients::details(
                self.client_details_days.or(file.client_details_days),
                self.client_details_by_class.or(file.client_details_by_class),
            )?,
            tls: TlsConfig::of(
                [self.tls_certificate.or(file.tls_certificate), self.tls_key.or(file.tls_key)],
                [
                    self.content_tls_certificate.or(file.content_tls_certificate),
                    self.content_tls_key.or(file.content_tls_key),
                ],
            )?,
            behind_proxy: self.behind_proxy.or(file.behind_proxy).unwrap_or(false),
            trusted_proxies: clients::trusted_proxies(self.trusted_proxies.or(file.trusted_proxies))?,
            limits: clients::limits(self.limits.or(file.limits))?,
            largest_upload: self.largest_upload.or(file.largest_upload).unwrap_or(LARGEST_UPLOAD),
            stop_notice: clients::notice(self.stop_notice.or(file.stop_notice))?,
            path_policy: self.path_policy.or(file.path_policy).unwrap_or_default(),
            workers: self.workers.or(file.workers).unwrap_or_else(processors),
            connections: self.connections.or(file.connections),
            store,
            objects,
            unenforced: self.unenforced.or(file.unenforced).unwrap_or_default(),
            scanner: ScannerConfig::of(
                self.scanner_command.or(file.scanner_command),
                self.scanner_url.or(file.scanner_url),
                self.scanner_timeout.or(file.scanner_timeout),
            )?,
            mail: MailConfig::of(
                self.mail.or(file.mail),
                self.mail_from.or(file.mail_from),
                self.mail_password_file.or(file.mail_password_file),
            )?,
            webhook_allow_private: webhooks::allowed(self.webhook_allow_private.or(file.webhook_allow_private))?,
            oidc: OidcConfig::of(
                file.oidc,
                OidcGiven {
                    name: None,
                    issuer: self.oidc_issuer.or(file.oidc_issuer),
                    audience: self.oidc_audience.or(file.oidc_audience),
                    client_id: self.oidc_client_id.or(file.oidc_client_id),
                    client_secret_file: self.oidc_client_secret_file.or(file.oidc_client_secret_file),
                    tenant: self.oidc_tenant.or(file.oidc_tenant),
                    accepted_acr: oidc::classes(self.oidc_accepted_acr.or(file.oidc_accepted_acr)),
                },
            )?,
            log_format: self.log_format.or(file.log_format).unwrap_or_default(),
            log: self.log.or(file.log).unwrap_or_default(),
        };
        config.check()?;
        Ok(config)
    }
}

fn read(file: &Path) -> Result<Given, ConfigError> {
    let text =
        std::fs::read_to_string(file).map_err(|source| ConfigError::Unreadable { file: file.to_owned(), source })?;
    toml::from_str(&text).map_err(|source| {
        let number = source.span().and_then(|span| Some(text.get(..span.start)?.matches('\n').count()));
        let line = number.map_or_else(String::new, |number| {
            // Its name, and not what is set.
            let name =
                text.lines().nth(number).and_then(|line| line.split_once('=')).map_or("", |(name, _)| name.trim());
            format!(", line {} ({name})", number + 1)
        });
        ConfigError::Malformed { file: file.to_owned(), line, source: Box::new(source) }
    })
}

fn processors() -> usize {
    std::thread::available_parallelism().map_or(1, Into::into)
}

impl Config {
    /// How pages and content are reached where nothing else is said.
    pub(crate) fn scheme(&self) -> &'static str {
        if self.tls.is_some() { "https" } else { "http" }
    }

    /// Whether the settings go together.
    ///
    /// # Errors
    /// When they do not.
    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        if self.workers == 0 || self.workers > 1_024 {
            return Err(wrong("CLOAKROOM_WORKERS", "must be 1 to 1024"));
        }
        if self.connections.is_some_and(|connections| !(64..=65_536).contains(&connections)) {
            return Err(wrong("CLOAKROOM_CONNECTIONS", "must be 64 to 65536"));
        }
        if let Some(days) = self.root_key_days {
            root_keys::check_days(days, &self.root_keys, &self.store)?;
        }
        for (setting, address) in [("CLOAKROOM_LISTEN", self.listen), ("CLOAKROOM_CONTENT_LISTEN", self.content_listen)]
        {
            if !address.ip().is_loopback() && !self.behind_proxy && self.tls.is_none() {
                return Err(wrong(
                    setting,
                    format!(
                        "{address} is reachable from other machines, and would be asked without TLS: name a certificate with \
                         CLOAKROOM_TLS_CERTIFICATE, or put a proxy that ends TLS before it and set \
                         CLOAKROOM_BEHIND_PROXY=true, or listen on 127.0.0.1"
                    ),
                ));
            }
        }
        let urls = [("CLOAKROOM_PUBLIC_URL", &self.public_url), ("CLOAKROOM_CONTENT_URL", &self.content_url)];
        for (setting, url) in urls {
            if let Some(url) = url {
                check_origin(setting, url)?;
                if self.tls.is_some() && !url.starts_with("https:") {
                    return Err(wrong(setting, format!("{url} must be https, since CLOAKROOM_TLS_CERTIFICATE is set")));
                }
            } else if !self.listen.ip().is_loopback() {
                return Err(wrong(setting, "must be set when listening beyond this machine"));
            }
        }
        let listens_on = self.listen.ip().to_string();
        let public = self.public_url.as_deref().map_or(listens_on.as_str(), host);
        let content = self.content_url.as_deref().map_or("localhost", host);
        if !apart(public, content) {
            return Err(wrong(
                "CLOAKROOM_CONTENT_URL",
                format!(
                    "pages on {public} and user content on {content} would share cookies: the content needs another host \
                     name (no address, since artifacts get hosts below it), and pages a host that is not below it"
                ),
            ));
        }
        // Where people use https, somebody ends TLS: this program, or a proxy.
        let is_encrypted = self.public_url.as_ref().is_some_and(|url| url.starts_with("https:"));
        let has_proxy = self.behind_proxy || (is_encrypted && self.tls.is_none());
        if has_proxy { clients::need_proxies(&self.trusted_proxies) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(given: Given) -> String {
        given.complete().unwrap_err().to_string()
    }

    fn text(text: &str) -> Option<String> {
        Some(text.into())
    }

    #[test]
    fn nothing_needs_to_be_set() {
        let config = Given::default().complete().unwrap();
        assert_eq!(config.stop_notice, Duration::ZERO);
        assert_eq!(config.listen.to_string(), "127.0.0.1:8080");
        assert_eq!((config.store, config.objects), (StoreConfig::Embedded, ObjectsConfig::Embedded));
    }

    #[test]
    fn other_machines_are_let_in_only_behind_a_proxy() {
        let everywhere = Given { listen: "0.0.0.0:80".parse().ok(), ..Given::default() };
        assert!(fault(everywhere.clone()).contains("CLOAKROOM_BEHIND_PROXY"));
        let behind = Given { behind_proxy: Some(true), ..everywhere };
        assert!(fault(behind.clone()).contains("CLOAKROOM_PUBLIC_URL"));
        let named = Given { public_url: text("https://a.example"), content_url: text("https://b.example"), ..behind };
        assert!(fault(named.clone()).contains("CLOAKROOM_TRUSTED_PROXIES"));
        let known = Given { trusted_proxies: text("10.0.0.0/8"), ..named };
        assert!(known.complete().is_ok());
    }

    #[test]
    fn other_machines_are_let_in_over_tls_of_our_own() {
        let everywhere = Given {
            listen: "0.0.0.0:443".parse().ok(),
            public_url: text("https://a.example"),
            content_url: text("https://b.example"),
            tls_certificate: Some("tls.pem".into()),
            tls_key: Some("tls.key".into()),
            ..Given::default()
        };
        let tls = everywhere.clone().complete().unwrap().tls.unwrap();
        assert_eq!(tls.api, tls.content);
        // Whoever comes through a proxy besides is not believed without its address.
        let behind = Given { behind_proxy: Some(true), ..everywhere.clone() };
        assert!(fault(behind).contains("CLOAKROOM_TRUSTED_PROXIES"));
        let half = Given { tls_key: None, ..everywhere.clone() };
        assert!(fault(half).contains("CLOAKROOM_TLS_KEY"));
        let content = Given { content_tls_key: Some("c.key".into()), ..everywhere };
        assert!(fault(content).contains("CLOAKROOM_CONTENT_TLS_CERTIFICATE"));
    }

    #[test]
    fn origins_are_origins() {
        for wrong in
            ["example.com", "ftp://a", "https://", "https://a/b", "https://a?b", "https://a b", "http://a.example"]
        {
            let given = Given { public_url: text(wrong), ..Given::default() };
            assert!(fault(given).contains("CLOAKROOM_PUBLIC_URL"), "{wrong}");
        }
        for right in
            ["https://a.example", "https://a.example:8443", "http://127.0.0.1:1", "http://[::1]:1", "http://localhost"]
        {
            let content_url = text("https://content.example");
            let trusted_proxies = text("127.0.0.1");
            let given = Given { public_url: text(right), content_url, trusted_proxies, ..Given::default() };
            assert!(given.complete().is_ok(), "{right}");
        }
    }

    #[test]
    fn pages_and_content_have_hosts_of_their_own() {
        assert!(apart("127.0.0.1", "localhost"));
        assert!(apart("share.example", "content.example"));
        assert!(apart("a.example", "content.a.example"));
        for (public, content) in [
            ("localhost", "localhost"),
            ("127.0.0.1", "127.0.0.1"),
            ("localhost", "127.0.0.1"),
            ("app.content.example", "content.example"),
        ] {
            assert!(!apart(public, content), "{public} {content}");
        }
    }

    #[test]
    fn content_has_a_host_of_its_own_also_by_default() {
        for (public, content) in [
            (Some("https://a.example"), Some("https://a.example:444")),
            (Some("http://localhost:8080"), None),
            (None, Some("http://127.0.0.1:8081")),
        ] {
            let text = |url: Option<&str>| url.map(str::to_owned);
            let given = Given { public_url: text(public), content_url: text(content), ..Given::default() };
            assert!(fault(given).contains("CLOAKROOM_CONTENT_URL"), "{public:?} {content:?}");
        }
    }

    #[test]
    fn the_file_is_strict_and_loses_to_variables() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("c.toml");
        std::fs::write(&file, "largest_upload = 7\nworkers = 3\n").unwrap();
        let given = Given { config: Some(file.clone()), workers: Some(2), ..Given::default() };
        let config = given.clone().complete().unwrap();
        assert_eq!((config.largest_upload, config.workers), (7, 2));
        std::fs::write(&file, "largest_uplaod = 7\n").unwrap();
        assert!(fault(given.clone()).contains("largest_uplaod"));
        std::fs::remove_file(&file).unwrap();
        assert!(fault(given).contains("cannot be read"));
    }

    #[test]
    fn s3_wants_a_bucket() {
        let given = Given { objects: Some(ObjectsKind::S3), ..Given::default() };
        assert!(fault(given).contains("CLOAKROOM_S3_BUCKET"));
    }
}
