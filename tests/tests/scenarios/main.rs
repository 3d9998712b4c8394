//! End-to-end scenarios of the whole system.

mod abandoned;
mod abuse;
mod bad_frames;
mod blocked_threads;
mod bodies;
mod cancellation;
mod conflicts;
mod connections;
mod costs;
mod deliveries;
mod delivery;
mod denied_calls;
mod failures;
mod faults;
mod floor_plans;
mod grants;
mod logs;
mod overruled;
mod progress;
mod queues;
mod resuming;
mod several_clients;
mod wide_audience;
mod workers;
