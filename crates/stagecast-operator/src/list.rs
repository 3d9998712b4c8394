//! Lists of jobs.
//!
//! | list | reads |
//! | --- | --- |
//! | the jobs that wait in a queue | the queue's entries in `work_queues`, then their jobs |
//! | the jobs of an owner | the owner's entries in `work_queues`, then their jobs |
//! | all others | the whole table `jobs`, by a parallel scan, up to a limit of items |
//!
//! No index has jobs by status, because each write of a job would then cost a second write unit. Functions cannot scan:
//! `typed-contract` has no such grant.

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicUsize, Ordering},
};

use aws_sdk_dynamodb::types::ReturnConsumedCapacity;
use futures_util::future::try_join_all;
use granted_aws::{number, text};
use stagecast_contract::{messages::JobStatus, tables::Jobs, worker_queues::QueueName};
use stagecast_core::models::Job;
use typed_contract::tables::Table as _;

use crate::{Operator, OperatorError, error::call_failed, summary::JobSummary};

/// The segments of a scan, which are read at the same time.
const SEGMENTS: i32 = 4;

/// The most items that one request of a scan reads.
const PAGE: usize = 1000;

/// The entries of a queue that are read beyond twice the limit of the list.
const PAGE_RESERVE: usize = 20;

/// The entries of an owner that one request reads.
const OWNER_PAGE: usize = 100;

/// Which jobs a list has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct JobFilter {
    /// Jobs with one of these statuses; all if there is none.
    pub statuses: Vec<JobStatus>,
    /// Jobs of this queue.
    pub queue: Option<QueueName>,
    /// Jobs of this owner.
    pub owner: Option<String>,
    /// Jobs that have all these labels.
    pub labels: BTreeMap<String, String>,
}

impl JobFilter {
    /// Whether a job is in the list. The status is the one that clients see.
    pub fn matches(&self, job: &Job) -> bool {
        let has_label = |(name, value)| job.labels.get(name) == Some(value);
        (self.statuses.is_empty() || self.statuses.contains(&job.snapshot().status))
            && (self.queue.is_none() || self.queue == job.queue)
            && (self.owner.is_none() || self.owner == job.owner)
            && self.labels.iter().all(has_label)
    }

    /// Whether the list is one of jobs that wait in a queue, which has an index.
    fn is_of_waiting_jobs(&self) -> bool {
        self.queue.is_some() && (self.statuses.is_empty() || self.statuses == [JobStatus::Queued])
    }
}

/// A list of jobs, and what was read for it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct JobList {
    /// The jobs: of a queue, the first one to claim first; otherwise, the latest change first, or of an owner, the
    /// newest first.
    pub jobs: Vec<JobSummary>,
    /// Whether there may be more jobs than these.
    pub has_more: bool,
    /// The scan, if there was one.
    pub scan: Option<Scan>,
}

/// What a scan has read.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Scan {
    /// The number of items that were read.
    pub items: usize,
    /// The read request units that AWS charges for, if it says so.
    pub read_units: Option<f64>,
    /// Whether the scan ended before the end of the table.
    pub is_cut: bool,
}

impl Operator {
    /// Lists up to `limit` jobs. A scan reads at most about `max_items` items.
    pub async fn list(
        &self,
        filter: &JobFilter,
        limit: usize,
        max_items: usize,
    ) -> Result<JobList, OperatorError> {
        if filter.is_of_waiting_jobs()
            && let Some(queue) = &filter.queue
        {
            return self.list_waiting(queue, filter, limit, max_items).await;
        }
        if let Some(owner) = &filter.owner {
            return self.list_owned(owner, filter, limit, max_items).await;
        }
        self.list_by_scan(filter, limit, max_items).await
    }

    async fn list_waiting(
        &self,
        queue: &QueueName,
        filter: &JobFilter,
        limit: usize,
        max_items: usize,
    ) -> Result<JobList, OperatorError> {
        // Some entries have no claimable job.
        let wanted = (2 * limit + PAGE_RESERVE).min(max_items);
        let entries = self.waiting.list(queue, wanted).await?;
        let has_more = entries.len() == wanted;
        let jobs = self
            .load_all(entries.into_iter().map(|it| it.job_id))
            .await?;
        let now = self.clock.now();
        // An entry may be left of a job that was claimed or has ended.
        let jobs = jobs
            .iter()
            .filter(|job| job.is_claimable(now) && filter.without_status().matches(job));
        Ok(first(jobs.map(JobSummary::of).collect(), limit, has_more))
    }

    async fn list_owned(
        &self,
        owner: &str,
        filter: &JobFilter,
        limit: usize,
        max_items: usize,
    ) -> Result<JobList, OperatorError> {
        let (mut found, mut after, mut examined) = (Vec::new(), None::<String>, 0);
        loop {
            let page = self
                .owned
                .older(owner, &filter.labels, after.as_deref(), OWNER_PAGE)
                .await?;
            let ids = page.entries.into_iter().map(|entry| entry.job_id);
            let jobs = self.load_all(ids).await?;
            found.extend(
                jobs.iter()
                    .filter(|job| filter.matches(job))
                    .map(JobSummary::of),
            );
            examined += OWNER_PAGE;
            after = page.next;
            if after.is_none() || found.len() > limit || examined >= max_items {
                return Ok(first(found, limit, after.is_some()));
            }
        }
    }

    async fn list_by_scan(
        &self,
        filter: &JobFilter,
        limit: usize,
        max_items: usize,
    ) -> Result<JobList, OperatorError> {
        let read = AtomicUsize::new(0);
        let segments = (0..SEGMENTS).map(|segment| self.scan(filter, segment, &read, max_items));
        let mut scan = Scan::default();
        let mut found: Vec<Job> = Vec::new();
        for (jobs, part) in try_join_all(segments).await? {
            found.extend(jobs);
            scan.items += part.items;
            scan.is_cut |= part.is_cut;
            if let Some(units) = part.read_units {
                *scan.read_units.get_or_insert_default() += units;
            }
        }
        found.sort_by(|a, b| {
            let newest_first = b.updated_at.cmp(&a.updated_at);
            newest_first.then_with(|| a.job_id.cmp(&b.job_id))
        });
        let list = first(found.iter().map(JobSummary::of).collect(), limit, false);
        Ok(JobList {
            scan: Some(scan),
            ..list
        })
    }

    /// Reads a segment of the table, until all segments together have read `max_items` items.
    async fn scan(
        &self,
        filter: &JobFilter,
        segment: i32,
        read: &AtomicUsize,
        max_items: usize,
    ) -> Result<(Vec<Job>, Scan), OperatorError> {
        let table = self.resources.table(Jobs::SPEC);
        let (mut jobs, mut scan) = (Vec::new(), Scan::default());
        let mut after = None;
        loop {
            let left = max_items.saturating_sub(read.load(Ordering::Relaxed));
            if left == 0 {
                scan.is_cut = true;
                return Ok((jobs, scan));
            }
            let (conditions, request) = self.conditions(filter);
            let page = left.clamp(1, PAGE);
            let answer = request
                .table_name(table)
                .filter_expression(conditions)
                .segment(segment)
                .total_segments(SEGMENTS)
                .limit(i32::try_from(page).unwrap_or(i32::MAX))
                .return_consumed_capacity(ReturnConsumedCapacity::Total)
                .set_exclusive_start_key(after.take())
                .send()
                .await;
            let answer = answer.map_err(call_failed!(format!("scanning the table {table}")))?;
            let examined = usize::try_from(answer.scanned_count).unwrap_or(0);
            read.fetch_add(examined, Ordering::Relaxed);
            scan.items += examined;
            let units = answer.consumed_capacity.and_then(|it| it.capacity_units);
            if let Some(units) = units {
                *scan.read_units.get_or_insert_default() += units;
            }
            for item in answer.items.unwrap_or_default() {
                let job = Job::from_dynamodb_item(item)
                    .map_err(stagecast_core::stores::StoreError::from)?;
                if job.is_live(self.clock.now()) && filter.matches(&job) {
                    jobs.push(job);
                }
            }
            after = answer.last_evaluated_key.filter(|key| !key.is_empty());
            if after.is_none() {
                return Ok((jobs, scan));
            }
        }
    }

    /// The conditions that DynamoDB checks before it answers. They reduce what is transferred, not what is read.
    fn conditions(
        &self,
        filter: &JobFilter,
    ) -> (
        String,
        aws_sdk_dynamodb::operation::scan::builders::ScanFluentBuilder,
    ) {
        // Other kinds of items have other prefixes.
        let mut conditions = vec![
            "begins_with(job_id, :prefix)".to_owned(),
            "expires_at > :now".to_owned(),
        ];
        let mut request = self
            .dynamodb
            .scan()
            .expression_attribute_values(":prefix", text("job_"))
            .expression_attribute_values(":now", number(self.clock.now().epoch_seconds()));
        if !filter.statuses.is_empty() {
            // Clients see a job between two of its runs as running.
            let between_runs = filter.statuses.contains(&JobStatus::Running);
            let between_runs = between_runs.then_some(JobStatus::Queued);
            let statuses = filter.statuses.iter().copied().chain(between_runs);
            let names: Vec<_> = statuses.map(JobStatus::name).collect();
            let values = (0..names.len()).map(|index| format!(":status{index}"));
            let values: Vec<_> = values.collect();
            conditions.push(format!("#status IN ({})", values.join(", ")));
            request = request.expression_attribute_names("#status", "status");
            for (value, name) in values.into_iter().zip(names) {
                request = request.expression_attribute_values(value, text(name));
            }
        }
        if let Some(queue) = &filter.queue {
            conditions.push("#queue = :queue".to_owned());
            request = request
                .expression_attribute_names("#queue", "queue")
                .expression_attribute_values(":queue", text(queue));
        }
        if !filter.labels.is_empty() {
            request = request.expression_attribute_names("#labels", "labels");
        }
        for (index, (name, value)) in filter.labels.iter().enumerate() {
            conditions.push(format!("#labels.#name{index} = :value{index}"));
            request = request
                .expression_attribute_names(format!("#name{index}"), name)
                .expression_attribute_values(format!(":value{index}"), text(value));
        }
        (conditions.join(" AND "), request)
    }
}

impl JobFilter {
    fn without_status(&self) -> Self {
        Self {
            statuses: Vec::new(),
            ..self.clone()
        }
    }
}

fn first(mut jobs: Vec<JobSummary>, limit: usize, has_more: bool) -> JobList {
    let has_more = has_more || jobs.len() > limit;
    jobs.truncate(limit);
    JobList {
        jobs,
        has_more,
        scan: None,
    }
}
