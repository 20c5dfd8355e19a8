//! Which bucket, and under which addresses the broker and its clients see it.

use crate::objects::{ObjectKey, encode::percent_encode};

/// Where the objects are.
#[derive(Clone, Debug)]
pub struct S3Settings {
    /// The bucket.
    pub bucket: String,
    /// The region that requests are signed for.
    pub region: String,
    /// The service, when it is not Amazon's own: `http://127.0.0.1:4566`.
    pub endpoint: Option<String>,
    /// The service as clients see it, when that is another name than the broker uses.
    pub public_endpoint: Option<String>,
    /// `endpoint/bucket/key` instead of `bucket.endpoint/key`.
    pub path_style: bool,
}

/// Why S3 cannot be used like this.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotUsable {
    /// An endpoint is written `https://host:port`, and nothing more.
    #[error("an S3 endpoint is written https://host or https://host:port, which {0:?} is not")]
    Endpoint(String),
    /// A bucket name as S3 allows it, and a region.
    #[error("the bucket or the region is missing or malformed")]
    Name,
    /// Nothing to sign with.
    #[error("no source of AWS credentials is configured")]
    NoCredentials,
}

/// Where clients find the bucket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Address {
    /// The bucket itself: its path has a slash at the end only where it is nothing else.
    bucket: String,
    /// Everything of an object's URL that comes before the key.
    before_key: String,
}

impl Address {
    /// The address that clients use.
    pub(super) fn of(settings: &S3Settings) -> Result<Self, NotUsable> {
        let S3Settings { bucket, region, .. } = settings;
        let name = |text: &str, also: &[u8]| {
            !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || also.contains(&byte))
        };
        if !name(bucket, b".-_") || !name(region, b"-") {
            return Err(NotUsable::Name);
        }
        let amazons_own = || {
            let country = if region.starts_with("cn-") { ".cn" } else { "" };
            format!("https://s3.{region}.amazonaws.com{country}")
        };
        if let Some(internal) = &settings.endpoint {
            host_of(internal)?;
        }
        let endpoint =
            settings.public_endpoint.clone().or_else(|| settings.endpoint.clone()).unwrap_or_else(amazons_own);
        let (scheme, host) = host_of(&endpoint)?;
        // A certificate for *.s3.amazonaws.com does not cover a bucket with a dot in it.
        let path_style = settings.path_style || (scheme == "https" && bucket.contains('.'));
        let (root, before_key) = if path_style {
            let root = format!("{scheme}://{host}/{bucket}");
            (root.clone(), root + "/")
        } else {
            let root = format!("{scheme}://{bucket}.{host}/");
            (root.clone(), root)
        };
        Ok(Self { bucket: root, before_key })
    }

    /// The URL of an object.
    pub(super) fn object(&self, key: &ObjectKey) -> String {
        format!("{}{}", self.before_key, percent_encode(key.as_str(), b"/"))
    }

    /// Scheme and host of all URLs.
    pub(super) fn origin(&self) -> &str {
        let end = self.bucket.match_indices('/').nth(2).map_or(self.bucket.len(), |(index, _)| index);
        &self.bucket[..end]
    }

    /// The URL that forms are posted to.
    pub(super) fn bucket(&self) -> &str {
        &self.bucket
    }
}

fn host_of(endpoint: &str) -> Result<(&str, &str), NotUsable> {
    let fault = || NotUsable::Endpoint(endpoint.into());
    let (scheme, rest) = endpoint.split_once("://").ok_or_else(fault)?;
    let host = rest.strip_suffix('/').unwrap_or(rest);
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b".-:[]".contains(&byte);
    if matches!(scheme, "http" | "https") && !host.is_empty() && host.bytes().all(plain) {
        Ok((scheme, host))
    } else {
        Err(fault())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(change: impl FnOnce(&mut S3Settings)) -> Result<String, NotUsable> {
        let mut settings = S3Settings {
            bucket: "files".into(),
            region: "eu-central-1".into(),
            endpoint: None,
            public_endpoint: None,
            path_style: false,
        };
        change(&mut settings);
        Address::of(&settings).map(|address| address.before_key)
    }

    #[test]
    fn addresses_follow_the_settings() {
        let good = |change: fn(&mut S3Settings)| address(change).unwrap();
        assert_eq!(good(|_| ()), "https://files.s3.eu-central-1.amazonaws.com/");
        assert_eq!(good(|it| it.path_style = true), "https://s3.eu-central-1.amazonaws.com/files/");
        assert_eq!(good(|it| it.region = "cn-north-1".into()), "https://files.s3.cn-north-1.amazonaws.com.cn/");
        assert_eq!(good(|it| it.bucket = "a.b".into()), "https://s3.eu-central-1.amazonaws.com/a.b/");
        let internal = good(|it| {
            it.endpoint = Some("http://127.0.0.1:4566/".into());
            it.path_style = true;
        });
        assert_eq!(internal, "http://127.0.0.1:4566/files/");
        let public = good(|it| {
            it.endpoint = Some("http://storage:9000".into());
            it.public_endpoint = Some("https://files.example".into());
            it.path_style = true;
        });
        assert_eq!(public, "https://files.example/files/");
    }

    #[test]
    fn an_origin_is_scheme_and_host() {
        let origin = |path_style| {
            let mut settings = S3Settings {
                bucket: "files".into(),
                region: "eu-central-1".into(),
                endpoint: None,
                public_endpoint: None,
                path_style: false,
            };
            settings.path_style = path_style;
            Address::of(&settings).unwrap().origin().to_owned()
        };
        assert_eq!(origin(false), "https://files.s3.eu-central-1.amazonaws.com");
        assert_eq!(origin(true), "https://s3.eu-central-1.amazonaws.com");
    }

    #[test]
    fn what_is_no_endpoint_is_refused() {
        for text in ["", "127.0.0.1", "ftp://a", "https://", "https://a/b", "https://u@a", "https://a?b", "https://a b"]
        {
            assert!(address(|it| it.endpoint = Some(text.into())).is_err(), "{text}");
            assert!(address(|it| it.public_endpoint = Some(text.into())).is_err(), "{text}");
        }
        assert_eq!(address(|it| it.bucket = "a/b".into()), Err(NotUsable::Name));
        assert_eq!(address(|it| it.region = String::new()), Err(NotUsable::Name));
    }
}
