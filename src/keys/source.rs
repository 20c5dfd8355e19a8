//! Where the document of keys lies, as it is set.
//!
//! Never here: reading it, see [`super::place`].

use std::{convert::Infallible, fmt, path::PathBuf, str::FromStr};

use serde::Deserialize;

/// Where the keys of a deployment are.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(from = "String")]
pub enum KeySource {
    /// In this file.
    File(PathBuf),
    /// In this variable of the environment.
    Environment(String),
    /// In this secret of AWS Secrets Manager, by its name or ARN.
    Secret(String),
    /// In this parameter of the AWS Systems Manager Parameter Store, by its name or ARN.
    Parameter(String),
}

impl From<String> for KeySource {
    fn from(text: String) -> Self {
        match text.split_once(':') {
            Some(("env", name)) => Self::Environment(name.to_owned()),
            Some(("secretsmanager", id)) => Self::Secret(id.to_owned()),
            Some(("ssm", name)) => Self::Parameter(name.to_owned()),
            _ => Self::File(text.into()),
        }
    }
}

impl FromStr for KeySource {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(text.to_owned().into())
    }
}

impl fmt::Display for KeySource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(file) => write!(f, "{}", file.display()),
            Self::Environment(name) => write!(f, "env:{name}"),
            Self::Secret(id) => write!(f, "secretsmanager:{id}"),
            Self::Parameter(name) => write!(f, "ssm:{name}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_is_shown_as_it_is_given() {
        let arn = "secretsmanager:arn:aws:secretsmanager:eu-central-1:123456789012:secret:keys-AbCdEf";
        for text in ["keys.json", "/etc/keys.json", "env:KEYS", arn, "ssm:/cloakroom/keys"] {
            assert_eq!(KeySource::from(text.to_owned()).to_string(), text);
        }
        assert_eq!(KeySource::from(arn.to_owned()), KeySource::Secret(arn["secretsmanager:".len()..].to_owned()));
        assert_eq!(KeySource::from("a:b".to_owned()), KeySource::File("a:b".into()));
    }
}
