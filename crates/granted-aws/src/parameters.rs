//! The client of SSM Parameter Store, bounded by the grants of its function.

use std::time::Duration;

use aws_config::SdkConfig;
use aws_sdk_ssm::{Client, error::DisplayErrorContext};
use typed_contract::{
    functions::Function,
    grants::{GetParameter, Granted},
    secrets::Parameter,
};

use crate::{
    Environment, LazyAws, SecretError, SecretValue,
    secret_store::{SecretService, SecretStore},
};

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
pub struct Parameters<F>(SecretStore<F, Client>);

impl<F> Clone for Parameters<F> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<F: Function> Parameters<F> {
    /// A client of the parameters that the environment names. `source` is the configuration, or a
    /// [`LazyAws`], which is loaded at the first call.
    pub fn new(source: impl Into<LazyAws>, environment: &Environment<F>) -> Self {
        Self(SecretStore::new(source.into(), environment))
    }

    /// Keeps values for another time than five minutes. Zero reads them at each call.
    #[must_use]
    pub fn with_time_to_live(self, time_to_live: Duration) -> Self {
        Self(self.0.with_time_to_live(time_to_live))
    }

    /// The value of the parameter `P`. If it is too old and SSM Parameter Store fails, the old value is returned
    /// and the failure is logged.
    pub async fn get<P: Parameter>(&self) -> Result<SecretValue, SecretError>
    where
        F: Granted<GetParameter<P>>,
    {
        self.0.get(P::VARIABLE).await
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
        self.0.refresh(P::VARIABLE, value).await
    }
}

impl SecretService for Client {
    fn new(config: &SdkConfig) -> Self {
        Self::new(config)
    }

    async fn read(&self, name: &str) -> Result<SecretValue, SecretError> {
        let answer = self
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
