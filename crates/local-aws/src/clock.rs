//! Wall-clock time, in the formats that AWS uses.

use time::{OffsetDateTime, format_description::BorrowedFormatItem, macros::format_description};

/// `15/Jan/2024:10:30:15 +0000`, as in `requestContext`.
const COMMON_LOG: &[BorrowedFormatItem<'_>] =
    format_description!("[day]/[month repr:short]/[year]:[hour]:[minute]:[second] +0000");

/// `2024-01-15T10:30:15Z`, as in responses of `@connections`.
const ISO: &[BorrowedFormatItem<'_>] =
    format_description!("[year]-[month]-[day]T[hour]:[minute]:[second]Z");

/// A point in wall-clock time, in UTC.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Timestamp(OffsetDateTime);

impl Timestamp {
    pub(crate) fn now() -> Self {
        Self(OffsetDateTime::now_utc())
    }

    /// Milliseconds since 1970.
    pub(crate) fn epoch_milliseconds(self) -> i64 {
        i64::try_from(self.0.unix_timestamp_nanos() / 1_000_000).unwrap_or(i64::MAX)
    }

    /// The format of `requestContext.requestTime`.
    pub(crate) fn common_log(self) -> String {
        self.0.format(COMMON_LOG).unwrap_or_default()
    }

    /// The format of `@connections`.
    pub(crate) fn iso(self) -> String {
        self.0.format(ISO).unwrap_or_default()
    }
}
