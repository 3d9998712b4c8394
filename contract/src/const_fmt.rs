//! Text where the compiler evaluates: there `str::eq` and `format!` do not exist.
//!
//! Public for the macros of this crate, which are expanded in other crates too.

/// Whether two strings are the same.
pub const fn equal(left: &str, right: &str) -> bool {
    let (left, right) = (left.as_bytes(), right.as_bytes());
    if left.len() != right.len() {
        return false;
    }
    let mut index = 0;
    while index < left.len() {
        if left[index] != right[index] {
            return false;
        }
        index += 1;
    }
    true
}

/// Where a string is among others.
pub const fn position(text: &str, among: &[&str]) -> Option<usize> {
    let mut index = 0;
    while index < among.len() {
        if equal(text, among[index]) {
            return Some(index);
        }
        index += 1;
    }
    None
}

/// Why the compiler refuses a declaration: a sentence that names what was declared.
#[derive(Debug)]
pub struct ConstString {
    bytes: [u8; Self::MAX_BYTES],
    length: usize,
}

impl ConstString {
    const MAX_BYTES: usize = 600;

    /// The parts in a row. What does not fit is left out.
    pub const fn of(parts: &[&str]) -> Self {
        let mut sentence = Self {
            bytes: [0; Self::MAX_BYTES],
            length: 0,
        };
        let mut part = 0;
        while part < parts.len() {
            let bytes = parts[part].as_bytes();
            if sentence.length + bytes.len() <= Self::MAX_BYTES {
                let mut index = 0;
                while index < bytes.len() {
                    sentence.bytes[sentence.length] = bytes[index];
                    sentence.length += 1;
                    index += 1;
                }
            }
            part += 1;
        }
        sentence
    }

    /// A number in decimal digits.
    pub const fn number(number: u32) -> Self {
        const DIGITS: [&str; 10] = ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"];
        let last = DIGITS[(number % 10) as usize];
        if number < 10 {
            Self::of(&[last])
        } else {
            Self::of(&[Self::number(number / 10).text(), last])
        }
    }

    /// The sentence as text.
    pub const fn text(&self) -> &str {
        match std::str::from_utf8(self.bytes.split_at(self.length).0) {
            Ok(text) => text,
            Err(_) => "",
        }
    }
}

/// Ends the compilation with a sentence put together from these parts.
#[track_caller]
pub const fn const_panic(parts: &[&str]) -> ! {
    panic!("{}", ConstString::of(parts).text())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sentences_are_put_together_from_texts_and_numbers() {
        let sentence = ConstString::of(&["wait ", ConstString::number(5400).text(), " seconds"]);
        assert_eq!(sentence.text(), "wait 5400 seconds");
        assert_eq!(ConstString::number(0).text(), "0");
    }

    #[test]
    fn what_does_not_fit_is_left_out_whole() {
        let long = "x".repeat(ConstString::MAX_BYTES - 1);
        assert_eq!(
            ConstString::of(&[&long, "ab", "c"]).text(),
            format!("{long}c")
        );
    }

    #[test]
    fn texts_are_found_by_what_they_say() {
        assert_eq!(position("b", &["a", "b"]), Some(1));
        assert_eq!(position("ab", &["a", "b"]), None);
    }
}
