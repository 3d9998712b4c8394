//! The artifacts of jobs. Their list is beside the log, because every progress update writes the job's item;
//! their contents are in the bucket, under the hash of the content.

use std::{collections::BTreeMap, time::Duration};

use aws_sdk_s3::presigning::PresigningConfig;
use base64::{Engine as _, prelude::BASE64_STANDARD};
use granted_aws::{Database, Objects, number, text};
use stagecast_contract::{
    buckets::{self, artifact_key},
    ids::JobId,
    limits::{ARTIFACT_URL_SECONDS, LEASE_SECONDS, UPLOAD_URL_SECONDS},
    messages::{Artifact, JobStatus},
    tables::{JobEvents, JobKey, Jobs},
};
use typed_contract::{
    functions::Function,
    grants::{GetItem, GetObject, Granted, PutItem, PutObject, Query, UpdateItem},
};

use super::{
    Lease, StoreError,
    artifact_list::{self, unchanged_before},
    jobs::UNDER_LEASE,
    transactions::{CancelledTransaction, cancellation_cause, contended},
};
use crate::{
    clock::Clock,
    hash::from_hex,
    models::{Job, StoredArtifacts},
    retry::RetryPolicy,
};

/// The result of recording artifacts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Recorded {
    /// The job has these artifacts now.
    Recorded,
    /// Another request under the same lease has changed the artifacts meanwhile, to these.
    Outdated(Box<StoredArtifacts>),
    /// Another run has claimed the job, or the job has ended.
    LeaseLost,
}

/// The lists of artifacts in `job_events`.
#[derive(Debug)]
pub struct ArtifactStore<F> {
    database: Database<F>,
    clock: Clock,
}

impl<F> Clone for ArtifactStore<F> {
    fn clone(&self) -> Self {
        Self {
            database: self.database.clone(),
            clock: self.clock.clone(),
        }
    }
}

impl<F: Function> ArtifactStore<F> {
    /// A store of artifacts in the tables of `database`.
    pub fn new(database: Database<F>, clock: Clock) -> Self {
        Self { database, clock }
    }

    /// The artifacts that a job has so far. Reads nothing for a job that has none.
    pub async fn load(&self, job: &Job) -> Result<StoredArtifacts, StoreError>
    where
        F: Granted<Query<JobEvents>>,
    {
        let Job {
            job_id,
            artifacts_revision,
            expires_at,
            ..
        } = job;
        self.load_revision(job_id, *artifacts_revision, *expires_at)
            .await
    }

    /// [`Self::load`] for a job whose artifacts were changed `revision` times, and whose items expire at
    /// `expires_at`, in epoch seconds.
    pub(crate) async fn load_revision(
        &self,
        job_id: &JobId,
        revision: u64,
        expires_at: i64,
    ) -> Result<StoredArtifacts, StoreError>
    where
        F: Granted<Query<JobEvents>>,
    {
        artifact_list::load(&self.database, job_id, revision, expires_at).await
    }

    /// Writes the artifacts of a job in one transaction with the job's item: under the lease, and if nothing
    /// has changed them since they were read. Renews the lease.
    pub async fn record(
        &self,
        lease: &Lease,
        artifacts: &StoredArtifacts,
    ) -> Result<Recorded, StoreError>
    where
        F: Granted<UpdateItem<Jobs>>
            + Granted<GetItem<Jobs>>
            + Granted<PutItem<JobEvents>>
            + Granted<Query<JobEvents>>,
    {
        const OPERATION: &str = "recording artifacts";
        let mut backoff = RetryPolicy::TRANSACTION_CONFLICT.backoff();
        loop {
            let sent = self.transaction(lease, artifacts)?.send().await;
            let Err(error) = sent else {
                return Ok(Recorded::Recorded);
            };
            match cancellation_cause(OPERATION, error) {
                CancelledTransaction::Condition => return self.refused(lease, artifacts).await,
                CancelledTransaction::Contended => {
                    if !backoff.wait().await {
                        return Err(contended(OPERATION));
                    }
                }
                CancelledTransaction::Failed(error) => return Err(error),
            }
        }
    }

    fn transaction(
        &self,
        lease: &Lease,
        artifacts: &StoredArtifacts,
    ) -> Result<
        aws_sdk_dynamodb::operation::transact_write_items::builders::TransactWriteItemsFluentBuilder,
        StoreError,
    >
    where
        F: Granted<UpdateItem<Jobs>> + Granted<PutItem<JobEvents>>,
    {
        let key = JobKey {
            job_id: lease.job_id.as_str(),
        };
        let now = self.clock.now();
        let item = artifacts.to_dynamodb_item()?;
        let transaction = self
            .database
            .transaction()
            .update(&key, |update| {
                let known = unchanged_before(artifacts);
                let update = update
                    .update_expression(
                        "SET artifacts_revision = :revision, updated_at = :now, \
                         lease_expires_at = :lease_expires_at",
                    )
                    .condition_expression(format!("{UNDER_LEASE} AND {known}"))
                    .expression_attribute_names("#status", "status")
                    .expression_attribute_values(":epoch", number(lease.epoch))
                    .expression_attribute_values(":running", text(JobStatus::Running.name()))
                    .expression_attribute_values(":revision", number(artifacts.revision))
                    .expression_attribute_values(":now", text(now))
                    .expression_attribute_values(
                        ":lease_expires_at",
                        number(now.epoch_seconds() + LEASE_SECONDS),
                    );
                match artifacts.revision {
                    0 | 1 => update,
                    revision => update.expression_attribute_values(":known", number(revision - 1)),
                }
            })
            .and_then(|transaction| {
                transaction.put::<StoredArtifacts>(|put| put.set_item(Some(item)))
            })?;
        Ok(transaction.build())
    }

    /// Why a transaction did not meet its condition.
    async fn refused(
        &self,
        lease: &Lease,
        artifacts: &StoredArtifacts,
    ) -> Result<Recorded, StoreError>
    where
        F: Granted<GetItem<Jobs>> + Granted<Query<JobEvents>>,
    {
        let jobs = super::JobStore::new(self.database.clone(), self.clock.clone());
        let job = jobs.load(&lease.job_id).await?;
        let is_held = |job: &Job| job.epoch == lease.epoch && job.status == JobStatus::Running;
        let Some(job) = job.filter(is_held) else {
            return Ok(Recorded::LeaseLost);
        };
        let current = self.load(&job).await?;
        // An attempt whose response was lost.
        if current == *artifacts {
            return Ok(Recorded::Recorded);
        }
        Ok(Recorded::Outdated(Box::new(current)))
    }
}

/// A presigned PUT of an artifact's content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ArtifactPut {
    /// The URL.
    pub url: String,
    /// The headers that the signature covers, without `host`.
    pub headers: BTreeMap<String, String>,
}

/// The contents of artifacts in the bucket.
#[derive(Debug)]
pub struct ArtifactContents<F> {
    objects: Objects<F>,
}

impl<F: Function> ArtifactContents<F> {
    /// The contents in the bucket of `objects`.
    pub fn new(objects: Objects<F>) -> Self {
        Self { objects }
    }

    /// The URL from which the content is downloaded under the artifact's name.
    pub async fn download_url(
        &self,
        job_id: &JobId,
        artifact: &Artifact,
    ) -> Result<String, StoreError>
    where
        F: Granted<GetObject<buckets::Objects>>,
    {
        let request = self
            .objects
            .get_object::<buckets::Objects>()
            .key(artifact_key(job_id, &artifact.sha256))
            .response_content_type(&artifact.content_type)
            // No name has a character that would have to be quoted.
            .response_content_disposition(format!("attachment; filename=\"{}\"", artifact.name))
            .presigned(valid_for(ARTIFACT_URL_SECONDS)?)
            .await
            .map_err(StoreError::of_s3(PRESIGNING))?;
        Ok(request.uri().to_owned())
    }

    /// The PUT of the content, of at most 5 GB. The bucket verifies its size and its SHA-256.
    pub async fn upload(
        &self,
        job_id: &JobId,
        artifact: &Artifact,
    ) -> Result<ArtifactPut, StoreError>
    where
        F: Granted<PutObject<buckets::Objects>>,
    {
        let sha256 = from_hex(&artifact.sha256).map(|bytes| BASE64_STANDARD.encode(bytes));
        let request = self
            .objects
            .put_object::<buckets::Objects>()
            .key(artifact_key(job_id, &artifact.sha256))
            .content_type(&artifact.content_type)
            .content_length(i64::try_from(artifact.size).unwrap_or(i64::MAX))
            .set_checksum_sha256(sha256)
            .presigned(valid_for(UPLOAD_URL_SECONDS)?)
            .await
            .map_err(StoreError::of_s3(PRESIGNING))?;
        let headers = request.headers();
        Ok(ArtifactPut {
            url: request.uri().to_owned(),
            headers: headers
                .filter(|(name, _)| !name.eq_ignore_ascii_case("host"))
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .collect(),
        })
    }

    /// The size of the content in bytes; none if it is not in the bucket.
    pub async fn size(&self, job_id: &JobId, sha256: &str) -> Result<Option<u64>, StoreError>
    where
        F: Granted<GetObject<buckets::Objects>>,
    {
        const OPERATION: &str = "reading the size of an artifact";
        let head = self
            .objects
            .head_object::<buckets::Objects>()
            .key(artifact_key(job_id, sha256))
            .send()
            .await;
        match head {
            Ok(head) => Ok(head.content_length().and_then(|it| u64::try_from(it).ok())),
            Err(error) => {
                // Without s3:ListBucket, S3 answers 403 for a missing object.
                let status = error.raw_response().map(|answer| answer.status().as_u16());
                match status {
                    Some(404 | 403) => Ok(None),
                    _ => Err(StoreError::of_s3(OPERATION)(error)),
                }
            }
        }
    }
}

const PRESIGNING: &str = "presigning a URL";

fn valid_for(seconds: u32) -> Result<PresigningConfig, StoreError> {
    PresigningConfig::expires_in(Duration::from_secs(seconds.into()))
        .map_err(|error| StoreError::call(PRESIGNING)(error.to_string()))
}
