//! The name of the bucket is for functions that use the bucket.

use contract::{buckets::Objects, functions::DeliveryFunction};
use handlers_core::aws::Environment;

fn bucket(environment: &Environment<DeliveryFunction>) -> &str {
    environment.get::<Objects>()
}

fn main() {}
