//! The character sets of names and identifiers.

/// Whether `text` contains only ASCII letters, ASCII digits and the bytes of `punctuation`. An empty
/// text qualifies: the length of a name is checked by its owner.
pub const fn is_alphanumeric_or(text: &str, punctuation: &[u8]) -> bool {
    let text = text.as_bytes();
    let mut index = 0;
    while index < text.len() {
        if !text[index].is_ascii_alphanumeric() && !contains(punctuation, text[index]) {
            return false;
        }
        index += 1;
    }
    true
}

const fn contains(bytes: &[u8], byte: u8) -> bool {
    let mut index = 0;
    while index < bytes.len() {
        if bytes[index] == byte {
            return true;
        }
        index += 1;
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn punctuation_is_accepted_only_if_listed() {
        assert!(is_alphanumeric_or("aZ09_-", b"-_"));
        assert!(!is_alphanumeric_or("a-b", b"_"));
        assert!(!is_alphanumeric_or("a b", b"-_"));
        assert!(is_alphanumeric_or("", b""));
    }

    #[test]
    fn letters_beyond_ascii_are_rejected() {
        assert!(!is_alphanumeric_or("é", b"_"));
    }
}
