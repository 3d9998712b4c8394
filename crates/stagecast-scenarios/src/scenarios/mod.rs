//! The scenarios. Each one asserts what holds for every pipeline and every input that it completes.

mod cancellation;
mod external_workers;
mod jobs;
mod refusals;
mod subscribers;

pub use cancellation::{cancelled_job_ends_once, queued_job_is_cancelled_for_all_subscribers};
pub use external_workers::external_worker_runs_a_job_for_all_subscribers;
pub use jobs::{job_completes_with_results, snapshot_over_http_equals_the_last_message};
pub use refusals::{
    empty_input_is_refused, input_of_another_media_type_is_refused,
    job_with_a_wrong_key_is_refused, job_without_its_key_is_refused,
};
pub use subscribers::{
    late_subscriber_gets_the_log_from_the_beginning,
    returning_subscriber_gets_every_durable_message_once_and_in_order,
    two_subscribers_get_the_same_durable_messages, unsubscribed_client_gets_no_more_messages,
    watcher_over_http_gets_the_durable_messages_of_a_subscriber,
};
