//! Genuine bytes with something of an input in them: so that what is drawn gets past what only a key could make.

/// What the input says it begins with, and what is left of it.
pub fn first(input: &[u8]) -> (u8, &[u8]) {
    input.split_first().map_or((0, input), |(first, rest)| (*first, rest))
}

/// The genuine bytes after each change that the input tells: where (two bytes), how many bytes go there (one), and how
/// many of the input come in their place (one, and then those).
pub fn altered(genuine: &[u8], mut changes: &[u8]) -> Vec<u8> {
    let mut bytes = genuine.to_vec();
    while let Some((&[high, low, gone, come], rest)) = changes.split_first_chunk::<4>() {
        let at = usize::from(u16::from_be_bytes([high, low])) % (bytes.len() + 1);
        let end = (at + usize::from(gone)).min(bytes.len());
        let (come, rest) = rest.split_at(usize::from(come).min(rest.len()));
        bytes.splice(at..end, come.iter().copied());
        changes = rest;
    }
    bytes
}
