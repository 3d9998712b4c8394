//! Secrets Manager and SSM Parameter Store: the values that the options give, in AWS JSON 1.1.

use std::{collections::BTreeMap, fmt, sync::Arc};

use http::{HeaderName, HeaderValue, StatusCode, header};
use serde_json::{Value, json};

use crate::{
    faults::Fault,
    http_util::{self, Response},
    ids,
    recorder::Call,
    sync::Mutex,
};

/// The prefix of `X-Amz-Target` of Secrets Manager.
const SECRETS_MANAGER: &str = "secretsmanager.";
/// The prefix of `X-Amz-Target` of SSM.
const SSM: &str = "AmazonSSM.";

/// The values of secrets and parameters by their names. Clones share them, so that a test can rotate a secret
/// of a running stack. `Debug` prints the names only.
///
/// ```
/// use local_aws::LocalSecrets;
///
/// let secrets = LocalSecrets::default();
/// secrets.set("billing/api-key", "sk-1");
/// assert!(!format!("{secrets:?}").contains("sk-1"));
/// ```
#[derive(Clone, Default)]
pub struct LocalSecrets(Arc<Mutex<BTreeMap<String, String>>>);

impl LocalSecrets {
    /// Sets the value of a secret or parameter.
    pub fn set(&self, name: impl Into<String>, value: impl Into<String>) {
        self.0.lock().insert(name.into(), value.into());
    }

    /// Removes a secret or parameter.
    pub fn remove(&self, name: &str) {
        self.0.lock().remove(name);
    }

    /// Whether the secret or parameter has a value.
    pub fn contains(&self, name: &str) -> bool {
        self.0.lock().contains_key(name)
    }

    fn get(&self, name: &str) -> Option<String> {
        self.0.lock().get(name).cloned()
    }
}

impl fmt::Debug for LocalSecrets {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_set().entries(self.0.lock().keys()).finish()
    }
}

impl<N: Into<String>, V: Into<String>> FromIterator<(N, V)> for LocalSecrets {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(values: I) -> Self {
        let values = values.into_iter();
        let values = values.map(|(name, value)| (name.into(), value.into()));
        Self(Arc::new(Mutex::new(values.collect())))
    }
}

/// A service that has values of secrets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Store {
    SecretsManager,
    Ssm,
}

impl Store {
    /// The service and the operation of an `X-Amz-Target`; `None` if it is of another service.
    pub(crate) fn of_target(target: &str) -> Option<(Self, &str)> {
        let secrets_manager = target.strip_prefix(SECRETS_MANAGER);
        let ssm = target.strip_prefix(SSM);
        secrets_manager
            .map(|operation| (Self::SecretsManager, operation))
            .or(ssm.map(|operation| (Self::Ssm, operation)))
    }

    /// The prefix of the service's IAM actions.
    const fn prefix(self) -> &'static str {
        match self {
            Self::SecretsManager => "secretsmanager",
            Self::Ssm => "ssm",
        }
    }

    /// The name of the secret or parameter of a request, which may have its ARN.
    fn name(self, request: &Value) -> String {
        match self {
            Self::SecretsManager => {
                let id = request["SecretId"].as_str().unwrap_or_default();
                match id.split_once(":secret:") {
                    // The ARN ends with a hyphen and six characters.
                    Some((_, name)) => name
                        .rsplit_once('-')
                        .map_or(name, |(name, _)| name)
                        .to_owned(),
                    None => id.to_owned(),
                }
            }
            Self::Ssm => {
                let id = request["Name"].as_str().unwrap_or_default();
                match id.split_once(":parameter/") {
                    Some((_, name)) if name.contains('/') => format!("/{name}"),
                    Some((_, name)) => name.to_owned(),
                    None => id.to_owned(),
                }
            }
        }
    }

    /// The call to record for a request.
    pub(crate) fn call(self, caller: &str, operation: &str, body: &[u8]) -> Call {
        let request = serde_json::from_slice::<Value>(body).unwrap_or_default();
        Call {
            caller: caller.to_owned(),
            operation: format!("{}:{operation}", self.prefix()),
            resource: self.name(&request),
        }
    }

    /// Serves an operation. `option` is what the error of a missing value calls [`LocalSecrets`].
    pub(crate) fn handle(
        self,
        secrets: &LocalSecrets,
        option: &str,
        operation: &str,
        body: &[u8],
    ) -> Response {
        let request = match serde_json::from_slice::<Value>(body) {
            Ok(request) => request,
            Err(error) => {
                return refuse(
                    StatusCode::BAD_REQUEST,
                    "SerializationException",
                    &error.to_string(),
                );
            }
        };
        let name = self.name(&request);
        let value = secrets.get(&name);
        let missing = |what: &str| {
            format!("the local stack has no value of the {what} '{name}': set it with {option}")
        };
        match (self, operation, value) {
            (Self::SecretsManager, "GetSecretValue", Some(value)) => respond(
                StatusCode::OK,
                &json!({
                    "ARN": format!("arn:aws:secretsmanager:us-east-1:000000000000:secret:{name}-AbCdEf"),
                    "Name": name,
                    "SecretString": value,
                    "VersionId": ids::uuid(),
                    "VersionStages": ["AWSCURRENT"],
                }),
            ),
            (Self::SecretsManager, "GetSecretValue", None) => refuse(
                StatusCode::BAD_REQUEST,
                "ResourceNotFoundException",
                &missing("secret"),
            ),
            (Self::Ssm, "GetParameter", Some(value)) => respond(
                StatusCode::OK,
                &json!({
                    "Parameter": {
                        "ARN": format!(
                            "arn:aws:ssm:us-east-1:000000000000:parameter/{}",
                            name.trim_start_matches('/')
                        ),
                        "DataType": "text",
                        "Name": name,
                        "Type": "SecureString",
                        "Value": value,
                        "Version": 1,
                    },
                }),
            ),
            (Self::Ssm, "GetParameter", None) => refuse(
                StatusCode::BAD_REQUEST,
                "ParameterNotFound",
                &missing("parameter"),
            ),
            _ => refuse(
                StatusCode::BAD_REQUEST,
                "UnknownOperationException",
                &format!(
                    "{}:{operation} is not supported by the local stack",
                    self.prefix()
                ),
            ),
        }
    }

    /// The response of a fault; `None` if the fault does not replace the response.
    pub(crate) fn fault_response(self, fault: Fault, operation: &str) -> Option<Response> {
        match fault {
            Fault::Throttle => Some(refuse(
                StatusCode::BAD_REQUEST,
                "ThrottlingException",
                "Rate exceeded",
            )),
            Fault::Outage => {
                let code = match self {
                    Self::SecretsManager => "InternalServiceError",
                    Self::Ssm => "InternalServerError",
                };
                let message = "An error occurred on the server side.";
                Some(refuse(StatusCode::INTERNAL_SERVER_ERROR, code, message))
            }
            Fault::Denied => {
                let action = format!("{}:{operation}", self.prefix());
                let message = format!("not authorized to perform: {action}");
                Some(refuse(
                    StatusCode::BAD_REQUEST,
                    "AccessDeniedException",
                    &message,
                ))
            }
            Fault::Status(status) => {
                let status =
                    StatusCode::from_u16(status).unwrap_or(StatusCode::SERVICE_UNAVAILABLE);
                Some(http_util::empty(status))
            }
            Fault::Conflict | Fault::Delay(_) | Fault::Hang | Fault::LostResponse => None,
        }
    }
}

fn refuse(status: StatusCode, code: &str, message: &str) -> Response {
    respond(status, &json!({ "__type": code, "message": message }))
}

fn respond(status: StatusCode, body: &Value) -> Response {
    let mut response = http_util::json(status, body);
    let headers = response.headers_mut();
    let json = HeaderValue::from_static("application/x-amz-json-1.1");
    headers.insert(header::CONTENT_TYPE, json);
    if let Ok(id) = ids::uuid().parse() {
        headers.insert(HeaderName::from_static("x-amzn-requestid"), id);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn call_names_the_secret_of_an_arn() {
        let arn = "arn:aws:secretsmanager:us-east-1:000000000000:secret:billing/api-key-AbCdEf";
        let body = json!({ "SecretId": arn }).to_string();
        let call = Store::SecretsManager.call("orders", "GetSecretValue", body.as_bytes());
        assert_eq!(call.operation, "secretsmanager:GetSecretValue");
        assert_eq!(call.resource, "billing/api-key");
        let arn = "arn:aws:ssm:us-east-1:000000000000:parameter/shop/discount";
        let body = json!({ "Name": arn }).to_string();
        let call = Store::Ssm.call("orders", "GetParameter", body.as_bytes());
        assert_eq!(call.resource, "/shop/discount");
    }
}
