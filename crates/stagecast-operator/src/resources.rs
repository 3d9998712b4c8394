//! The names of a stack's tables, queues and bucket.

use std::collections::BTreeMap;

use granted_aws::{Environment, MissingVariable};
use stagecast_contract::{buckets::Objects, tables};
use typed_contract::{
    buckets::Bucket as _, functions::Function, grants::GrantedOn, queues::QueueSpec,
    tables::TableSpec,
};

/// The names of a stack's resources in its account.
#[derive(Clone, Debug)]
pub struct Resources {
    /// The name of each table of the contract, by its name in the contract.
    tables: BTreeMap<&'static str, String>,
    /// The name of the bucket.
    bucket: String,
    /// The queues, of the job system and of the product.
    queues: Vec<QueueNames>,
}

/// The names of a queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueueNames {
    /// Its name in the contract.
    pub declared: &'static str,
    /// Its name in the account.
    pub queue: String,
    /// The name of its dead-letter queue in the account.
    pub dead_letters: String,
}

impl Resources {
    /// The resources that these functions name: a table, the bucket, and for a queue itself and its dead-letter queue.
    pub fn new<E>(
        table: impl Fn(&'static TableSpec) -> Result<String, E>,
        bucket: String,
        queues: &[&'static QueueSpec],
        queue: impl Fn(&'static QueueSpec) -> Result<(String, String), E>,
    ) -> Result<Self, E> {
        let tables = tables::ALL.iter().map(|spec| Ok((spec.name, table(spec)?)));
        let queues = queues.iter().map(|spec| {
            let (queue, dead_letters) = queue(spec)?;
            Ok(QueueNames {
                declared: spec.name,
                queue,
                dead_letters,
            })
        });
        Ok(Self {
            tables: tables.collect::<Result<_, E>>()?,
            bucket,
            queues: queues.collect::<Result<_, E>>()?,
        })
    }

    /// The queues.
    pub fn queues(&self) -> &[QueueNames] {
        &self.queues
    }

    /// The name of a table.
    pub(crate) fn table(&self, spec: &TableSpec) -> &str {
        self.tables.get(spec.name).map_or("", String::as_str)
    }

    /// What a Lambda function would find in its environment. `queue_urls` are by the names in the contract.
    pub(crate) fn environment<F: Function>(
        &self,
        queue_urls: &BTreeMap<&'static str, String>,
    ) -> Result<Environment<F>, MissingVariable> {
        Environment::read(|variable| {
            let mut grants = F::SPEC.grants.iter();
            grants.find_map(|grant| match grant.on {
                GrantedOn::Table(table) if table.variable == variable => {
                    self.tables.get(table.name).cloned()
                }
                GrantedOn::Queue(queue) if queue.variable == variable => {
                    queue_urls.get(queue.name).cloned()
                }
                GrantedOn::Bucket(bucket) if bucket.variable == variable => {
                    (bucket.name == Objects::SPEC.name).then(|| self.bucket.clone())
                }
                _ => None,
            })
        })
    }
}
