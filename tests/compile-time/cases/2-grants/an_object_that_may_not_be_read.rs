//! The websocket function has no grant on the bucket.

use stagecast_contract::{buckets, functions::WebSocketFunction};
use granted_aws::Objects;

fn read(objects: &Objects<WebSocketFunction>) {
    objects.get_object::<buckets::Objects>();
}

fn main() {}
