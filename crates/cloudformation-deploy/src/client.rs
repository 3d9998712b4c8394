//! The client of CloudFormation.

use aws_sdk_cloudformation::Client;

/// A client of CloudFormation, with the address that error messages name.
#[derive(Clone, Debug)]
pub struct CloudFormation {
    pub(crate) client: Client,
    endpoint: Option<String>,
}

impl CloudFormation {
    /// A client that error messages do not name an address for: that of AWS.
    pub fn new(client: Client) -> Self {
        Self {
            client,
            endpoint: None,
        }
    }

    /// Names this address in the messages about failed calls, for a client of an emulator.
    #[must_use]
    pub fn with_endpoint(mut self, endpoint: Option<String>) -> Self {
        self.endpoint = endpoint;
        self
    }

    /// The client of the SDK, for calls that this crate does not have.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// ` at ADDRESS`, for the message about a first call: a wrong address fails there.
    pub(crate) fn at(&self) -> String {
        let endpoint = self.endpoint.as_ref();
        endpoint.map_or_else(String::new, |endpoint| format!(" at {endpoint}"))
    }
}

impl From<Client> for CloudFormation {
    fn from(client: Client) -> Self {
        Self::new(client)
    }
}
