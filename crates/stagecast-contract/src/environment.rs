//! The settings of the functions: values that infra-gen writes into a function's environment, from the
//! configuration of the environment or from the stack.

use typed_contract::settings;

settings! {
    /// The URL that clients connect to, `wss://...`.
    WebSocketUrl = "WEBSOCKET_URL",
    /// Maximum number of subscriptions per connection.
    MaxSubscriptions = "MAX_SUBSCRIPTIONS",
    /// The retention of jobs in days; a job can have a shorter one.
    JobRetentionDays = "JOB_RETENTION_DAYS",
    /// The product's defaults and maxima of the time limits of jobs, `LimitRules` as JSON.
    JobLimitRules = "JOB_LIMIT_RULES",
    /// The product's queues of external workers, separated by commas.
    WorkerQueues = "WORKER_QUEUES",
    /// The limit of running jobs of one owner in a queue of external workers, `OwnerLimit`; empty if there is none.
    MaxRunningPerOwner = "MAX_RUNNING_PER_OWNER",
    /// The keys and rules of owner tokens, `TokenRules` as JSON; empty if the environment has none.
    OwnerTokens = "OWNER_TOKENS",
    /// The endpoint of webhooks and the hosts that callers can choose, `WebhookRules` as JSON; empty if the environment
    /// has no webhooks.
    Webhooks = "WEBHOOKS",
    /// Allowed `Origin`s of browsers, separated by commas; empty to allow any.
    AllowedOrigins = "ALLOWED_ORIGINS",
}
