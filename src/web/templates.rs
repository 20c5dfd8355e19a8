//! Templates: the pages' markup, filled in with words and with where the
//! assets are. Nothing that a caller sent, or that anybody stored, goes in.

use std::sync::LazyLock;

use minijinja::{AutoEscape, Environment, Value, context, value::Serde};

use super::{assets, words, words::Language};

macro_rules! sources {
    ($($name:literal),* $(,)?) => { [$(($name, include_str!(concat!("templates/", $name)))),*] };
}

/// All of them.
pub(super) const SOURCES: [(&str, &str); 11] = sources![
    "frame.html",
    "views.html",
    "welcome.html",
    "share.html",
    "session.html",
    "link.html",
    "request.html",
    "console.html",
    "standalone.html",
    "not-admitted.html",
    "refused.html",
];

#[expect(clippy::expect_used, reason = "the templates are part of the program, and a test renders each")]
static ENVIRONMENT: LazyLock<Environment<'static>> = LazyLock::new(|| {
    let mut environment = Environment::new();
    environment.set_auto_escape_callback(|_| AutoEscape::Html);
    environment.set_undefined_behavior(minijinja::UndefinedBehavior::SemiStrict);
    environment.add_filter("rich", |text: &str| Value::from_safe_string(rich(text)));
    for (name, source) in SOURCES {
        environment.add_template(name, source).expect("a template can be read");
    }
    environment
});

/// A page in a language.
#[expect(clippy::expect_used, reason = "the templates are part of the program, and a test renders each")]
pub(super) fn rendered(name: &str, language: Language, more: Value) -> String {
    let words = words::of(language);
    let page = context! {
        language => language.tag(),
        direction => language.direction(),
        assets => Value::from_safe_string(assets::base(language)),
        words => Value::from(Serde(&words[words::FOR_TEMPLATES])),
        ..more
    };
    let template = ENVIRONMENT.get_template(name).expect("the template is there");
    template.render(page).expect("the template is whole")
}

/// Text for a place between tags: `{name}` becomes a slot that scripts fill
/// with somebody's name, `**…**` is strong.
fn rich(text: &str) -> String {
    let escaped = super::html::escaped(text);
    let mut made = String::with_capacity(escaped.len() + 32);
    for (number, part) in escaped.split("**").enumerate() {
        if number > 0 {
            made.push_str(if number % 2 == 1 { "<strong>" } else { "</strong>" });
        }
        let mut pieces = part.split('{');
        made.push_str(pieces.next().unwrap_or_default());
        for piece in pieces {
            let (name, after) = piece.split_once('}').unwrap_or((piece, ""));
            made.push_str(&format!("<bdi data-slot=\"{name}\" dir=\"auto\"></bdi>{after}"));
        }
    }
    made
}

#[cfg(test)]
mod tests {
    use super::rich;

    #[test]
    fn words_become_markup_in_two_ways_only() {
        assert_eq!(rich("a <b> & c"), "a &lt;b&gt; &amp; c");
        assert_eq!(
            rich("it **opens once**, {sender}!"),
            "it <strong>opens once</strong>, <bdi data-slot=\"sender\" dir=\"auto\"></bdi>!"
        );
        assert_eq!(rich("**{a}**"), "<strong><bdi data-slot=\"a\" dir=\"auto\"></bdi></strong>");
    }
}
