//! String functions for `const` contexts, where `str::eq` and `format!` are not available.
//!
//! For compile-time checks of declarations, in this crate and in crates that declare:
//!
//! ```compile_fail,E0080
//! use typed_contract::const_fmt::const_panic;
//!
//! const LIMIT: u32 = 0;
//! const _: () = if LIMIT == 0 {
//!     const_panic(&["the limit `", "LIMIT", "` is 0: make it at least 1"]);
//! };
//! ```

/// `left == right`.
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

/// The index of `text` in `among`.
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

/// A compile-time error message, built from parts that name the faulty declaration.
#[derive(Debug)]
pub struct ConstString {
    bytes: [u8; Self::MAX_BYTES],
    length: usize,
}

impl ConstString {
    const MAX_BYTES: usize = 600;

    /// Concatenates the parts. A part that would exceed the capacity of 600 bytes is left out as a
    /// whole.
    pub const fn of(parts: &[&str]) -> Self {
        let mut message = Self {
            bytes: [0; Self::MAX_BYTES],
            length: 0,
        };
        let mut part = 0;
        while part < parts.len() {
            let bytes = parts[part].as_bytes();
            if message.length + bytes.len() <= Self::MAX_BYTES {
                let mut index = 0;
                while index < bytes.len() {
                    message.bytes[message.length] = bytes[index];
                    message.length += 1;
                    index += 1;
                }
            }
            part += 1;
        }
        message
    }

    /// `number` in decimal digits.
    pub const fn number(number: u32) -> Self {
        const DIGITS: [&str; 10] = ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"];
        let last = DIGITS[(number % 10) as usize];
        if number < 10 {
            Self::of(&[last])
        } else {
            Self::of(&[Self::number(number / 10).text(), last])
        }
    }

    /// The message as a string slice.
    pub const fn text(&self) -> &str {
        match std::str::from_utf8(self.bytes.split_at(self.length).0) {
            Ok(text) => text,
            Err(_) => "",
        }
    }
}

/// Fails the compilation with the concatenation of `parts`.
#[track_caller]
pub const fn const_panic(parts: &[&str]) -> ! {
    panic!("{}", ConstString::of(parts).text())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_concatenates_texts_and_numbers() {
        let sentence = ConstString::of(&["wait ", ConstString::number(5400).text(), " seconds"]);
        assert_eq!(sentence.text(), "wait 5400 seconds");
        assert_eq!(ConstString::number(0).text(), "0");
    }

    #[test]
    fn of_leaves_out_whole_parts_that_exceed_the_capacity() {
        let long = "x".repeat(ConstString::MAX_BYTES - 1);
        assert_eq!(
            ConstString::of(&[&long, "ab", "c"]).text(),
            format!("{long}c")
        );
    }

    #[test]
    fn position_compares_whole_texts() {
        assert_eq!(position("b", &["a", "b"]), Some(1));
        assert_eq!(position("ab", &["a", "b"]), None);
    }
}
