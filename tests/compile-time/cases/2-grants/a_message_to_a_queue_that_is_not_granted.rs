//! The websocket function may leave deliveries to others, but not start jobs.

use contract::{
    functions::WebSocketFunction,
    queues::{JobQueue, JobTicket},
};
use handlers_core::aws::{Queues, SendError};

async fn start(queues: &Queues<WebSocketFunction>, job: &JobTicket) -> Result<(), SendError> {
    queues.send::<JobQueue>(job, 0).await
}

fn main() {}
