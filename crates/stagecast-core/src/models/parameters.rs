//! The parameters of a job.

use granted_aws::Item;
use raw_json::RawJson;
use serde::{Deserialize, Serialize};
use stagecast_contract::{
    ids::JobId,
    tables::{JobEventKey, JobEvents},
};
use typed_contract::tables::Record;

use super::{InvalidItem, item};

/// The `seq` of the item with a job's parameters. Events count from 1, so no reader of the log sees it.
pub(crate) const PARAMETERS_SEQ: u64 = 0;

/// An item of `job_events` with the parameters of a job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[expect(
    clippy::struct_field_names,
    reason = "the attribute of the item is called parameters"
)]
pub struct Parameters {
    /// The job.
    pub job_id: JobId,
    /// [`PARAMETERS_SEQ`].
    seq: u64,
    /// The parameters as JSON, byte for byte.
    parameters: String,
    /// When DynamoDB may delete the item, in epoch seconds.
    pub expires_at: i64,
}

impl Record for Parameters {
    type Table = JobEvents;

    fn key(&self) -> JobEventKey<'_> {
        JobEventKey {
            job_id: self.job_id.as_str(),
            seq: self.seq,
        }
    }
}

impl Parameters {
    /// The parameters of a job, to be deleted with it.
    pub fn new(job_id: JobId, parameters: &RawJson, expires_at: i64) -> Self {
        Self {
            job_id,
            seq: PARAMETERS_SEQ,
            parameters: parameters.get().to_owned(),
            expires_at,
        }
    }

    /// The parameters.
    pub(crate) fn into_json(self) -> Result<RawJson, InvalidItem> {
        RawJson::from_text(self.parameters).map_err(InvalidItem::of::<JobEvents>)
    }

    /// The parameters as an item of `job_events`.
    pub(crate) fn to_dynamodb_item(&self) -> Result<Item, InvalidItem> {
        item::write::<JobEvents>(self)
    }

    /// The parameters that an item of `job_events` contains.
    pub(crate) fn from_dynamodb_item(item: Item) -> Result<Self, InvalidItem> {
        item::read::<JobEvents, _>(item)
    }
}
