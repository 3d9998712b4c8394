//! The jobs function serves HTTP; it does not talk to connections.

use contract::functions::JobsFunction;
use handlers_core::{
    aws::ConnectionsApi,
    delivery::{Post, PostError},
};

async fn greet(connections: &ConnectionsApi<JobsFunction>) -> Result<(), PostError> {
    connections.post("BFHPhfCWIAMCKlQ=", "hello".into()).await
}

fn main() {}
