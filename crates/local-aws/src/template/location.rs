//! The stack's region, account, name and address.

/// What pseudo parameters, ARNs and URLs are made of.
#[derive(Clone, Debug)]
pub(crate) struct StackLocation {
    pub(crate) region: String,
    pub(crate) account: String,
    pub(crate) stack_name: String,
    /// `127.0.0.1:4800`.
    pub(crate) authority: String,
}

impl StackLocation {
    /// The location of the stack `stack_name` at `authority`, with the local account and region.
    pub(crate) fn new(authority: &str, stack_name: &str) -> Self {
        Self {
            region: "us-east-1".to_owned(),
            account: "000000000000".to_owned(),
            stack_name: stack_name.to_owned(),
            authority: authority.to_owned(),
        }
    }

    pub(crate) fn http_base(&self) -> String {
        format!("http://{}", self.authority)
    }

    pub(crate) fn websocket_base(&self) -> String {
        format!("ws://{}", self.authority)
    }

    pub(crate) fn queue_url(&self, name: &str) -> String {
        format!("{}/{}/{name}", self.http_base(), self.account)
    }

    pub(crate) fn arn(&self, service: &str, resource: &str) -> String {
        format!(
            "arn:aws:{service}:{}:{}:{resource}",
            self.region, self.account
        )
    }
}
