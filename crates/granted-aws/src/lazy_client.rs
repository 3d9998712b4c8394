//! Clients that are created where nothing can be awaited.

use std::{fmt, sync::Arc};

use aws_config::SdkConfig;
use tokio::sync::OnceCell;
use typed_contract::functions::Function;

use crate::{Database, Environment, LazyAws, Objects, Queues};

/// A client of this crate that is created from a loaded configuration: [`Database`], [`Queues`] or
/// [`Objects`].
pub trait AwsClient: Sized {
    /// The function whose grants bound the client.
    type Function: Function;

    /// The client of the resources that the environment names.
    fn new(config: &SdkConfig, environment: &Environment<Self::Function>) -> Self;
}

impl<F: Function> AwsClient for Database<F> {
    type Function = F;

    fn new(config: &SdkConfig, environment: &Environment<F>) -> Self {
        Self::new(config, environment)
    }
}

impl<F: Function> AwsClient for Queues<F> {
    type Function = F;

    fn new(config: &SdkConfig, environment: &Environment<F>) -> Self {
        Self::new(config, environment)
    }
}

impl<F: Function> AwsClient for Objects<F> {
    type Function = F;

    fn new(config: &SdkConfig, environment: &Environment<F>) -> Self {
        Self::new(config, environment)
    }
}

/// A client that is created at its first use, for code that cannot await, such as the one that builds a
/// pipeline. Clones share the client.
///
/// ```
/// use granted_aws::{Database, Environment, LazyAws, LazyClient};
///
/// # use typed_contract::functions::Trigger;
/// # typed_contract::table! {
/// #     /// What customers have ordered.
/// #     Orders = "orders" in "ORDERS_TABLE" {
/// #         OrderKey { order_id: String },
/// #         time_to_live: expires_at: Number,
/// #     }
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
/// #         settings: [],
/// #     }
/// # }
/// struct ReadOrder {
///     database: LazyClient<Database<OrdersFunction>>,
/// }
///
/// impl ReadOrder {
///     fn new(environment: &Environment<OrdersFunction>) -> Self {
///         let database = LazyClient::new(&LazyAws::default(), environment);
///         Self { database }
///     }
///
///     async fn run(&self) {
///         let key = OrderKey { order_id: "o-1" };
///         let _request = self.database.get().await.get_item(&key);
///     }
/// }
/// ```
pub struct LazyClient<C: AwsClient> {
    source: LazyAws,
    environment: Environment<C::Function>,
    client: Arc<OnceCell<C>>,
}

impl<C: AwsClient> LazyClient<C> {
    /// A client of the resources that the environment names. `source` is the configuration, or a
    /// [`LazyAws`], which is loaded at the first use.
    pub fn new(source: impl Into<LazyAws>, environment: &Environment<C::Function>) -> Self {
        Self {
            source: source.into(),
            environment: environment.clone(),
            client: Arc::default(),
        }
    }

    /// The client.
    pub async fn get(&self) -> &C {
        self.client
            .get_or_init(async || C::new(self.source.get().await, &self.environment))
            .await
    }
}

impl<C: AwsClient> Clone for LazyClient<C> {
    fn clone(&self) -> Self {
        Self {
            source: self.source.clone(),
            environment: self.environment.clone(),
            client: Arc::clone(&self.client),
        }
    }
}

impl<C: AwsClient> fmt::Debug for LazyClient<C> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("LazyClient").finish_non_exhaustive()
    }
}
