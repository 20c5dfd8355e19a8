//! Percent-encoding, as signatures and file names in headers need it.

/// Keeps the unreserved characters of RFC 3986 and what is in `also`; every
/// other byte of the UTF-8 form becomes `%XX`.
pub(super) fn percent_encode(text: &str, also: &[u8]) -> String {
    let mut encoded = String::with_capacity(text.len() + 16);
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) || also.contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_unreserved_characters_stay() {
        assert_eq!(percent_encode("a b+c%d/é~", b""), "a%20b%2Bc%25d%2F%C3%A9~");
        assert_eq!(percent_encode("a/b c", b"/"), "a/b%20c");
    }
}
