//! HTML that is built here: escaped text, and the frame of pages that must
//! stand alone.

/// The only inline style there is, for pages on hosts that do not serve our
/// stylesheet. `pages::STATIC_POLICY` allows it by its hash.
pub(super) const PLAIN_STYLE: &str = include_str!("assets/plain.css");

/// Text as it may stand between tags and in quoted attributes.
pub(super) fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            other => safe.push(other),
        }
    }
    safe
}

/// A page without script, with its style inside. The body is HTML already.
pub(super) fn standalone(title: &str, body: &str) -> String {
    let title = escaped(title);
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n\
         <title>{title}</title>\n<style>{PLAIN_STYLE}</style>\n</head>\n<body>\n{body}\n</body>\n</html>\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_never_becomes_markup() {
        assert_eq!(escaped(r#"<a b="c" d='e'>&"#), "&lt;a b=&quot;c&quot; d=&#39;e&#39;&gt;&amp;");
        assert_eq!(escaped("é ✓ שלום"), "é ✓ שלום");
        assert!(standalone("</title><script>", "").contains("<title>&lt;/title&gt;&lt;script&gt;</title>"));
    }
}
