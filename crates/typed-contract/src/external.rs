//! Resources of any AWS service that the stack does not create: a topic, a model, another account's bucket.

use crate::{environment::Resource, patterns};

/// The properties of an external resource.
#[derive(Debug, PartialEq, Eq)]
pub struct ExternalSpec {
    /// The name of the resource's type.
    pub name: &'static str,
    /// The ARN in IAM statements, with the placeholders of [`patterns`].
    pub arn: &'static str,
    /// The environment variable that holds the resource's ARN or name in functions that use it.
    pub variable: &'static str,
    /// The value of the environment variable, with the placeholders of [`patterns`]; None: the ARN.
    pub value: Option<&'static str>,
}

/// A resource that is declared with `external!`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an external resource",
    label = "this takes an external resource",
    note = "external resources are declared with `external!`, next to the function that uses them"
)]
pub trait External: Resource {
    /// The properties of the resource.
    const SPEC: &'static ExternalSpec;
}

/// Declares a resource of any AWS service by its ARN, and the operations that functions can be granted on it.
/// The stack does not create the resource.
///
/// The ARN has the stack's values where it has the placeholders `{partition}`, `{region}`, `{account}` and
/// `{suffix}`. A resource of another account has that account's id. An operation is an IAM action,
/// `service:Action`.
///
/// ```
/// use typed_contract::functions::{Function as _, Trigger};
///
/// typed_contract::external! {
///     /// The topic of the support team.
///     Alerts = "arn:{partition}:sns:{region}:{account}:alerts{suffix}" in "ALERTS_TOPIC_ARN" {
///         /// Send a message to the topic's subscribers.
///         Publish = "sns:Publish",
///     }
/// }
///
/// typed_contract::function! {
///     /// Serves the orders.
///     OrdersFunction = "orders" {
///         memory_mib: 256,
///         timeout_seconds: 10,
///         retry_budget_seconds: 0,
///         triggers: [Trigger::HttpRoutes],
///         grants: {
///             Alerts: [Publish],
///         },
///         settings: [],
///     }
/// }
///
/// assert_eq!(OrdersFunction::SPEC.grants[0].action, "sns:Publish");
/// ```
///
/// `function!` needs the operation in scope, as the resource. An operation can be granted on other resources of
/// the service as well: declare these without it.
///
/// The environment variable has the ARN, or the text after `as`. The models of Bedrock have no account, and
/// `s3:GetObject` acts on the objects of a bucket:
///
/// ```
/// typed_contract::external! {
///     /// The model that describes images.
///     Model = "arn:{partition}:bedrock:{region}::foundation-model/amazon.nova-lite-v1:0" in "MODEL_ID"
///         as "amazon.nova-lite-v1:0" {
///         /// Run the model and wait for its whole response.
///         InvokeModel = "bedrock:InvokeModel",
///     }
/// }
///
/// typed_contract::external! {
///     /// The bucket with the partner's price lists, in the partner's account.
///     PriceLists = "arn:{partition}:s3:::partner-prices/*" in "PRICE_LISTS_BUCKET" as "partner-prices" {
///         /// Read a price list.
///         ReadPriceList = "s3:GetObject",
///     }
/// }
/// ```
///
/// An action with a wildcard does not compile:
///
/// ```compile_fail,E0080
/// typed_contract::external! {
///     /// The topic of the support team.
///     Alerts = "arn:{partition}:sns:{region}:{account}:alerts" in "ALERTS_TOPIC_ARN" {
///         /// Anything.
///         Anything = "sns:*",
///     }
/// }
/// ```
///
/// Nor does an ARN that means every resource of a service:
///
/// ```compile_fail,E0080
/// typed_contract::external! {
///     /// All topics.
///     Topics = "arn:{partition}:sns:{region}:{account}:*" in "TOPICS"
/// }
/// ```
///
/// Nor the grant of an operation of another service:
///
/// ```compile_fail,E0080
/// use typed_contract::functions::Trigger;
///
/// typed_contract::external! {
///     /// The topic of the support team.
///     Alerts = "arn:{partition}:sns:{region}:{account}:alerts" in "ALERTS_TOPIC_ARN" {
///         /// Call a function.
///         Invoke = "lambda:InvokeFunction",
///     }
/// }
///
/// typed_contract::function! {
///     /// Serves the orders.
///     OrdersFunction = "orders" {
///         memory_mib: 256,
///         timeout_seconds: 10,
///         retry_budget_seconds: 0,
///         triggers: [Trigger::HttpRoutes],
///         grants: {
///             Alerts: [Invoke],
///         },
///         settings: [],
///     }
/// }
/// ```
#[macro_export]
macro_rules! external {
    (
        $(#[$documentation:meta])*
        $resource:ident = $arn:literal in $variable:literal $(as $value:literal)?
        $({
            $(
                $(#[$operation_documentation:meta])*
                $operation:ident = $action:literal
            ),+ $(,)?
        })?
    ) => {
        $(#[$documentation])*
        #[derive(Debug)]
        pub struct $resource;

        impl $crate::external::External for $resource {
            const SPEC: &'static $crate::external::ExternalSpec = &$crate::external::ExternalSpec {
                name: stringify!($resource),
                arn: $arn,
                variable: $variable,
                value: $crate::external!(@value $($value)?),
            };
        }

        impl $crate::environment::Resource for $resource {
            const VARIABLE: &'static str = $variable;
        }

        const _: () = $crate::external::check(<$resource as $crate::external::External>::SPEC);

        $($(
            $(#[$operation_documentation])*
            #[derive(Debug)]
            pub struct $operation<R>(::std::marker::PhantomData<fn() -> R>);

            impl<R: $crate::external::External> $crate::grants::Operation for $operation<R> {
                type Resource = R;
                const GRANT: $crate::grants::Grant = $crate::grants::external($action, R::SPEC);
            }

            const _: () = $crate::grants::check_external(stringify!($operation), $action);
        )+)?
    };
    (@value) => { ::std::option::Option::None };
    (@value $value:literal) => { ::std::option::Option::Some($value) };
}

/// Rejects an external resource with an invalid ARN.
#[doc(hidden)]
#[track_caller]
pub const fn check(resource: &ExternalSpec) {
    let _ = patterns::check_arn(resource.name, resource.arn);
    if let Some(value) = resource.value {
        patterns::check("value of a variable", value, patterns::ANY, b":/-_.+=@,$#");
    }
}
