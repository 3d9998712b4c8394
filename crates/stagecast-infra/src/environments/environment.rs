//! The settings of an environment, and the environments that exist.

use constructs::settings::{
    Architecture, ConnectAuthorizer, CustomDomain, DataPolicy, JwtAuthorizer, LogLevel, NameSuffix,
    Origin, QueueConcurrency, RetentionDays, TableKey, Throttling, TopicArn,
};
use stagecast_contract::{
    functions::{DeliveryFunction, WebhooksFunction},
    limits,
    retention::JobRetention,
    worker_queues::OwnerLimit,
};
use typed_contract::functions::{Function as _, FunctionSpec};

use super::{
    tokens::{self, JobCreation, OwnerTokens},
    webhooks::Webhooks,
};

/// The settings that differ between environments.
#[derive(Clone, Debug)]
pub struct Environment {
    /// The name, on the command line and in tags.
    pub name: &'static str,
    /// The default of the stack's parameter with the suffix of the names of tables and queues. No two
    /// environments share one, so that an account can hold all of them.
    pub name_suffix: NameSuffix,
    /// The retention of jobs, with their logs, inputs and results: the longest that a job can have, and the
    /// default.
    pub job_retention: JobRetention,
    /// The retention of all log groups.
    pub log_retention: RetentionDays,
    /// The lowest level that the functions log.
    pub log_level: LogLevel,
    /// What the deletion of the stack does to tables, queues, the bucket and logs.
    pub data: DataPolicy,
    /// Point-in-time recovery of the tables: any second of the last 35 days.
    pub point_in_time_recovery: bool,
    /// The owner of the key that encrypts the tables.
    pub table_key: TableKey,
    /// Whether the stack has alarms and a dashboard.
    pub alarms: bool,
    /// The default of the stack's parameter with the topic for alarms.
    pub alarm_topic: Option<TopicArn>,
    /// The limit of messages to the WebSocket API.
    pub websocket_throttling: Throttling,
    /// The limit of new connections to the WebSocket API. Each can request the event log of a job.
    pub connection_throttling: Throttling,
    /// The limit of requests to the HTTP API, except those that create jobs.
    pub http_throttling: Throttling,
    /// The limit of requests that create jobs, the only ones that may need no key.
    pub job_creation_throttling: Throttling,
    /// Whether the stack hosts the progress page, with S3 and CloudFront. The page's origin is then allowed
    /// in addition to `allowed_origins`: if those are empty, it is the only one.
    pub page: bool,
    /// The custom domain of the hosted page. Its certificate is in us-east-1. None: CloudFront's domain.
    pub page_domain: Option<CustomDomain>,
    /// The origins whose pages may use the APIs; all if empty and the stack hosts no page. Jobs are
    /// protected by their keys, not by this.
    pub allowed_origins: Vec<Origin>,
    /// The number of jobs that a connection can be subscribed to at a time.
    pub max_subscriptions: u32,
    /// The limit of running jobs of one owner, in each queue of external workers. Jobs without an owner have no limit.
    pub max_running_per_owner: Option<OwnerLimit>,
    /// The custom domain of the WebSocket API.
    pub websocket_domain: Option<CustomDomain>,
    /// The custom domain of the HTTP API.
    pub http_domain: Option<CustomDomain>,
    /// The authorizer of `$connect`; without it anyone can connect. Access keys protect the jobs in
    /// either case.
    pub connect_authorizer: Option<ConnectAuthorizer>,
    /// The authorizer of job creation; without it anyone can create jobs. The other routes of the HTTP
    /// API expect one of the job's keys, in the header that a token would be in.
    pub job_authorizer: Option<JwtAuthorizer>,
    /// The keys of owner tokens, and for whom the tokens are; without it the functions accept no tokens.
    pub tokens: Option<OwnerTokens>,
    /// Who can create jobs, beside what `job_authorizer` requires.
    pub job_creation: JobCreation,
    /// Which jobs have webhooks, and where these are posted.
    pub webhooks: Webhooks,
    /// The processor of the functions.
    pub architecture: Architecture,
    /// The maximum of concurrent invocations that a queue makes of this function. It leaves a part of
    /// the account's concurrency to the functions that answer requests.
    pub queue_concurrency: fn(&FunctionSpec) -> QueueConcurrency,
    /// The reserved concurrency of a function, which is its maximum as well. Lambda requires that 100
    /// remain unreserved, which a new account may not have: neither environment reserves any.
    pub reserved_concurrency: fn(&FunctionSpec) -> Option<u32>,
}

impl Environment {
    /// The value of the setting [`OwnerTokens`](stagecast_contract::environment::OwnerTokens).
    pub(crate) fn token_rules(&self) -> String {
        let (tokens, creation) = (self.tokens.as_ref(), self.job_creation);
        tokens::rules(tokens, creation, self.job_authorizer.is_some())
    }

    /// For development: the data is deleted with the stack, and there are no alarms.
    pub fn dev() -> Self {
        Self {
            name: "dev",
            name_suffix: NameSuffix::default(),
            job_retention: JobRetention::DEFAULT,
            log_retention: RetentionDays::OneWeek,
            log_level: LogLevel::Debug,
            data: DataPolicy::Disposable,
            point_in_time_recovery: false,
            table_key: TableKey::Owned,
            alarms: false,
            alarm_topic: None,
            websocket_throttling: Throttling {
                requests_per_second: 200,
                burst: 100,
            },
            connection_throttling: Throttling {
                requests_per_second: 50,
                burst: 50,
            },
            http_throttling: Throttling {
                requests_per_second: 50,
                burst: 50,
            },
            job_creation_throttling: Throttling {
                requests_per_second: 10,
                burst: 20,
            },
            page: false,
            page_domain: None,
            allowed_origins: Vec::new(),
            max_subscriptions: limits::DEFAULT_MAX_SUBSCRIPTIONS,
            max_running_per_owner: None,
            websocket_domain: None,
            http_domain: None,
            connect_authorizer: None,
            job_authorizer: None,
            tokens: None,
            job_creation: JobCreation::Anyone,
            webhooks: Webhooks::Off,
            architecture: Architecture::Arm64,
            queue_concurrency: |function| {
                const JOBS: QueueConcurrency = QueueConcurrency::new(100);
                const DELIVERIES: QueueConcurrency = QueueConcurrency::new(10);
                if function == DeliveryFunction::SPEC || function == WebhooksFunction::SPEC {
                    DELIVERIES
                } else {
                    JOBS
                }
            },
            reserved_concurrency: |_| None,
        }
    }

    /// For production: the data is retained, and alarms report failures.
    pub fn prod() -> Self {
        const SUFFIX: NameSuffix = NameSuffix::from_static("-prod");
        Self {
            name: "prod",
            name_suffix: SUFFIX,
            log_retention: RetentionDays::ThreeMonths,
            log_level: LogLevel::Info,
            data: DataPolicy::Protected,
            point_in_time_recovery: true,
            table_key: TableKey::Managed,
            alarms: true,
            job_creation: JobCreation::TokenHolders,
            websocket_throttling: Throttling {
                requests_per_second: 2000,
                burst: 1000,
            },
            connection_throttling: Throttling {
                requests_per_second: 100,
                burst: 200,
            },
            http_throttling: Throttling {
                requests_per_second: 500,
                burst: 500,
            },
            job_creation_throttling: Throttling {
                requests_per_second: 20,
                burst: 40,
            },
            // An account's default is 1,000; 330 remain for the functions that answer requests.
            queue_concurrency: |function| {
                const JOBS: QueueConcurrency = QueueConcurrency::new(600);
                const DELIVERIES: QueueConcurrency = QueueConcurrency::new(50);
                // Each posts ten webhooks at a time.
                const WEBHOOKS: QueueConcurrency = QueueConcurrency::new(20);
                if function == DeliveryFunction::SPEC {
                    DELIVERIES
                } else if function == WebhooksFunction::SPEC {
                    WEBHOOKS
                } else {
                    JOBS
                }
            },
            ..Self::dev()
        }
    }
}
