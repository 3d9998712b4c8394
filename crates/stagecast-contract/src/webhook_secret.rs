//! The secret of webhooks.

use typed_contract::secret;

secret! {
    /// The keys that sign webhooks: one of the form `whsec_…`, or several with spaces between them, the newest first.
    /// Each signs every webhook.
    WebhookSecret = "stagecast/webhook-secret{suffix}" in "WEBHOOK_SECRET"
}
