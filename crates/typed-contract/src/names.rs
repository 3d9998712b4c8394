//! The character sets and lengths of names and identifiers.

/// The characters of a name that are kept for the suffix of the stack that has the resource.
pub const MAX_SUFFIX_LENGTH: usize = 40;
/// The longest name of a table that DynamoDB accepts, in characters.
pub const MAX_TABLE_NAME_LENGTH: usize = 255;
/// The longest name of a queue that SQS accepts, in characters.
pub const MAX_QUEUE_NAME_LENGTH: usize = 80;
/// What follows the name of a queue in that of its dead-letter queue.
pub const DEAD_LETTERS: &str = "-dead-letters";

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
