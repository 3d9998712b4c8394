//! The environments that the stack is made for, as values.
//!
//! To add one, write a function like [`Environment::prod`], with its name suffix, and list
//! it in `KNOWN`: `synth` then writes its templates too. Values that CloudFormation would refuse minutes into a
//! deployment do not get as far as a value of these types.

mod authorizers;
mod domain;
mod error;
mod name_suffix;
mod origin;
mod overrides;
mod runtime;
mod topic;

pub use authorizers::{ConnectAuthorizer, JwtAuthorizer};
pub use cloudformation::resources::{
    lambda::{Architecture, LogLevel},
    logs::RetentionDays,
};
pub use domain::{CertificateId, CustomDomain, DomainName};
pub use error::EnvironmentError;
pub use name_suffix::NameSuffix;
pub use origin::Origin;
pub use overrides::Overrides;
pub use runtime::{QueueConcurrency, Throttling};
pub use topic::TopicArn;

use contract::{
    functions::{DeliveryFunction, Function as _, FunctionSpec},
    limits,
};

/// What differs from one environment to the next.
#[derive(Clone, Debug)]
pub struct Environment {
    /// The environment's name, on the command line and in tags.
    pub name: &'static str,
    /// What is appended to the names of tables and queues, unless the stack's parameter says
    /// otherwise. No two environments share one, so that an account can hold all of them.
    pub name_suffix: NameSuffix,
    /// How long logs are kept.
    pub log_retention: RetentionDays,
    /// What the functions log.
    pub log_level: LogLevel,
    /// What happens to tables, the bucket and logs when the stack goes.
    pub data: DataPolicy,
    /// Whether tables can be restored to any second of the last 35 days.
    pub point_in_time_recovery: bool,
    /// Who holds the key that tables are encrypted with.
    pub table_key: TableKey,
    /// Whether alarms and the dashboard are made.
    pub alarms: bool,
    /// Where alarms go, unless the stack's parameter says otherwise.
    pub alarm_topic: Option<TopicArn>,
    /// Messages that the WebSocket API takes.
    pub websocket_throttling: Throttling,
    /// New connections that the WebSocket API takes. Each may ask for the log of a job.
    pub connection_throttling: Throttling,
    /// Requests that the HTTP API takes, but for those that create jobs.
    pub http_throttling: Throttling,
    /// Requests to create a job that the HTTP API takes: those that need no key.
    pub job_creation_throttling: Throttling,
    /// Where browsers may come from; anywhere when empty. Jobs are protected by their keys, not
    /// by this.
    pub allowed_origins: Vec<Origin>,
    /// Jobs that one connection may be subscribed to at a time.
    pub max_subscriptions: u32,
    /// A name of the WebSocket API's own.
    pub websocket_domain: Option<CustomDomain>,
    /// A name of the HTTP API's own.
    pub http_domain: Option<CustomDomain>,
    /// Who may connect; anyone without it. What they may watch is up to the jobs' keys.
    pub connect_authorizer: Option<ConnectAuthorizer>,
    /// Who may create jobs; anyone without it. The other routes of the HTTP API ask for the job's
    /// own key, in the header that a token would be in.
    pub job_authorizer: Option<JwtAuthorizer>,
    /// What the functions run on.
    pub architecture: Architecture,
    /// Invocations at a time that a queue makes of this function, so that jobs leave some of the
    /// account's for the functions that answer requests.
    pub queue_concurrency: fn(&FunctionSpec) -> QueueConcurrency,
    /// Invocations at a time that are set aside for a function, and that it can't go beyond. Lambda
    /// refuses to set aside so many that fewer than 100 are left, which a new account may not have:
    /// neither environment sets any aside.
    pub reserved_concurrency: fn(&FunctionSpec) -> Option<u32>,
}

/// What happens to what the stack stores when the stack goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DataPolicy {
    /// It goes too.
    Disposable,
    /// It stays, and tables refuse to be deleted until their protection is taken off.
    Protected,
}

/// Who holds a table's encryption key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TableKey {
    /// DynamoDB. Costs nothing.
    Owned,
    /// The account's KMS, under `aws/dynamodb`: its uses are audited and paid for.
    Managed,
}

type Constructor = fn() -> Result<Environment, EnvironmentError>;

/// Every environment by name.
const KNOWN: &[(&str, Constructor)] = &[
    ("dev", || Ok(Environment::dev())),
    ("prod", || Ok(Environment::prod())),
];

impl Environment {
    /// For development: everything goes with the stack, nothing rings at night.
    pub fn dev() -> Self {
        Self {
            name: "dev",
            name_suffix: NameSuffix::default(),
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
            allowed_origins: Vec::new(),
            max_subscriptions: limits::DEFAULT_MAX_SUBSCRIPTIONS,
            websocket_domain: None,
            http_domain: None,
            connect_authorizer: None,
            job_authorizer: None,
            architecture: Architecture::Arm64,
            queue_concurrency: |function| {
                const JOBS: QueueConcurrency = QueueConcurrency::new(100);
                const DELIVERIES: QueueConcurrency = QueueConcurrency::new(10);
                if function == DeliveryFunction::SPEC {
                    DELIVERIES
                } else {
                    JOBS
                }
            },
            reserved_concurrency: |_| None,
        }
    }

    /// For production: what is stored outlives the stack, and someone is told when it fails.
    pub fn prod() -> Self {
        let name = "prod";
        Self {
            name,
            name_suffix: NameSuffix::of_environment(name),
            log_retention: RetentionDays::ThreeMonths,
            log_level: LogLevel::Info,
            data: DataPolicy::Protected,
            point_in_time_recovery: true,
            table_key: TableKey::Managed,
            alarms: true,
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
            // Of the 1,000 that an account has at a time, 350 are left to answer requests.
            queue_concurrency: |function| {
                const JOBS: QueueConcurrency = QueueConcurrency::new(600);
                const DELIVERIES: QueueConcurrency = QueueConcurrency::new(50);
                if function == DeliveryFunction::SPEC {
                    DELIVERIES
                } else {
                    JOBS
                }
            },
            ..Self::dev()
        }
    }

    /// The environment with this name.
    pub fn by_name(name: &str) -> Result<Self, EnvironmentError> {
        let (_, constructor) = KNOWN
            .iter()
            .find(|(known, _)| *known == name)
            .ok_or_else(|| EnvironmentError::UnknownEnvironment {
                name: name.to_owned(),
                known: Self::names().collect::<Vec<_>>().join(", "),
            })?;
        constructor()
    }

    /// The names of all environments.
    pub fn names() -> impl Iterator<Item = &'static str> {
        KNOWN.iter().map(|(name, _)| *name)
    }
}

#[cfg(test)]
mod tests {
    use contract::functions::Trigger;

    use super::*;

    #[test]
    fn an_environment_that_does_not_exist_is_answered_with_those_that_do() {
        let error = Environment::by_name("staging").expect_err("not there");
        assert_eq!(
            error.to_string(),
            "there is no environment 'staging'; known are dev, prod \
             (infra-gen/src/environments/mod.rs)"
        );
    }

    #[test]
    fn every_environment_has_a_valid_name_suffix_of_its_own() {
        let mut suffixes = Vec::new();
        for name in Environment::names() {
            let suffix = Environment::by_name(name).expect("it is known").name_suffix;
            assert_eq!(NameSuffix::new(suffix.as_str()).as_ref(), Ok(&suffix));
            assert!(!suffixes.contains(&suffix), "{name}: '{}'", suffix.as_str());
            suffixes.push(suffix);
        }
    }

    #[test]
    fn queues_of_all_environments_leave_functions_for_requests() {
        // An account's default quota of concurrent invocations. All environments may be in one account.
        const ACCOUNT: u32 = 1000;
        let mut taken = 0;
        for name in Environment::names() {
            let environment = Environment::by_name(name).expect("it is known");
            let consumers = contract::functions::ALL.iter().filter(|function| {
                let mut triggers = function.triggers.iter();
                triggers.any(|trigger| matches!(trigger, Trigger::Queue { .. }))
            });
            taken += consumers
                .map(|function| (environment.queue_concurrency)(function).invocations())
                .sum::<u32>();
        }
        assert!(taken + 200 <= ACCOUNT, "{taken}");
    }

    #[test]
    fn what_strangers_may_send_is_less_than_what_the_stage_takes() {
        for name in Environment::names() {
            let environment = Environment::by_name(name).expect("it is known");
            let pairs = [
                (
                    environment.job_creation_throttling,
                    environment.http_throttling,
                ),
                (
                    environment.connection_throttling,
                    environment.websocket_throttling,
                ),
            ];
            for (route, stage) in pairs {
                assert!(
                    route.requests_per_second < stage.requests_per_second,
                    "{name}"
                );
                assert!(route.burst <= stage.burst, "{name}");
            }
        }
    }

    #[test]
    fn every_environment_is_found_by_its_own_name() {
        for name in Environment::names() {
            let environment = Environment::by_name(name).expect("it is known");
            assert_eq!(environment.name, name);
        }
    }
}
