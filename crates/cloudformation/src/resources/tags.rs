//! Tags. Some resource types take them as a list, some as a map.

use indexmap::IndexMap;
use serde::{Serialize, Serializer};

/// Tags by key, in the order in which they are written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tags(IndexMap<&'static str, &'static str>);

/// Tags that serialize as a list of keys and values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TagList(Tags);

/// Tags that serialize as a map.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TagMap(Tags);

impl Tags {
    /// Tags of these keys and values. The last value of a repeated key counts.
    pub fn new(tags: impl IntoIterator<Item = (&'static str, &'static str)>) -> Self {
        Self(tags.into_iter().collect())
    }

    /// The tags as a list.
    pub fn list(&self) -> TagList {
        TagList(self.clone())
    }

    /// The tags as a map.
    pub fn map(&self) -> TagMap {
        TagMap(self.clone())
    }
}

impl From<&TagList> for TagMap {
    fn from(list: &TagList) -> Self {
        Self(list.0.clone())
    }
}

impl Serialize for TagMap {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.0.serialize(serializer)
    }
}

impl Serialize for TagList {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        #[serde(rename_all = "PascalCase")]
        struct Tag {
            key: &'static str,
            value: &'static str,
        }
        serializer.collect_seq(self.0.0.iter().map(|(key, value)| Tag { key, value }))
    }
}
