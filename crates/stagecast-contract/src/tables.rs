//! The DynamoDB tables with their keys, indexes and time-to-live attributes.

use typed_contract::{
    table,
    tables::{Table as _, TableSpec},
};

table! {
    /// Connections and their subscriptions. Each connection also has an item whose `job_id` is
    /// [`CONNECTION_SENTINEL`], which exists before its first subscription.
    Connections = "websocket_connections" in "WEBSOCKET_CONNECTIONS_TABLE" {
        ConnectionKey { connection_id: String, job_id: String },
        time_to_live: expires_at: Number,
    }
}

table! {
    /// The subscribers of each job: the reverse of [`Connections`].
    Subscribers = "job_subscribers" in "JOB_SUBSCRIBERS_TABLE" {
        SubscriberKey { job_id: String, connection_id: String },
        time_to_live: expires_at: Number,
    }
}

table! {
    /// The jobs: state, snapshot, lease and finished stages.
    Jobs = "jobs" in "JOBS_TABLE" {
        JobKey { job_id: String },
        time_to_live: expires_at: Number,
    }
}

table! {
    /// The log of each job's durable messages.
    JobEvents = "job_events" in "JOB_EVENTS_TABLE" {
        JobEventKey { job_id: String, seq: Number },
        time_to_live: expires_at: Number,
    }
}

table! {
    /// Lists beside the jobs: the jobs that wait in each queue of external workers, the workers that listen to it, the
    /// tokens of all workers, and the jobs of each owner.
    WorkQueues = "work_queues" in "WORK_QUEUES_TABLE" {
        WorkQueueKey { queue: String, entry: String },
        time_to_live: expires_at: Number,
    }
}

/// All tables, in the order of the template.
pub const ALL: &[&TableSpec] = &[
    Connections::SPEC,
    Subscribers::SPEC,
    Jobs::SPEC,
    JobEvents::SPEC,
    WorkQueues::SPEC,
];

/// The `job_id` of the item that represents the connection itself. It is not a valid job id.
pub const CONNECTION_SENTINEL: &str = "-";

#[cfg(test)]
mod tests {
    use typed_contract::tables::AttributeType;

    use super::*;

    #[test]
    fn connections_table_has_the_names_of_the_protocol() {
        let spec = Connections::SPEC;
        assert_eq!(spec.name, "websocket_connections");
        assert_eq!(spec.key.partition.name, "connection_id");
        assert_eq!(spec.key.sort.map(|key| key.name), Some("job_id"));
        assert_eq!(spec.time_to_live.kind, AttributeType::Number);
    }
}
