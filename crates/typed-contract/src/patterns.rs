//! Names and ARNs with placeholders, which a stack replaces with its own values.
//!
//! | placeholder | value |
//! | --- | --- |
//! | `{partition}` | the partition of the stack's region: `aws`, `aws-cn` or `aws-us-gov` |
//! | `{region}` | the stack's region |
//! | `{account}` | the id of the stack's account |
//! | `{suffix}` | the stack's suffix of names, `-prod`; empty if it has none |

use crate::const_fmt::{const_panic, equal, position};

/// A value of the stack within a name or an ARN.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Placeholder {
    /// `{partition}`: the partition of the stack's region.
    Partition,
    /// `{region}`: the stack's region.
    Region,
    /// `{account}`: the id of the stack's account, 12 digits.
    Account,
    /// `{suffix}`: the stack's suffix of names.
    Suffix,
}

/// A part of a pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part<'a> {
    /// Text as it is written.
    Text(&'a str),
    /// A value of the stack.
    Placeholder(Placeholder),
}

/// The names of [`Placeholder`]s, in the order of [`Placeholder::ALL`].
const NAMES: &[&str] = &["partition", "region", "account", "suffix"];

impl Placeholder {
    const ALL: [Self; 4] = [Self::Partition, Self::Region, Self::Account, Self::Suffix];

    fn from_name(name: &str) -> Option<Self> {
        let index = position(name, NAMES)?;
        Self::ALL.get(index).copied()
    }
}

/// The parts of a pattern. Braces that enclose no placeholder are text.
///
/// ```
/// use typed_contract::patterns::{Part, Placeholder, parts};
///
/// let parts: Vec<_> = parts("billing{suffix}/key").collect();
/// assert_eq!(parts, [
///     Part::Text("billing"),
///     Part::Placeholder(Placeholder::Suffix),
///     Part::Text("/key"),
/// ]);
/// ```
pub fn parts(pattern: &str) -> impl Iterator<Item = Part<'_>> {
    let mut rest = pattern;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        if let Some((name, after)) = rest.strip_prefix('{').and_then(|it| it.split_once('}'))
            && let Some(placeholder) = Placeholder::from_name(name)
        {
            rest = after;
            return Some(Part::Placeholder(placeholder));
        }
        let next = rest.char_indices().skip(1).find(|(_, it)| *it == '{');
        let (text, after) = rest.split_at(next.map_or(rest.len(), |(index, _)| index));
        rest = after;
        Some(Part::Text(text))
    })
}

/// `text` between two byte indices, which are on boundaries of characters.
const fn slice(text: &str, from: usize, to: usize) -> &str {
    text.split_at(to).0.split_at(from).1
}

/// The index of `byte` at or after `from`; the length of `text` if there is none.
const fn find(text: &str, byte: u8, from: usize) -> usize {
    let mut index = from;
    while index < text.len() && text.as_bytes()[index] != byte {
        index += 1;
    }
    index
}

/// Rejects a pattern, a `kind` such as `ARN`, if it has other placeholders than `allowed`, or characters
/// that are neither letters, digits nor `punctuation`.
#[track_caller]
pub(crate) const fn check(kind: &str, pattern: &str, allowed: &[&str], punctuation: &[u8]) {
    if pattern.is_empty() {
        const_panic(&["the ", kind, " is empty"]);
    }
    let mut index = 0;
    while index < pattern.len() {
        let byte = pattern.as_bytes()[index];
        if byte == b'{' {
            let end = find(pattern, b'}', index);
            if end == pattern.len() || position(slice(pattern, index + 1, end), allowed).is_none() {
                const_panic(&[
                    "the ",
                    kind,
                    " `",
                    pattern,
                    "` has a placeholder without a value: ",
                    if allowed.len() == 1 {
                        "use only {suffix}, the stack's suffix of names"
                    } else {
                        "use only {partition}, {region}, {account} and {suffix}"
                    },
                ]);
            }
            index = end + 1;
            continue;
        }
        let mut is_allowed = byte.is_ascii_alphanumeric();
        let mut other = 0;
        while other < punctuation.len() {
            is_allowed = is_allowed || punctuation[other] == byte;
            other += 1;
        }
        if !is_allowed {
            const_panic(&[
                "the ",
                kind,
                " `",
                pattern,
                "` has a character that AWS does not allow there",
            ]);
        }
        index += 1;
    }
}

/// Every placeholder.
pub(crate) const ANY: &[&str] = NAMES;
/// Only the stack's suffix.
pub(crate) const SUFFIX: &[&str] = &["suffix"];

/// The parts of an ARN that its checks need.
#[derive(Clone, Copy)]
pub(crate) struct Arn<'a> {
    pub(crate) service: &'a str,
    pub(crate) resource: &'a str,
}

/// Rejects an ARN of the declaration `name` that IAM rejects, or that does not say which service, account
/// and resource it means.
#[track_caller]
pub(crate) const fn check_arn<'a>(name: &str, arn: &'a str) -> Arn<'a> {
    check("ARN", arn, ANY, b":/*?-_.+=@,$#");
    let mut parts = [""; 5];
    let mut start = 0;
    let mut part = 0;
    while part < parts.len() {
        let end = find(arn, b':', start);
        if end == arn.len() {
            invalid_arn(
                name,
                arn,
                "it needs six parts: arn:partition:service:region:account:resource",
            );
        }
        parts[part] = slice(arn, start, end);
        start = end + 1;
        part += 1;
    }
    let [scheme, partition, service, region, account] = parts;
    let resource = slice(arn, start, arn.len());
    if !equal(scheme, "arn") {
        invalid_arn(name, arn, "it needs to start with `arn:`");
    }
    let is_partition = equal(partition, "{partition}")
        || equal(partition, "aws")
        || equal(partition, "aws-cn")
        || equal(partition, "aws-us-gov");
    if !is_partition {
        invalid_arn(
            name,
            arn,
            "write {partition} or the name of a partition after `arn:`",
        );
    }
    if service.is_empty() || has_wildcard(service) || find(service, b'{', 0) < service.len() {
        invalid_arn(
            name,
            arn,
            "its third part needs to be one service, such as `sns`",
        );
    }
    if !equal(region, "*") && has_wildcard(region) {
        invalid_arn(
            name,
            arn,
            "its region needs to be whole, {region}, * or empty",
        );
    }
    if !is_account(account) {
        invalid_arn(
            name,
            arn,
            "its account needs to be {account}, 12 digits, or empty for a resource without one",
        );
    }
    if resource.is_empty() || has_wildcard(resource.split_at(1).0) {
        invalid_arn(
            name,
            arn,
            "it needs to name a resource: a wildcard may only follow a name",
        );
    }
    Arn { service, resource }
}

#[track_caller]
const fn invalid_arn(name: &str, arn: &str, help: &str) -> ! {
    const_panic(&["the ARN of `", name, "` is `", arn, "`: ", help])
}

const fn has_wildcard(text: &str) -> bool {
    find(text, b'*', 0) < text.len() || find(text, b'?', 0) < text.len()
}

/// `aws` is the account of AWS's own resources, such as managed policies.
const fn is_account(text: &str) -> bool {
    if text.is_empty() || equal(text, "{account}") || equal(text, "aws") {
        return true;
    }
    let mut index = 0;
    while index < text.len() {
        if !text.as_bytes()[index].is_ascii_digit() {
            return false;
        }
        index += 1;
    }
    text.len() == 12
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_text_and_known_placeholders() {
        let all: Vec<_> = parts("{region}a{x}{suffix}").collect();
        assert_eq!(
            all,
            [
                Part::Placeholder(Placeholder::Region),
                Part::Text("a"),
                Part::Text("{x}"),
                Part::Placeholder(Placeholder::Suffix),
            ]
        );
        assert_eq!(parts("").count(), 0);
    }

    #[test]
    fn arn_is_split_into_service_and_resource() {
        let arn = check_arn(
            "Alerts",
            "arn:{partition}:sns:{region}:{account}:alerts{suffix}",
        );
        assert_eq!((arn.service, arn.resource), ("sns", "alerts{suffix}"));
        let arn = check_arn(
            "Model",
            "arn:aws:bedrock:*::foundation-model/amazon.nova-lite-v1:0",
        );
        assert_eq!(arn.resource, "foundation-model/amazon.nova-lite-v1:0");
    }

    #[test]
    fn arn_that_is_too_wide_or_incomplete_is_rejected() {
        let rejected = [
            ("arn:aws:s3", "six parts"),
            ("urn:aws:s3:::b/*", "start with `arn:`"),
            ("arn:*:s3:::b/*", "{partition}"),
            ("arn:aws:*:::b/*", "one service"),
            ("arn:aws:sns:eu-*:{account}:alerts", "region"),
            ("arn:aws:sns:{region}:*:alerts", "12 digits"),
            ("arn:aws:sns:{region}:123:alerts", "12 digits"),
            ("arn:aws:s3:::*", "name a resource"),
            ("arn:aws:s3:::", "name a resource"),
            ("arn:aws:s3:::{bucket}", "only {partition}"),
            ("arn:aws:s3:::b b", "character"),
        ];
        for (arn, reason) in rejected {
            let panic = std::panic::catch_unwind(|| check_arn("X", arn).resource.len());
            let message = panic.expect_err(arn);
            let message = message.downcast_ref::<String>().expect("a message");
            assert!(message.contains(reason), "{arn}: {message}");
        }
    }
}
