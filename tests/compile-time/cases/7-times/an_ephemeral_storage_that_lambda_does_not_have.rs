//! Lambda has at most 10 GiB of files for a function.

use typed_contract::functions::Trigger;

typed_contract::function! {
    /// Unpacks archives.
    ArchivesFunction = "archives" {
        memory_mib: 512,
        ephemeral_storage_mib: 20480,
        timeout_seconds: 10,
        retry_budget_seconds: 0,
        triggers: [Trigger::HttpRoutes],
        grants: {},
        settings: [],
    }
}

fn main() {}
