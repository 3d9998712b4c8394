//! What stages say, as long as a message can carry it.

/// The beginning of a text that is longer than `most` bytes, and a sign that it goes on.
pub(super) fn clipped(mut text: String, most: usize) -> String {
    const MORE: &str = "…";
    if text.len() > most {
        text.truncate(text.floor_char_boundary(most.saturating_sub(MORE.len())));
        text.push_str(MORE);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_too_long_is_cut_between_two_characters() {
        assert_eq!(clipped("whole".to_owned(), 5), "whole");
        assert_eq!(clipped("too long".to_owned(), 7), "too …");
        // The third "é" would end at the fifth byte of four.
        assert_eq!(clipped("éééé".to_owned(), 7), "éé…");
        assert_eq!(clipped("éééé".to_owned(), 6), "é…");
    }
}
