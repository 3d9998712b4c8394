//! The retention of logs.

use std::str::FromStr;

use serde::{Serialize, Serializer};

use super::EnvironmentError;

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

impl RetentionDays {
    /// The number of days.
    pub const fn days(self) -> u16 {
        self as u16
    }
}

impl TryFrom<u16> for RetentionDays {
    type Error = EnvironmentError;

    fn try_from(days: u16) -> Result<Self, EnvironmentError> {
        days.to_string().parse()
    }
}

impl FromStr for RetentionDays {
    type Err = EnvironmentError;

    /// Parses a number of days.
    fn from_str(days: &str) -> Result<Self, EnvironmentError> {
        let known = |retention: &Self| retention.days().to_string();
        Self::ALL
            .iter()
            .copied()
            .find(|retention| known(retention) == days)
            .ok_or_else(|| EnvironmentError::InvalidRetention {
                days: days.to_owned(),
                possible: Self::ALL.iter().map(known).collect::<Vec<_>>().join(", "),
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
    fn unsupported_retention_is_reported_with_the_supported_ones() {
        assert_eq!(RetentionDays::try_from(14), Ok(RetentionDays::TwoWeeks));
        let error = RetentionDays::try_from(10).expect_err("no such retention");
        assert!(
            error.to_string().starts_with(
                "CloudWatch cannot keep logs for '10' days; it can for 1, 3, 5, 7, 14,"
            )
        );
    }
}
