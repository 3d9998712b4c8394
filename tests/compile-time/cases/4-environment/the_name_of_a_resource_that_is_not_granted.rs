//! Only functions with a grant on the bucket have its name.

use stagecast_contract::{buckets::Objects, functions::DeliveryFunction};
use granted_aws::Environment;

fn bucket(environment: &Environment<DeliveryFunction>) -> &str {
    environment.get::<Objects>()
}

fn main() {}
