//! End-to-end scenarios of the whole system.

mod abandoned;
mod abuse;
mod artifacts;
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
mod http_watching;
#[cfg(target_os = "linux")]
mod large_inputs;
mod listening;
mod logs;
mod overruled;
mod progress;
mod queues;
mod resuming;
mod rust_client;
mod rust_worker;
mod several_clients;
mod time_limits;
mod tokens;
mod uploads;
mod webhooks;
mod wide_audience;
mod work_queues;
mod workers;
