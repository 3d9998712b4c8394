//! The parameters of jobs. They are beside the log, because every progress update writes the job's item.

use granted_aws::Database;
use raw_json::RawJson;
use stagecast_contract::{ids::JobId, tables::JobEvents};
use typed_contract::{
    functions::Function,
    grants::{Granted, PutItem, Query},
};

use super::{StoreError, events::item_at};
use crate::models::{Job, PARAMETERS_SEQ, Parameters};

/// The parameters of jobs in `job_events`.
#[derive(Debug)]
pub struct ParameterStore<F> {
    database: Database<F>,
}

impl<F> Clone for ParameterStore<F> {
    fn clone(&self) -> Self {
        Self {
            database: self.database.clone(),
        }
    }
}

impl<F: Function> ParameterStore<F> {
    /// A store of parameters in the table of `database`.
    pub fn new(database: Database<F>) -> Self {
        Self { database }
    }

    /// Stores the parameters of a job that does not exist yet. Idempotent.
    pub async fn save(&self, parameters: &Parameters) -> Result<(), StoreError>
    where
        F: Granted<PutItem<JobEvents>>,
    {
        self.database
            .put_item::<Parameters>()
            .set_item(Some(parameters.to_dynamodb_item()?))
            .send()
            .await
            .map_err(StoreError::of("storing the parameters"))?;
        Ok(())
    }

    /// The parameters of a job; none if it was created without any. Reads nothing for such a job.
    pub async fn load(&self, job: &Job) -> Result<Option<RawJson>, StoreError>
    where
        F: Granted<Query<JobEvents>>,
    {
        if !job.has_parameters {
            return Ok(None);
        }
        let parameters = self.read(&job.job_id).await?;
        // The item expires with the job and is written before it.
        let missing =
            || StoreError::call("reading the parameters")(format!("{} has none", job.job_id));
        parameters.map_or_else(|| Err(missing()), |it| Ok(Some(it)))
    }

    async fn read(&self, job_id: &JobId) -> Result<Option<RawJson>, StoreError>
    where
        F: Granted<Query<JobEvents>>,
    {
        let operation = "reading the parameters";
        let Some(item) = item_at(&self.database, operation, job_id, PARAMETERS_SEQ).await? else {
            return Ok(None);
        };
        Ok(Some(Parameters::from_dynamodb_item(item)?.into_json()?))
    }
}
