//! Paths and pins, against the plainest reading of what they promise: a path is the list of its segments.

use cloakroom::domain::path::{PathPin, VaultPath};

/// The first line is a path, the second a pin, and the third another.
pub fn check(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let mut lines = text.splitn(3, '\n');
    let [path, one, other] = [(); 3].map(|()| lines.next().unwrap_or_default());
    let path = VaultPath::parse(path).ok().inspect(|path| {
        assert_clean(path.as_str());
        assert_eq!(VaultPath::parse(path.as_str()).as_ref(), Ok(path), "it prints as another path");
    });
    let pins = [one, other].map(|text| PathPin::parse(text).ok().inspect(assert_prints_as_itself));
    let [Some(one), Some(other)] = pins else { return };
    if let Some(path) = &path {
        for pin in [&one, &other] {
            assert_eq!(pin.covers(path), holds(pin, path.as_str()), "{pin} {path}");
        }
        let common = one.intersection(&other);
        let is_in_common = common.as_ref().is_some_and(|common| common.covers(path));
        assert_eq!(is_in_common, one.covers(path) && other.covers(path), "{one} {other} {path}");
        if one.covers_pin(&other) && other.covers(path) {
            assert!(one.covers(path), "{one} {other} {path}");
        }
    }
    // A pin holds another if it holds what lies in it and no pin names by itself: a name longer than there are.
    let probe = match &other {
        PathPin::File(file) => file.as_str().to_owned(),
        PathPin::Folder(_) => format!("{}{}", other.listing_prefix(), "x".repeat(256)),
    };
    assert_eq!(one.covers_pin(&other), holds(&one, &probe), "{one} {other}");
}

fn assert_prints_as_itself(pin: &PathPin) {
    let text = pin.to_string();
    assert_eq!(PathPin::parse(&text).as_ref(), Ok(pin), "it prints as another pin");
    if let Some(folder) = text.strip_suffix('/').filter(|folder| !folder.is_empty()) {
        assert_clean(folder);
    }
}

/// No way out, and nothing that a later reader could find one in.
fn assert_clean(text: &str) {
    assert!((1..=900).contains(&text.len()), "{text:?}");
    for segment in text.split('/') {
        assert!((1..=255).contains(&segment.len()) && segment != "." && segment != "..", "{text:?}");
    }
    let mut read = text.to_owned();
    loop {
        assert!(!read.contains('\\') && !read.chars().any(char::is_control), "{text:?} is read as {read:?}");
        let decoded = decoded(&read);
        if decoded == read {
            return;
        }
        assert_eq!(decoded.split('/').count(), text.split('/').count(), "{text:?} is read as {decoded:?}");
        assert!(decoded.split('/').all(|segment| !matches!(segment, "" | "." | "..")), "{text:?} as {decoded:?}");
        read = decoded;
    }
}

/// What somebody makes of it who undoes its percent-encoding; what is no text then is a character of no account.
fn decoded(text: &str) -> String {
    let (mut bytes, mut rest) = (Vec::new(), text.as_bytes());
    while let Some((&byte, after)) = rest.split_first() {
        let digits = after.first_chunk::<2>().and_then(|digits| std::str::from_utf8(digits).ok());
        let digits = digits.filter(|digits| byte == b'%' && digits.bytes().all(|digit| digit.is_ascii_hexdigit()));
        let value = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok());
        bytes.push(value.unwrap_or(byte));
        rest = if value.is_some() { &after[2..] } else { after };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Whether the pin holds the path, by their segments.
fn holds(pin: &PathPin, path: &str) -> bool {
    let path: Vec<_> = path.split('/').collect();
    match pin.to_string().strip_suffix('/') {
        None => pin.to_string().split('/').collect::<Vec<_>>() == path,
        Some("") => true,
        Some(folder) => {
            let folder: Vec<_> = folder.split('/').collect();
            path.len() > folder.len() && path.starts_with(&folder)
        }
    }
}
