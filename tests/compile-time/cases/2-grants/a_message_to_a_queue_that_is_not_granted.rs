//! The websocket function may leave deliveries to others, but not start jobs.

use contract::{
    functions::WebSocketFunction,
    queues::{JobQueue, JobTicket},
};
use handlers_core::aws::Queues;

fn start(queues: &Queues<WebSocketFunction>, job: &JobTicket) {
    drop(queues.send::<JobQueue>(job, 0));
}

fn main() {}
