//! Log groups.

use std::str::FromStr;

use serde::{Serialize, Serializer};

use super::TagList;
use crate::{Handle, Pseudo, ResourceType, StringValue, sub};

/// A log group. CloudFormation generates its name, so that a retained log group of a deleted stack does
/// not collide with that of the next.
/// <https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-logs-loggroup.html>
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct LogGroup {
    /// When CloudWatch deletes log events.
    pub retention_in_days: RetentionDays,
    /// The log group's tags.
    pub tags: TagList,
}

impl ResourceType for LogGroup {
    const TYPE_NAME: &'static str = "AWS::Logs::LogGroup";
    const HOLDS_DATA: bool = true;
}

impl Handle<LogGroup> {
    /// The log group's name.
    pub fn name(&self) -> StringValue {
        self.reference()
    }

    /// The log group's ARN without `:*`, as API Gateway needs it. The attribute `Arn` ends with `:*`.
    pub fn arn(&self) -> StringValue {
        sub![
            "arn:",
            Pseudo::Partition,
            ":logs:",
            Pseudo::Region,
            ":",
            Pseudo::AccountId,
            ":log-group:",
            self.name(),
        ]
    }

    /// The ARN of all log streams in the log group, for permissions.
    pub fn streams_arn(&self) -> StringValue {
        self.attribute("Arn")
    }
}

macro_rules! retention {
    ($($(#[$documentation:meta])* $variant:ident = $days:literal,)*) => {
        /// The retentions that CloudWatch Logs supports.
        /// <https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutRetentionPolicy.html>
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum RetentionDays {
            $($(#[$documentation])* $variant = $days,)*
        }

        impl RetentionDays {
            const ALL: &[Self] = &[$(Self::$variant,)*];
        }
    };
}

retention! {
    /// One day.
    OneDay = 1,
    /// Three days.
    ThreeDays = 3,
    /// Five days.
    FiveDays = 5,
    /// A week.
    OneWeek = 7,
    /// Two weeks.
    TwoWeeks = 14,
    /// A month.
    OneMonth = 30,
    /// Two months.
    TwoMonths = 60,
    /// Three months.
    ThreeMonths = 90,
    /// Four months.
    FourMonths = 120,
    /// Five months.
    FiveMonths = 150,
    /// Half a year.
    SixMonths = 180,
    /// A year.
    OneYear = 365,
    /// Four hundred days.
    ThirteenMonths = 400,
    /// A year and a half.
    EighteenMonths = 545,
    /// Two years.
    TwoYears = 731,
    /// Three years.
    ThreeYears = 1096,
    /// Five years.
    FiveYears = 1827,
    /// Six years.
    SixYears = 2192,
    /// Seven years.
    SevenYears = 2557,
    /// Eight years.
    EightYears = 2922,
    /// Nine years.
    NineYears = 3288,
    /// Ten years.
    TenYears = 3653,
}

/// CloudWatch does not have this retention.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
#[error("CloudWatch cannot keep logs for '{days}' days; it can for {valid}")]
pub struct InvalidRetention {
    /// The number of days that was given.
    pub days: String,
    /// The numbers of days that CloudWatch has, separated by commas.
    pub valid: String,
}

impl RetentionDays {
    /// The number of days.
    pub const fn days(self) -> u16 {
        self as u16
    }
}

impl TryFrom<u16> for RetentionDays {
    type Error = InvalidRetention;

    fn try_from(days: u16) -> Result<Self, InvalidRetention> {
        days.to_string().parse()
    }
}

impl FromStr for RetentionDays {
    type Err = InvalidRetention;

    /// Parses a number of days, `14`.
    fn from_str(days: &str) -> Result<Self, InvalidRetention> {
        let known = |retention: &Self| retention.days().to_string();
        Self::ALL
            .iter()
            .copied()
            .find(|retention| known(retention) == days)
            .ok_or_else(|| InvalidRetention {
                days: days.to_owned(),
                valid: Self::ALL.iter().map(known).collect::<Vec<_>>().join(", "),
            })
    }
}

impl Serialize for RetentionDays {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u16(self.days())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_retention_is_refused_with_the_valid_ones() {
        assert_eq!(RetentionDays::try_from(14), Ok(RetentionDays::TwoWeeks));
        let error = RetentionDays::try_from(10).expect_err("no such retention");
        assert!(
            error.to_string().starts_with(
                "CloudWatch cannot keep logs for '10' days; it can for 1, 3, 5, 7, 14,"
            )
        );
    }
}
