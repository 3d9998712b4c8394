//! The client of SSM Parameter Store, bounded by the grants of its function.

use std::{sync::Arc, time::Duration};

use aws_sdk_ssm::{Client, error::DisplayErrorContext};
use tokio::sync::OnceCell;
use typed_contract::{
    functions::Function,
    grants::{GetParameter, Granted},
    secrets::Parameter,
};

use crate::{ConfigSource, Environment, SecretError, SecretValue, secret_cache::SecretCache};

/// The client of SSM Parameter Store for the function `F`. A value is read at its first use and kept for five
/// minutes. Clones share the values.
///
/// ```
/// use granted_aws::{LazyAws, Parameters};
///
/// # use typed_contract::functions::Trigger;
/// # typed_contract::parameter! {
/// #     /// The discount of regular customers, in percent.
/// #     Discount = "/shop/discount" in "DISCOUNT_PARAMETER"
/// # }
/// # typed_contract::function! {
/// #     /// Bills orders.
/// #     BillingFunction = "billing" {
/// #         memory_mib: 256,
/// #         timeout_seconds: 10,
/// #         retry_budget_seconds: 0,
/// #         triggers: [Trigger::HttpRoutes],
/// #         grants: {
/// #             Discount: [GetParameter],
/// #         },
/// #         settings: [],
/// #     }
/// # }
/// # fn client(environment: &granted_aws::Environment<BillingFunction>) {
/// let parameters = Parameters::new(&LazyAws::default(), environment);
/// # }
///
/// // The function is granted `GetParameter` on `Discount`.
/// async fn discount(parameters: &Parameters<BillingFunction>) -> Result<u8, Box<dyn std::error::Error>> {
///     Ok(parameters.get::<Discount>().await?.expose().parse()?)
/// }
/// ```
///
/// Parameters that the function is not granted do not compile:
///
/// ```compile_fail,E0277
/// # use granted_aws::Parameters;
/// # use typed_contract::functions::Trigger;
/// # typed_contract::parameter! {
/// #     /// The discount of regular customers, in percent.
/// #     Discount = "/shop/discount" in "DISCOUNT_PARAMETER"
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
/// # async fn read(parameters: &Parameters<BillingFunction>) {
/// parameters.get::<Discount>().await;
/// # }
/// ```
#[derive(Debug)]
pub struct Parameters<F> {
    source: ConfigSource,
    client: Arc<OnceCell<Client>>,
    cache: SecretCache,
    environment: Environment<F>,
}

impl<F> Clone for Parameters<F> {
    fn clone(&self) -> Self {
        Self {
            source: self.source.clone(),
            client: Arc::clone(&self.client),
            cache: self.cache.clone(),
            environment: self.environment.clone(),
        }
    }
}

impl<F: Function> Parameters<F> {
    /// A client of the parameters that the environment names. `source` is the configuration, or a
    /// [`LazyAws`](crate::LazyAws), which is loaded at the first call.
    pub fn new(source: impl Into<ConfigSource>, environment: &Environment<F>) -> Self {
        Self {
            source: source.into(),
            client: Arc::default(),
            cache: SecretCache::default(),
            environment: environment.clone(),
        }
    }

    /// Keeps values for another time than five minutes. Zero reads them at each call.
    #[must_use]
    pub fn with_time_to_live(self, time_to_live: Duration) -> Self {
        Self {
            cache: self.cache.with_time_to_live(time_to_live),
            ..self
        }
    }

    /// The value of the parameter `P`. If it is too old and SSM Parameter Store fails, the old value is returned
    /// and the failure is logged.
    pub async fn get<P: Parameter>(&self) -> Result<SecretValue, SecretError>
    where
        F: Granted<GetParameter<P>>,
    {
        let name = self.environment.value(P::VARIABLE);
        let read = Box::pin(self.read(name));
        self.cache.get(name, read).await
    }

    /// The value of the parameter `P` after a service has rejected `value`, because it was rotated. It is read
    /// again, unless another caller has done so since.
    pub async fn refresh<P: Parameter>(
        &self,
        value: &SecretValue,
    ) -> Result<SecretValue, SecretError>
    where
        F: Granted<GetParameter<P>>,
    {
        let name = self.environment.value(P::VARIABLE);
        let read = Box::pin(self.read(name));
        self.cache.replace(name, value, read).await
    }

    async fn read(&self, name: &str) -> Result<SecretValue, SecretError> {
        let client = self
            .client
            .get_or_init(async || Client::new(self.source.get().await))
            .await;
        let answer = client
            .get_parameter()
            .name(name)
            .with_decryption(true)
            .send()
            .await;
        let answer = answer.map_err(|error| match error.as_service_error() {
            Some(cause) if cause.is_parameter_not_found() => SecretError::NotFound {
                kind: "parameter",
                name: name.to_owned(),
                cause: cause.meta().message().unwrap_or_default().to_owned(),
            },
            _ => SecretError::Failed {
                kind: "parameter",
                name: name.to_owned(),
                cause: DisplayErrorContext(error).to_string(),
            },
        })?;
        let value = answer.parameter.and_then(|parameter| parameter.value);
        Ok(SecretValue::new(value.unwrap_or_default()))
    }
}
