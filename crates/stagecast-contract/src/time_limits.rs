//! The time limits of jobs: those of a job, and the rules of a product for them.

use serde::{Deserialize, Serialize};
use typed_contract::const_fmt::const_panic;

use crate::{limits::MAX_TIME_LIMIT_SECONDS, reading, worker::InvalidBody};

/// The time limits of a job, in whole seconds, 1 second to 30 days each. A job without a limit takes any
/// time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct JobLimits {
    /// How long the job may wait until a run or an external worker claims it for the first time, from when
    /// it can be claimed: from its creation, its `run_at`, or the completion of its upload, whichever is
    /// last. Over it, the job fails with `queue_timeout`.
    #[serde(
        default,
        deserialize_with = "reading::optional_whole_number",
        skip_serializing_if = "Option::is_none"
    )]
    #[cfg_attr(feature = "schema", schemars(range(min = 1, max = MAX_TIME_LIMIT_SECONDS)))]
    pub queue_seconds: Option<u64>,
    /// How long the job may take from its first claim to its end, over all stages, attempts, waits and
    /// runs. Over it, the job fails with `job_timed_out`.
    #[serde(
        default,
        deserialize_with = "reading::optional_whole_number",
        skip_serializing_if = "Option::is_none"
    )]
    #[cfg_attr(feature = "schema", schemars(range(min = 1, max = MAX_TIME_LIMIT_SECONDS)))]
    pub run_seconds: Option<u64>,
}

impl JobLimits {
    /// Whether the job has no limit.
    pub const fn is_unlimited(&self) -> bool {
        self.queue_seconds.is_none() && self.run_seconds.is_none()
    }

    /// Checks the ranges. The error names the field, such as `limits.run_seconds`.
    pub(crate) fn check(&self) -> Result<(), InvalidBody> {
        for (field, value) in self.fields() {
            let Some(value) = value else { continue };
            if !(1..=MAX_TIME_LIMIT_SECONDS).contains(&value) {
                let problem =
                    format!("{value} seconds; give 1 to {MAX_TIME_LIMIT_SECONDS}, or leave it out");
                return Err(InvalidBody::field(field, problem));
            }
        }
        Ok(())
    }

    fn fields(&self) -> [(&'static str, Option<u64>); 2] {
        [
            ("limits.queue_seconds", self.queue_seconds),
            ("limits.run_seconds", self.run_seconds),
        ]
    }
}

/// A product's rules for the time limits of its jobs, for external workers as well:
/// [`Product::limits`](crate::product::Product::limits).
///
/// ```
/// use stagecast_contract::time_limits::{JobLimits, LimitRule, LimitRules};
///
/// const LIMITS: LimitRules = LimitRules {
///     run_seconds: LimitRule {
///         default: Some(3600),
///         max: Some(24 * 3600),
///     },
///     ..LimitRules::NONE
/// };
///
/// let limits = LIMITS.apply(JobLimits::default())?;
/// assert_eq!(limits.run_seconds, Some(3600));
/// # Ok::<(), stagecast_contract::worker::InvalidBody>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LimitRules {
    /// The rule for [`JobLimits::queue_seconds`].
    #[serde(default)]
    pub queue_seconds: LimitRule,
    /// The rule for [`JobLimits::run_seconds`].
    #[serde(default)]
    pub run_seconds: LimitRule,
}

/// A product's rule for a time limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LimitRule {
    /// The limit of a job that is created without one, in seconds. None: `max`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<u64>,
    /// The longest limit that a job can have, in seconds, at most [`MAX_TIME_LIMIT_SECONDS`]. None: a job
    /// can have any limit, or none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<u64>,
}

impl LimitRules {
    /// No defaults and no maxima.
    pub const NONE: Self = Self {
        queue_seconds: LimitRule::NONE,
        run_seconds: LimitRule::NONE,
    };

    /// The rules as the value of the setting [`JobLimitRules`](crate::environment::JobLimitRules).
    pub fn to_json(&self) -> String {
        // Numbers and strings are always JSON.
        serde_json::to_string(self).unwrap_or_default()
    }

    /// Rejects rules that no job can satisfy. For a `const` item, where it panics at compile time.
    #[track_caller]
    pub(crate) const fn check(&self) {
        self.queue_seconds.check("queue_seconds");
        self.run_seconds.check("run_seconds");
    }

    /// The limits of a job that is created with `given`, whose ranges are checked. The error names the
    /// field that exceeds its maximum.
    pub fn apply(&self, given: JobLimits) -> Result<JobLimits, InvalidBody> {
        let [queue, run] = given.fields();
        Ok(JobLimits {
            queue_seconds: self.queue_seconds.apply(queue)?,
            run_seconds: self.run_seconds.apply(run)?,
        })
    }
}

impl LimitRule {
    /// No default and no maximum.
    pub const NONE: Self = Self {
        default: None,
        max: None,
    };

    #[track_caller]
    const fn check(&self, name: &'static str) {
        let max = match self.max {
            Some(max) => max,
            None => MAX_TIME_LIMIT_SECONDS,
        };
        if max == 0 || max > MAX_TIME_LIMIT_SECONDS {
            const_panic(&[
                "the product's limits have a max of ",
                name,
                " that no job can have: it must be 1 to MAX_TIME_LIMIT_SECONDS",
            ]);
        }
        if let Some(default) = self.default
            && (default == 0 || default > max)
        {
            const_panic(&[
                "the product's limits have a default of ",
                name,
                " that no job can have: it must be 1 to its max, or to MAX_TIME_LIMIT_SECONDS",
            ]);
        }
    }

    fn apply(
        &self,
        (field, given): (&'static str, Option<u64>),
    ) -> Result<Option<u64>, InvalidBody> {
        if let (Some(value), Some(max)) = (given, self.max)
            && value > max
        {
            let problem = format!("{value} seconds; jobs of this product have at most {max}");
            return Err(InvalidBody::field(field, problem));
        }
        Ok(given.or(self.default).or(self.max))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULES: LimitRules = LimitRules {
        queue_seconds: LimitRule {
            default: Some(60),
            max: Some(600),
        },
        run_seconds: LimitRule {
            default: None,
            max: Some(100),
        },
    };
    const _: () = RULES.check();

    #[test]
    fn limits_follow_from_the_job_the_default_and_the_maximum() {
        let none = JobLimits::default();
        assert_eq!(LimitRules::NONE.apply(none), Ok(none));
        let defaults = JobLimits {
            queue_seconds: Some(60),
            run_seconds: Some(100),
        };
        assert_eq!(RULES.apply(none), Ok(defaults));
        let given = JobLimits {
            queue_seconds: Some(600),
            run_seconds: Some(1),
        };
        assert_eq!(RULES.apply(given), Ok(given));
    }

    #[test]
    fn limit_beyond_its_maximum_is_an_error_that_names_both() {
        let given = JobLimits {
            run_seconds: Some(101),
            ..JobLimits::default()
        };
        let error = RULES.apply(given).expect_err("too long");
        assert_eq!(error.details["field"], "limits.run_seconds");
        assert!(
            error
                .message
                .contains("101 seconds; jobs of this product have at most 100")
        );
    }

    #[test]
    fn rules_are_read_as_they_were_written() {
        for rules in [RULES, LimitRules::NONE] {
            assert_eq!(
                serde_json::from_str::<LimitRules>(&rules.to_json()).expect("rules"),
                rules
            );
        }
        assert_eq!(
            serde_json::from_str::<LimitRules>("{}").expect("rules"),
            LimitRules::NONE
        );
    }

    #[test]
    #[should_panic(expected = "a default of run_seconds that no job can have")]
    fn default_beyond_the_maximum_is_rejected() {
        let rule = LimitRule {
            default: Some(2),
            max: Some(1),
        };
        rule.check("run_seconds");
    }
}
