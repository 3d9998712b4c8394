//! The queues of external workers.

use std::{fmt, ops::RangeInclusive};

use serde::{Deserialize, Deserializer, Serialize, de::Error as _};
use typed_contract::const_fmt::{const_panic, equal};

/// The queue of the pipeline. Its jobs are on the SQS queue `jobs`, and no external worker can claim them.
pub const PIPELINE_QUEUE: &str = "default";

/// Maximum length of the name of a queue, in bytes.
pub const MAX_QUEUE_NAME_BYTES: usize = 32;

/// The lowest priority of a job is 0.
pub const MAX_PRIORITY: u8 = 9;

/// The priority of a job that is created without one.
pub const DEFAULT_PRIORITY: u8 = 5;

/// The name of a queue of external workers. A valid name is not necessarily a queue that the product declares.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(transparent)]
pub struct QueueName(String);

/// A text that cannot be the name of a queue.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "it is not the name of a queue of external workers: use 1 to {MAX_QUEUE_NAME_BYTES} lower-case letters, \
     digits, '_' and '-', the first one a letter, and not `{PIPELINE_QUEUE}`"
)]
pub struct InvalidQueueName;

impl QueueName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for QueueName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl std::str::FromStr for QueueName {
    type Err = InvalidQueueName;

    fn from_str(text: &str) -> Result<Self, InvalidQueueName> {
        if is_valid(text) {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidQueueName)
        }
    }
}

impl<'de> Deserialize<'de> for QueueName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(D::Error::custom)
    }
}

/// Whether `name` can be the name of a queue of external workers.
pub const fn is_valid(name: &str) -> bool {
    let bytes = name.as_bytes();
    if bytes.is_empty() || bytes.len() > MAX_QUEUE_NAME_BYTES || equal(name, PIPELINE_QUEUE) {
        return false;
    }
    let mut index = 0;
    while index < bytes.len() {
        let byte = bytes[index];
        let is_valid = byte.is_ascii_lowercase()
            || (index > 0 && (byte.is_ascii_digit() || byte == b'_' || byte == b'-'));
        if !is_valid {
            return false;
        }
        index += 1;
    }
    true
}

/// Rejects invalid and duplicate names. For a `const` item, where it panics at compile time.
#[track_caller]
pub(crate) const fn check(names: &[&str]) {
    let mut index = 0;
    while index < names.len() {
        if !is_valid(names[index]) {
            const_panic(&[
                "the product's worker_queues have `",
                names[index],
                "`: use 1 to 32 lower-case letters, digits, '_' and '-', the first one a letter, and not \
                 `default`, which is the pipeline",
            ]);
        }
        let mut other = 0;
        while other < index {
            if equal(names[other], names[index]) {
                const_panic(&[
                    "the product's worker_queues have `",
                    names[index],
                    "` twice: remove one",
                ]);
            }
            other += 1;
        }
        index += 1;
    }
}

/// The queues that a product declares, as the setting [`WorkerQueues`](crate::environment::WorkerQueues) has them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeclaredQueues(Vec<QueueName>);

impl DeclaredQueues {
    /// The value of the setting for these names.
    pub fn setting(names: &[&str]) -> String {
        names.join(",")
    }

    /// Reads the value of the setting.
    pub fn parse(setting: &str) -> Result<Self, InvalidQueueName> {
        let names = setting.split(',').filter(|name| !name.is_empty());
        names.map(str::parse).collect::<Result<_, _>>().map(Self)
    }

    /// The declared queue with this name.
    pub fn find(&self, name: &str) -> Option<&QueueName> {
        self.0.iter().find(|queue| queue.as_str() == name)
    }

    /// All names, in the order of the declaration.
    pub fn names(&self) -> &[QueueName] {
        &self.0
    }
}

/// How many jobs of one owner may run at the same time in one queue: 1 to 100.
///
/// ```
/// use stagecast_contract::worker_queues::OwnerLimit;
///
/// const THREE: OwnerLimit = OwnerLimit::new(3);
/// ```
///
/// A value outside of the range does not compile in a constant:
///
/// ```compile_fail,E0080
/// # use stagecast_contract::worker_queues::OwnerLimit;
/// const NONE: OwnerLimit = OwnerLimit::new(0);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct OwnerLimit(u16);

/// A text that is not the value of the setting
/// [`MaxRunningPerOwner`](crate::environment::MaxRunningPerOwner).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "'{0}' is not a limit of running jobs: give a whole number, 1 to 100, or nothing for no limit"
)]
pub struct InvalidOwnerLimit(String);

impl OwnerLimit {
    /// The numbers of jobs that are accepted. A claim reads the running jobs of an owner: 100 of them take five read
    /// units.
    pub const LIMITS: RangeInclusive<u16> = 1..=100;

    /// A limit of this many jobs.
    ///
    /// # Panics
    ///
    /// If the number is outside of [`Self::LIMITS`].
    #[track_caller]
    pub const fn new(jobs: u16) -> Self {
        assert!(
            jobs >= *Self::LIMITS.start() && jobs <= *Self::LIMITS.end(),
            "an owner may run 1 to 100 jobs of a queue at the same time",
        );
        Self(jobs)
    }

    /// The number of jobs.
    pub const fn jobs(self) -> u16 {
        self.0
    }

    /// The value of the setting for this limit, or for none.
    pub fn setting(limit: Option<Self>) -> String {
        limit.map(|limit| limit.0.to_string()).unwrap_or_default()
    }

    /// Reads the value of the setting.
    pub fn parse(setting: &str) -> Result<Option<Self>, InvalidOwnerLimit> {
        if setting.is_empty() {
            return Ok(None);
        }
        let jobs = setting.parse().ok();
        let jobs = jobs.filter(|jobs| Self::LIMITS.contains(jobs));
        jobs.map(|jobs| Some(Self(jobs)))
            .ok_or_else(|| InvalidOwnerLimit(setting.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn owner_limit_is_read_as_it_was_written() {
        for limit in [None, Some(OwnerLimit::new(1)), Some(OwnerLimit::new(100))] {
            assert_eq!(OwnerLimit::parse(&OwnerLimit::setting(limit)), Ok(limit));
        }
        for text in ["0", "101", "-1", "many", " "] {
            let error = OwnerLimit::parse(text).expect_err(text).to_string();
            assert!(error.starts_with(&format!("'{text}'")), "{error}");
        }
    }

    #[test]
    #[should_panic(expected = "1 to 100 jobs")]
    fn owner_limit_of_no_jobs_is_refused() {
        let _ = OwnerLimit::new(0);
    }

    #[test]
    fn names_are_validated() {
        for name in ["plans", "a", "gpu-2_b", &"a".repeat(32)] {
            assert!(is_valid(name), "{name}");
        }
        for name in [
            "",
            "default",
            "2a",
            "-a",
            "Plans",
            "a#b",
            "a b",
            &"a".repeat(33),
        ] {
            assert!(!is_valid(name), "{name}");
            name.parse::<QueueName>().expect_err(name);
        }
    }

    #[test]
    fn setting_is_read_as_it_was_written() {
        for names in [&[][..], &["plans"], &["plans", "gpu"]] {
            let queues =
                DeclaredQueues::parse(&DeclaredQueues::setting(names)).expect("valid names");
            let read: Vec<_> = queues.names().iter().map(QueueName::as_str).collect();
            assert_eq!(read, names);
        }
    }

    #[test]
    #[should_panic(expected = "`plans` twice")]
    fn duplicate_name_is_refused() {
        check(&["plans", "gpu", "plans"]);
    }

    #[test]
    #[should_panic(expected = "`Plans`: use 1 to 32")]
    fn invalid_name_is_refused() {
        check(&["Plans"]);
    }
}
