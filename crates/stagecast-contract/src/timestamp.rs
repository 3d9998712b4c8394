//! Timestamps of the protocol: RFC 3339 in UTC with whole seconds, `2024-01-15T10:30:15Z`.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

/// A point in time, in whole seconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

/// The last second of the year 9999, the last that RFC 3339 can write.
const LATEST: i64 = 253_402_300_799;

impl Timestamp {
    /// Converts seconds since 1970. Values outside of the years 1970 to 9999 are clamped, because
    /// RFC 3339 cannot represent later years.
    pub const fn from_epoch_seconds(seconds: i64) -> Self {
        if seconds < 0 {
            Self(0)
        } else if seconds > LATEST {
            Self(LATEST)
        } else {
            Self(seconds)
        }
    }

    /// Seconds since 1970, the unit of DynamoDB's time to live.
    pub const fn epoch_seconds(self) -> i64 {
        self.0
    }

    /// Adds seconds, or subtracts them if negative.
    #[must_use]
    pub const fn plus_seconds(self, seconds: i64) -> Self {
        Self::from_epoch_seconds(self.0.saturating_add(seconds))
    }

    /// Parses an RFC 3339 time. A fraction of a second is rounded up, so that the result is not before the time.
    pub fn parse_rounded_up(text: &str) -> Result<Self, InvalidTimestamp> {
        let time: Self = text.parse()?;
        let exact = OffsetDateTime::parse(text, &Rfc3339);
        let has_fraction = exact.is_ok_and(|exact| exact.nanosecond() > 0);
        Ok(time.plus_seconds(i64::from(has_fraction)))
    }

    /// For `deserialize_with`: [`Self::parse_rounded_up`], or null.
    pub(crate) fn optional_rounded_up<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Self>, D::Error> {
        let text = Option::<String>::deserialize(deserializer)?;
        let time = text.map(|text| Self::parse_rounded_up(&text));
        time.transpose().map_err(D::Error::custom)
    }

    /// The date as eight digits, `20240115`.
    pub fn compact_date(self) -> String {
        let date = self.utc();
        format!(
            "{:04}{:02}{:02}",
            date.year(),
            u8::from(date.month()),
            date.day()
        )
    }

    fn utc(self) -> OffsetDateTime {
        OffsetDateTime::from_unix_timestamp(self.0).unwrap_or(OffsetDateTime::UNIX_EPOCH)
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let utc = self.utc();
        write!(
            formatter,
            "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}Z",
            utc.year(),
            u8::from(utc.month()),
            utc.day(),
            utc.hour(),
            utc.minute(),
            utc.second()
        )
    }
}

/// A string that is not an RFC 3339 time.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("'{0}' is not an RFC 3339 time; write it like 2024-01-15T10:30:15Z")]
pub struct InvalidTimestamp(String);

impl std::str::FromStr for Timestamp {
    type Err = InvalidTimestamp;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        OffsetDateTime::parse(text, &Rfc3339)
            .map(|time| Self::from_epoch_seconds(time.unix_timestamp()))
            .map_err(|_| InvalidTimestamp(text.to_owned()))
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(D::Error::custom)
    }
}

#[cfg(feature = "schema")]
impl schemars::JsonSchema for Timestamp {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Timestamp".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "format": "date-time",
            "description": "RFC 3339, UTC, whole seconds",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timestamp_is_formatted_as_rfc_3339_in_utc() {
        let time = Timestamp::from_epoch_seconds(1_705_314_615);
        assert_eq!(time.to_string(), "2024-01-15T10:30:15Z");
        assert_eq!(time.compact_date(), "20240115");
        assert_eq!("2024-01-15T11:30:15+01:00".parse(), Ok(time));
    }

    #[test]
    fn fraction_of_a_second_is_rounded_up_on_request() {
        let time = Timestamp::from_epoch_seconds(1_705_314_615);
        for (text, later) in [
            ("2024-01-15T10:30:15Z", 0),
            ("2024-01-15T10:30:15.000Z", 0),
            ("2024-01-15T10:30:15.001Z", 1),
            ("2024-01-15T11:30:15.999+01:00", 1),
        ] {
            assert_eq!(
                Timestamp::parse_rounded_up(text),
                Ok(time.plus_seconds(later))
            );
        }
        assert!(Timestamp::parse_rounded_up("1705314615").is_err());
    }

    #[test]
    fn parse_error_names_the_text() {
        let error = "yesterday".parse::<Timestamp>().expect_err("no time");
        assert!(
            error
                .to_string()
                .starts_with("'yesterday' is not an RFC 3339 time")
        );
    }
}
