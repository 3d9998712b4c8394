//! Comparing strings where the compiler evaluates: `str::eq` is not `const`.

/// Whether two strings are the same.
pub(crate) const fn equal(left: &str, right: &str) -> bool {
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

/// Whether no string appears twice.
pub(crate) const fn all_different(texts: &[&str]) -> bool {
    let mut first = 0;
    while first < texts.len() {
        let mut second = first + 1;
        while second < texts.len() {
            if equal(texts[first], texts[second]) {
                return false;
            }
            second += 1;
        }
        first += 1;
    }
    true
}
