//! Why a request as agreed was refused, and what to do about it.

use time::OffsetDateTime;

use crate::domain::instant::Instant;

use super::request::Answer;

/// Clocks that differ by less are not the reason for anything.
const TOLERATED_SECONDS: u64 = 60;

/// A sentence or two for the operator. What the storage wrote is not in it,
/// but for its error code.
pub(super) fn of(answer: &Answer, now: Instant) -> String {
    let code = code(&answer.body);
    let said = match &code {
        Some(code) => format!("the storage answered {} ({code})", answer.status),
        None => format!("the storage answered {}", answer.status),
    };
    let remedy = match code.as_deref() {
        _ if skew(answer, now) > TOLERATED_SECONDS => {
            format!("its clock and the clock here differ by {} seconds: set the clock", skew(answer, now))
        }
        Some("RequestTimeTooSkewed" | "RequestExpired") => "set the clock of this machine".into(),
        Some("SignatureDoesNotMatch" | "InvalidAccessKeyId" | "InvalidToken" | "ExpiredToken") => {
            "check the AWS credentials, and that clients reach the storage under the name in CLOAKROOM_S3_ENDPOINT or \
             CLOAKROOM_S3_PUBLIC_ENDPOINT: a proxy that changes the host breaks every signature"
                .into()
        }
        Some("NoSuchBucket") => "check CLOAKROOM_S3_BUCKET, and CLOAKROOM_S3_PATH_STYLE".into(),
        Some(
            "AuthorizationHeaderMalformed" | "PermanentRedirect" | "TemporaryRedirect" | "IllegalLocationConstraint",
        ) => "the bucket is in another region: set AWS_REGION".into(),
        Some("AccessDenied") => "check what the role of this broker may do below inbox/".into(),
        _ if (300..400).contains(&answer.status) => "the bucket is elsewhere: check region and endpoint".into(),
        _ if answer.status >= 500 => "the storage itself is at fault; try again".into(),
        _ => "check endpoint, region, bucket and credentials".into(),
    };
    format!("{said}; {remedy}")
}

/// The error code of S3: `<Code>NoSuchBucket</Code>`.
fn code(body: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(body);
    let code = text.split_once("<Code>")?.1.split_once("</Code>")?.0;
    let is_word = !code.is_empty() && code.len() <= 64 && code.bytes().all(|byte| byte.is_ascii_alphanumeric());
    is_word.then(|| code.to_owned())
}

/// By how many seconds the clock of the storage differs from ours.
fn skew(answer: &Answer, now: Instant) -> u64 {
    let date = answer.date.as_deref().and_then(|date| {
        let date = date.strip_suffix("GMT")?.to_owned() + "+0000";
        OffsetDateTime::parse(&date, &time::format_description::well_known::Rfc2822).ok()
    });
    let theirs = date.and_then(|date| u64::try_from(date.unix_timestamp()).ok());
    theirs.map_or(0, |theirs| theirs.abs_diff(now.as_unix_seconds()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-11-22T18:30:00Z
    const NOW: Instant = Instant::from_unix_seconds(1_795_372_200);

    fn said(status: u16, body: &str, date: Option<&str>) -> String {
        of(&Answer { status, date: date.map(str::to_owned), body: body.into() }, NOW)
    }

    #[test]
    fn the_reason_is_named_with_its_remedy() {
        for (status, code, words) in [
            (403, "SignatureDoesNotMatch", "credentials"),
            (403, "InvalidAccessKeyId", "credentials"),
            (403, "RequestTimeTooSkewed", "clock"),
            (404, "NoSuchBucket", "CLOAKROOM_S3_BUCKET"),
            (403, "AccessDenied", "role"),
            (301, "PermanentRedirect", "region"),
            (301, "Unheard", "region"),
            (503, "SlowDown", "try again"),
            (400, "Unheard", "endpoint"),
        ] {
            let said = said(status, &format!("<Error><Code>{code}</Code></Error>"), None);
            assert!(said.contains(words) && said.contains(code) && said.contains(&status.to_string()), "{said}");
        }
        assert!(!said(400, "<Code>\u{1b}[31m</Code>", None).contains('\u{1b}'));
    }

    #[test]
    fn a_clock_that_is_wrong_is_seen_whatever_the_code_says() {
        let denied = "<Code>AccessDenied</Code>";
        assert!(said(403, denied, Some("Sun, 22 Nov 2026 17:30:00 GMT")).contains("3600 seconds"));
        assert!(!said(403, denied, Some("Sun, 22 Nov 2026 18:30:05 GMT")).contains("clock"));
        assert!(!said(403, denied, Some("yesterday")).contains("clock"));
    }
}
