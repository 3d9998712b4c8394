//! The client of Secrets Manager, bounded by the grants of its function.

use std::time::Duration;

use aws_config::SdkConfig;
use aws_sdk_secretsmanager::{Client, error::DisplayErrorContext};
use typed_contract::{
    functions::Function,
    grants::{GetSecretValue, Granted},
    secrets::Secret,
};

use crate::{
    Environment, LazyAws, SecretError, SecretValue,
    secret_store::{SecretService, SecretStore},
};

/// The client of Secrets Manager for the function `F`. A value is read at its first use and kept for five
/// minutes. Clones share the values.
///
/// ```
/// use granted_aws::{LazyAws, SecretError, Secrets};
///
/// # use typed_contract::functions::Trigger;
/// # typed_contract::secret! {
/// #     /// The key of the billing service.
/// #     ApiKey = "billing/api-key" in "BILLING_API_KEY_SECRET"
/// # }
/// # typed_contract::function! {
/// #     /// Bills orders.
/// #     BillingFunction = "billing" {
/// #         memory_mib: 256,
/// #         timeout_seconds: 10,
/// #         retry_budget_seconds: 0,
/// #         triggers: [Trigger::HttpRoutes],
/// #         grants: {
/// #             ApiKey: [GetSecretValue],
/// #         },
/// #         settings: [],
/// #     }
/// # }
/// // `LazyAws` is for code that cannot await, such as the one that builds a pipeline.
/// # fn client(environment: &granted_aws::Environment<BillingFunction>) {
/// let secrets = Secrets::new(&LazyAws::default(), environment);
/// # }
///
/// // The function is granted `GetSecretValue` on `ApiKey`.
/// async fn authorization(secrets: &Secrets<BillingFunction>) -> Result<String, SecretError> {
///     let key = secrets.get::<ApiKey>().await?;
///     Ok(format!("Bearer {}", key.expose()))
/// }
/// ```
///
/// Secrets that the function is not granted do not compile:
///
/// ```compile_fail,E0277
/// # use granted_aws::Secrets;
/// # use typed_contract::functions::Trigger;
/// # typed_contract::secret! {
/// #     /// The key of the billing service.
/// #     ApiKey = "billing/api-key" in "BILLING_API_KEY_SECRET"
/// # }
/// # typed_contract::function! {
/// #     /// Bills orders.
/// #     BillingFunction = "billing" {
/// #         memory_mib: 256,
/// #         timeout_seconds: 10,
/// #         retry_budget_seconds: 0,
/// #         triggers: [Trigger::HttpRoutes],
/// #         grants: {
/// #         },
/// #         settings: [],
/// #     }
/// # }
/// # async fn read(secrets: &Secrets<BillingFunction>) {
/// secrets.get::<ApiKey>().await;
/// # }
/// ```
#[derive(Debug)]
pub struct Secrets<F>(SecretStore<F, Client>);

impl<F> Clone for Secrets<F> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<F: Function> Secrets<F> {
    /// A client of the secrets that the environment names. `source` is the configuration, or a
    /// [`LazyAws`], which is loaded at the first call.
    pub fn new(source: impl Into<LazyAws>, environment: &Environment<F>) -> Self {
        Self(SecretStore::new(source.into(), environment))
    }

    /// Keeps values for another time than five minutes. Zero reads them at each call.
    #[must_use]
    pub fn with_time_to_live(self, time_to_live: Duration) -> Self {
        Self(self.0.with_time_to_live(time_to_live))
    }

    /// The value of the secret `S`. If it is too old and Secrets Manager fails, the old value is returned
    /// and the failure is logged.
    pub async fn get<S: Secret>(&self) -> Result<SecretValue, SecretError>
    where
        F: Granted<GetSecretValue<S>>,
    {
        self.0.get(S::VARIABLE).await
    }

    /// The value of the secret `S` after a service has rejected `value`, because it was rotated. It is read
    /// again, unless another caller has done so since.
    pub async fn refresh<S: Secret>(&self, value: &SecretValue) -> Result<SecretValue, SecretError>
    where
        F: Granted<GetSecretValue<S>>,
    {
        self.0.refresh(S::VARIABLE, value).await
    }
}

impl SecretService for Client {
    fn new(config: &SdkConfig) -> Self {
        Self::new(config)
    }

    async fn read(&self, name: &str) -> Result<SecretValue, SecretError> {
        let answer = self.get_secret_value().secret_id(name).send().await;
        let answer = answer.map_err(|error| match error.as_service_error() {
            Some(cause) if cause.is_resource_not_found_exception() => SecretError::NotFound {
                kind: "secret",
                name: name.to_owned(),
                cause: cause.meta().message().unwrap_or_default().to_owned(),
            },
            _ => SecretError::Failed {
                kind: "secret",
                name: name.to_owned(),
                cause: DisplayErrorContext(error).to_string(),
            },
        })?;
        let text = answer.secret_string.ok_or_else(|| SecretError::Binary {
            name: name.to_owned(),
        })?;
        Ok(SecretValue::new(text))
    }
}
