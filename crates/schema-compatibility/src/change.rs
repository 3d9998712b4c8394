use std::fmt;

/// A change that breaks programs of the old version.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct BreakingChange {
    /// Where it is: the operation, and the path to the value.
    pub place: String,
    /// What has changed.
    pub what: String,
}

impl fmt::Display for BreakingChange {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.place, self.what)
    }
}

/// Who writes a value, and who reads it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Direction {
    /// Programs of the old version write it, the new version reads it.
    Request,
    /// The new version writes it, programs of the old version read it.
    Response,
    /// Programs of both versions write and read it.
    Queued,
}

impl Direction {
    /// Whether the new version reads what the old version wrote.
    pub(crate) fn reads_old(self) -> bool {
        self != Self::Response
    }

    /// Whether the old version reads what the new version writes.
    pub(crate) fn writes_new(self) -> bool {
        self != Self::Request
    }
}

/// What the readers of a protocol have agreed to.
#[derive(Clone, Copy, Debug, Default)]
pub struct Rules<'a> {
    /// The names of properties whose values are an open enumeration: readers accept values that they do not know.
    pub open_enumerations: &'a [&'a str],
}
