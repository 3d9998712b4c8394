//! The environment variables that the template sets for a function.

use std::{collections::BTreeMap, marker::PhantomData};

use typed_contract::{
    environment::{self, HasEnvVar, Resource},
    functions::Function,
    grants::{Granted, GrantedOn, Operation},
};

/// A variable that the template sets for the function is missing.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error(
    "the environment variable {0} is not set: the function was not deployed with its current \
     template. help: write the template and deploy again"
)]
pub struct MissingVariable(pub &'static str);

/// The environment variables of the function `F`, read once.
///
/// ```
/// use granted_aws::Environment;
///
/// # use typed_contract::{functions::Trigger};
/// # typed_contract::table! {
/// #     /// What customers have ordered.
/// #     Orders = "orders" in "ORDERS_TABLE" {
/// #         OrderKey { order_id: String },
/// #         time_to_live: expires_at: Number,
/// #     }
/// # }
/// # typed_contract::settings! {
/// #     /// Maximum number of items in an order.
/// #     MaxItems = "MAX_ITEMS",
/// #     /// The carrier of all parcels.
/// #     Carrier = "CARRIER",
/// # }
/// # typed_contract::function! {
/// #     /// Returns orders.
/// #     OrdersFunction = "orders" {
/// #         memory_mib: 256,
/// #         timeout_seconds: 10,
/// #         retry_budget_seconds: 0,
/// #         triggers: [Trigger::HttpRoutes],
/// #         grants: {
/// #             Orders: [GetItem],
/// #         },
/// #         settings: [MaxItems],
/// #     }
/// # }
/// // Its only grant is on `Orders`, and its only setting is `MaxItems`.
/// let read = |name| Some(format!("value of {name}"));
/// let environment = Environment::<OrdersFunction>::read(read)?;
/// assert_eq!(environment.get::<Orders>(), "value of ORDERS_TABLE");
/// assert_eq!(environment.get::<MaxItems>(), "value of MAX_ITEMS");
/// # Ok::<(), granted_aws::MissingVariable>(())
/// ```
///
/// The function does not have the setting `Carrier`, so this does not compile:
///
/// ```compile_fail,E0277
/// # use typed_contract::{functions::Trigger};
/// # typed_contract::table! {
/// #     /// What customers have ordered.
/// #     Orders = "orders" in "ORDERS_TABLE" {
/// #         OrderKey { order_id: String },
/// #         time_to_live: expires_at: Number,
/// #     }
/// # }
/// # typed_contract::settings! {
/// #     /// Maximum number of items in an order.
/// #     MaxItems = "MAX_ITEMS",
/// #     /// The carrier of all parcels.
/// #     Carrier = "CARRIER",
/// # }
/// # typed_contract::function! {
/// #     /// Returns orders.
/// #     OrdersFunction = "orders" {
/// #         memory_mib: 256,
/// #         timeout_seconds: 10,
/// #         retry_budget_seconds: 0,
/// #         triggers: [Trigger::HttpRoutes],
/// #         grants: {
/// #             Orders: [GetItem],
/// #         },
/// #         settings: [MaxItems],
/// #     }
/// # }
/// # fn carrier(environment: &granted_aws::Environment<OrdersFunction>) {
/// environment.get::<Carrier>();
/// # }
/// ```
#[derive(Debug)]
pub struct Environment<F> {
    values: BTreeMap<&'static str, String>,
    function: PhantomData<fn() -> F>,
}

impl<F> Clone for Environment<F> {
    fn clone(&self) -> Self {
        Self {
            values: self.values.clone(),
            function: PhantomData,
        }
    }
}

impl<F: Function> Environment<F> {
    /// Reads the variables from the environment of the process.
    pub fn load() -> Result<Self, MissingVariable> {
        Self::read(|name| std::env::var(name).ok())
    }

    /// Reads the variables with `read`, which returns the value of a variable by its name.
    pub fn read(read: impl Fn(&'static str) -> Option<String>) -> Result<Self, MissingVariable> {
        let mut values = BTreeMap::new();
        let mut names: Vec<&'static str> = Vec::new();
        for grant in F::SPEC.grants {
            match grant.on {
                GrantedOn::Table(table) | GrantedOn::Index(table, _) => names.push(table.variable),
                GrantedOn::Queue(queue) => names.push(queue.variable),
                GrantedOn::Bucket(bucket) => names.push(bucket.variable),
                GrantedOn::Connections(_) => names.extend([
                    environment::WEBSOCKET_API_ID,
                    environment::WEBSOCKET_STAGE,
                    environment::WEBSOCKET_ENDPOINT,
                ]),
                GrantedOn::Secret(secret) => names.push(secret.variable),
                GrantedOn::Parameter(parameter) => names.push(parameter.variable),
                GrantedOn::External(external) => names.push(external.variable),
            }
        }
        names.extend(F::SPEC.settings.iter().map(|setting| setting.variable));
        for name in names {
            values.insert(name, read(name).ok_or(MissingVariable(name))?);
        }
        Ok(Self {
            values,
            function: PhantomData,
        })
    }

    /// The value of the variable of `R`.
    pub fn get<R: Resource>(&self) -> &str
    where
        F: HasEnvVar<R>,
    {
        self.value(R::VARIABLE)
    }

    /// The ARN or name of the resource on which the function is granted the operation `O`, for a call with a
    /// client that this crate does not have. Name the operation that the call makes: without its grant, this
    /// does not compile.
    ///
    /// ```
    /// use granted_aws::Environment;
    ///
    /// # use typed_contract::functions::Trigger;
    /// typed_contract::external! {
    ///     /// The topic of the support team.
    ///     Alerts = "arn:{partition}:sns:{region}:{account}:alerts" in "ALERTS_TOPIC_ARN" {
    ///         /// Send a message to the topic's subscribers.
    ///         Publish = "sns:Publish",
    ///         /// Read the topic's settings.
    ///         GetTopicAttributes = "sns:GetTopicAttributes",
    ///     }
    /// }
    /// # typed_contract::function! {
    /// #     /// Serves orders.
    /// #     OrdersFunction = "orders" {
    /// #         memory_mib: 256,
    /// #         timeout_seconds: 10,
    /// #         retry_budget_seconds: 0,
    /// #         triggers: [Trigger::HttpRoutes],
    /// #         grants: {
    /// #             Alerts: [Publish],
    /// #         },
    /// #         settings: [],
    /// #     }
    /// # }
    ///
    /// // The function is granted `Publish` on `Alerts`.
    /// fn alerts(environment: &Environment<OrdersFunction>) -> &str {
    ///     environment.target_of::<Publish<Alerts>>()
    /// }
    /// // sns.publish().topic_arn(alerts(&environment)).message("...").send().await?;
    /// ```
    ///
    /// It is not granted `GetTopicAttributes`, so this does not compile:
    ///
    /// ```compile_fail,E0277
    /// # use granted_aws::Environment;
    /// # use typed_contract::functions::Trigger;
    /// # typed_contract::external! {
    /// #     /// The topic of the support team.
    /// #     Alerts = "arn:{partition}:sns:{region}:{account}:alerts" in "ALERTS_TOPIC_ARN" {
    /// #         /// Send a message to the topic's subscribers.
    /// #         Publish = "sns:Publish",
    /// #         /// Read the topic's settings.
    /// #         GetTopicAttributes = "sns:GetTopicAttributes",
    /// #     }
    /// # }
    /// # typed_contract::function! {
    /// #     /// Serves orders.
    /// #     OrdersFunction = "orders" {
    /// #         memory_mib: 256,
    /// #         timeout_seconds: 10,
    /// #         retry_budget_seconds: 0,
    /// #         triggers: [Trigger::HttpRoutes],
    /// #         grants: {
    /// #             Alerts: [Publish],
    /// #         },
    /// #         settings: [],
    /// #     }
    /// # }
    /// # fn alerts(environment: &Environment<OrdersFunction>) -> &str {
    /// environment.target_of::<GetTopicAttributes<Alerts>>()
    /// # }
    /// ```
    pub fn target_of<O: Operation>(&self) -> &str
    where
        F: Granted<O>,
    {
        self.value(O::Resource::VARIABLE)
    }

    /// The value of a variable. [`Self::read`] has found every variable that a caller can name: those of
    /// all grants and settings of `F`.
    pub(crate) fn value(&self, name: &str) -> &str {
        self.values.get(name).map_or("", String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use typed_contract::functions::Trigger;

    use super::*;

    typed_contract::table! {
        /// What customers have ordered.
        Orders = "orders" in "ORDERS_TABLE" {
            OrderKey { order_id: String },
            time_to_live: expires_at: Number,
        }
    }

    typed_contract::settings! {
        /// Maximum number of items in an order.
        MaxItems = "MAX_ITEMS",
    }

    typed_contract::function! {
        /// Serves the orders.
        OrdersFunction = "orders" {
            memory_mib: 256,
            timeout_seconds: 10,
            retry_budget_seconds: 0,
            triggers: [Trigger::HttpRoutes],
            grants: {
                Orders: [GetItem],
            },
            settings: [MaxItems],
        }
    }

    #[test]
    fn variables_of_grants_and_settings_are_read() {
        let environment =
            Environment::<OrdersFunction>::read(|name| Some(format!("value of {name}"))).unwrap();
        assert_eq!(environment.get::<Orders>(), "value of ORDERS_TABLE");
        assert_eq!(environment.get::<MaxItems>(), "value of MAX_ITEMS");
    }

    #[test]
    fn missing_variable_is_an_error_that_names_it() {
        let error =
            Environment::<OrdersFunction>::read(|name| (name != "ORDERS_TABLE").then(String::new))
                .unwrap_err();
        assert_eq!(error, MissingVariable("ORDERS_TABLE"));
    }
}
