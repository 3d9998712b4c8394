//! The websocket function may queue delivery tasks, but not job messages.

use stagecast_contract::{
    functions::WebSocketFunction,
    queues::{JobQueue, JobMessage},
};
use granted_aws::Queues;

fn start(queues: &Queues<WebSocketFunction>, job: &JobMessage) {
    drop(queues.send::<JobQueue>(job, 0));
}

fn main() {}
