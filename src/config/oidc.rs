//! The settings of identity providers: a list in the file, or one by variables.

use std::path::PathBuf;

use serde::Deserialize;

use crate::{
    domain::{identity::Issuer, ids::TenantId, text::is_invisible},
    outward::Destination,
};

use super::{ConfigError, wrong};

/// What a provider is called where nothing else is said.
const DEFAULT_NAME: &str = "sso";

/// One provider as it is given: `[[oidc]]` in the file, or the variables `CLOAKROOM_OIDC_…`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "each is said at its flag, and at what it becomes")]
pub struct OidcGiven {
    pub name: Option<String>,
    pub issuer: Option<String>,
    pub audience: Option<String>,
    pub client_id: Option<String>,
    pub client_secret_file: Option<PathBuf>,
    pub tenant: Option<String>,
    #[serde(default)]
    pub accepted_acr: Vec<String>,
}

/// A provider with all it needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OidcConfig {
    /// What it is called in URLs and logs.
    pub name: String,
    /// What it calls itself.
    pub issuer: Issuer,
    /// Where it is: the same text.
    pub location: Destination,
    /// What it calls our API in access tokens; without it, it issues no bearer tokens for us.
    pub audience: Option<String>,
    /// As which client we send people there; without it, nobody signs in there.
    pub client: Option<OidcClient>,
    /// Whose people it vouches for.
    pub tenant: TenantId,
    /// Which authentication context classes count as a second factor.
    pub accepted_acr: Vec<String>,
}

/// What we are to a provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OidcClient {
    /// Our name there.
    pub id: String,
    /// Where our secret is; a public client has none.
    pub secret_file: Option<PathBuf>,
}

/// Where settings came from, to name them as their author does.
#[derive(Clone, Copy)]
enum Source {
    File,
    Variables,
}

/// The settings of a provider, by their place in the file and their variable.
#[derive(Clone, Copy)]
enum Field {
    Name,
    Issuer,
    Audience,
    ClientId,
    ClientSecretFile,
    Tenant,
    AcceptedAcr,
}

impl Source {
    fn wrong(self, field: Field, message: impl Into<String>) -> ConfigError {
        let (in_file, variable) = match field {
            Field::Name => ("[[oidc]] name", "CLOAKROOM_OIDC_ISSUER"),
            Field::Issuer => ("[[oidc]] issuer", "CLOAKROOM_OIDC_ISSUER"),
            Field::Audience => ("[[oidc]] audience", "CLOAKROOM_OIDC_AUDIENCE"),
            Field::ClientId => ("[[oidc]] client_id", "CLOAKROOM_OIDC_CLIENT_ID"),
            Field::ClientSecretFile => ("[[oidc]] client_secret_file", "CLOAKROOM_OIDC_CLIENT_SECRET_FILE"),
            Field::Tenant => ("[[oidc]] tenant", "CLOAKROOM_OIDC_TENANT"),
            Field::AcceptedAcr => ("[[oidc]] accepted_acr", "CLOAKROOM_OIDC_ACCEPTED_ACR"),
        };
        wrong(if matches!(self, Self::File) { in_file } else { variable }, message)
    }
}

/// The classes of a variable: spaces separate them, as in a request (`acr_values`).
pub(super) fn classes(text: Option<String>) -> Vec<String> {
    text.unwrap_or_default().split_whitespace().map(str::to_owned).collect()
}

impl OidcGiven {
    fn is_empty(&self) -> bool {
        let texts = [&self.issuer, &self.audience, &self.client_id, &self.tenant];
        texts.iter().all(|text| text.is_none()) && self.client_secret_file.is_none() && self.accepted_acr.is_empty()
    }

    fn complete(self, source: Source) -> Result<OidcConfig, ConfigError> {
        let name = self.name.unwrap_or_else(|| DEFAULT_NAME.into());
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        if name.is_empty() || name.len() > 32 || !name.bytes().all(plain) {
            return Err(source.wrong(Field::Name, "must have 1 to 32 characters, of a-z, 0-9 and -"));
        }
        let issuer = self.issuer.ok_or_else(|| {
            source
                .wrong(Field::Issuer, "must be set: the URL that the provider calls itself, such as https://id.example")
        })?;
        let location =
            Destination::parse(&issuer).map_err(|fault| source.wrong(Field::Issuer, format!("{issuer} {fault}")))?;
        if issuer.contains('?') {
            return Err(source.wrong(Field::Issuer, format!("{issuer} has a query, and no issuer has one")));
        }
        let parsed = Issuer::parse(&issuer).map_err(|fault| source.wrong(Field::Issuer, fault.to_string()))?;
        let short = |field, text: Option<String>| match text {
            Some(text) if text.is_empty() || text.len() > 512 || text.chars().any(is_invisible) => {
                Err(source.wrong(field, "must have 1 to 512 characters, all of them visible"))
            }
            text => Ok(text),
        };
        let audience = short(Field::Audience, self.audience)?;
        let client = match (short(Field::ClientId, self.client_id)?, self.client_secret_file) {
            (Some(id), secret_file) => Some(OidcClient { id, secret_file }),
            (None, Some(_)) => {
                return Err(source.wrong(Field::ClientSecretFile, "goes with a client_id, and there is none"));
            }
            (None, None) => None,
        };
        if audience.is_none() && client.is_none() {
            let neither =
                "set it to take the provider's access tokens, or a client_id to let people sign in there, or both";
            return Err(source.wrong(Field::Audience, neither));
        }
        let tenant = self.tenant.unwrap_or_default();
        let tenant = tenant.parse().map_err(|_| {
            let wanted = "must be the id of the tenant whose people the provider vouches for, such as ten_… \
                          (cloakroom tenant list)";
            source.wrong(Field::Tenant, wanted)
        })?;
        if self.accepted_acr.iter().any(|class| class.is_empty() || !class.bytes().all(|byte| byte.is_ascii_graphic()))
        {
            return Err(source.wrong(Field::AcceptedAcr, "must be names of classes, without spaces in them"));
        }
        Ok(OidcConfig { name, issuer: parsed, location, audience, client, tenant, accepted_acr: self.accepted_acr })
    }
}

impl OidcConfig {
    /// The providers of the file's list or the one of the variables.
    pub(super) fn of(listed: Vec<OidcGiven>, single: OidcGiven) -> Result<Vec<Self>, ConfigError> {
        if listed.is_empty() {
            let single = Some(single).filter(|single| !single.is_empty());
            return single.into_iter().map(|single| single.complete(Source::Variables)).collect();
        }
        if !single.is_empty() {
            let both = "set CLOAKROOM_OIDC_… for one provider or [[oidc]] in the file for several, and not both";
            return Err(wrong("CLOAKROOM_OIDC_ISSUER", both));
        }
        let all = listed.into_iter().map(|given| given.complete(Source::File)).collect::<Result<Vec<_>, _>>()?;
        for (place, one) in all.iter().enumerate() {
            for other in &all[..place] {
                if one.name == other.name {
                    let message = format!("two providers are called {}: give each a name of its own", one.name);
                    return Err(Source::File.wrong(Field::Name, message));
                }
                if one.issuer == other.issuer && one.audience.is_some() && one.audience == other.audience {
                    let message = format!("{} issues tokens for this audience twice", one.issuer);
                    return Err(Source::File.wrong(Field::Audience, message));
                }
            }
        }
        Ok(all)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TENANT: &str = "ten_00000000000000000000000000000001";

    fn text(text: &str) -> Option<String> {
        Some(text.into())
    }

    fn given() -> OidcGiven {
        OidcGiven {
            issuer: text("https://id.example/realm"),
            audience: text("https://share.example"),
            tenant: text(TENANT),
            ..OidcGiven::default()
        }
    }

    #[track_caller]
    fn refused(given: OidcGiven, setting: &str) {
        let by_variables = OidcConfig::of(Vec::new(), given.clone()).unwrap_err().to_string();
        assert!(by_variables.starts_with(&format!("CLOAKROOM_OIDC_{setting}: ")), "{by_variables}");
        let in_file = OidcConfig::of(vec![given], OidcGiven::default()).unwrap_err().to_string();
        assert!(in_file.starts_with(&format!("[[oidc]] {}: ", setting.to_lowercase())), "{in_file}");
    }

    #[test]
    fn without_settings_there_is_no_provider() {
        assert_eq!(OidcConfig::of(Vec::new(), OidcGiven::default()).unwrap(), []);
    }

    #[test]
    fn one_provider_takes_three_settings() {
        let [config] = OidcConfig::of(Vec::new(), given()).unwrap().try_into().unwrap();
        assert_eq!((config.name.as_str(), config.issuer.as_str()), ("sso", "https://id.example/realm"));
        assert_eq!((config.client, config.accepted_acr.len()), (None, 0));
    }

    #[test]
    fn the_file_lists_providers_strictly() {
        #[derive(Deserialize)]
        struct File {
            oidc: Vec<OidcGiven>,
        }
        let file = format!(
            "[[oidc]]\nname = \"work\"\nissuer = \"https://a.example\"\nclient_id = \"c\"\nclient_secret_file = \"/s\"\n\
             tenant = \"{TENANT}\"\naccepted_acr = [\"gold\"]\n\n[[oidc]]\nname = \"ci\"\nissuer = \
             \"http://127.0.0.1:9\"\naudience = \"api\"\ntenant = \"{TENANT}\"\n"
        );
        let listed: File = toml::from_str(&file).unwrap();
        let [work, ci] = OidcConfig::of(listed.oidc.clone(), OidcGiven::default()).unwrap().try_into().unwrap();
        assert_eq!(work.client, Some(OidcClient { id: "c".into(), secret_file: Some("/s".into()) }));
        assert_eq!((work.audience, ci.audience.as_deref()), (None, Some("api")));
        assert!(toml::from_str::<File>(&file.replace("accepted_acr", "client_secret")).is_err());
        assert!(OidcConfig::of(listed.oidc, given()).unwrap_err().to_string().contains("not both"));
    }

    #[test]
    fn what_is_wrong_is_named_as_its_author_wrote_it() {
        for issuer in [
            "",
            "id.example",
            "http://id.example",
            "https://",
            "https://a@b",
            "https://a/#b",
            "https://a/?b",
            "ftp://a",
        ] {
            refused(OidcGiven { issuer: text(issuer), ..given() }, "ISSUER");
        }
        refused(OidcGiven { issuer: None, ..given() }, "ISSUER");
        for audience in [text(""), text("a\nb"), None] {
            refused(OidcGiven { audience, ..given() }, "AUDIENCE");
        }
        refused(OidcGiven { client_id: text(""), ..given() }, "CLIENT_ID");
        refused(OidcGiven { client_secret_file: Some("/s".into()), ..given() }, "CLIENT_SECRET_FILE");
        for tenant in [None, text(""), text("First"), text("key_00000000000000000000000000000001")] {
            refused(OidcGiven { tenant, ..given() }, "TENANT");
        }
        refused(OidcGiven { accepted_acr: vec!["a b".into()], ..given() }, "ACCEPTED_ACR");
    }

    #[test]
    fn no_two_providers_are_one() {
        let twice = |one: OidcGiven, other: OidcGiven| {
            OidcConfig::of(vec![one, other], OidcGiven::default()).map_err(|fault| fault.to_string())
        };
        let other = OidcGiven { name: text("other"), ..given() };
        assert!(twice(given(), given()).unwrap_err().contains("name of its own"));
        assert!(twice(given(), other.clone()).unwrap_err().contains("twice"));
        assert!(twice(given(), OidcGiven { audience: text("else"), ..other }).is_ok());
        for name in ["", "Work", "a/b", "a.b", &"x".repeat(33)] {
            assert!(twice(given(), OidcGiven { name: text(name), ..given() }).unwrap_err().contains("[[oidc]] name"));
        }
    }
}
