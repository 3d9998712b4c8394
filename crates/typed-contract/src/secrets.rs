//! Secrets of Secrets Manager and parameters of SSM Parameter Store.
//!
//! Functions are given the name of a secret or parameter; its value is in no template, environment variable
//! or log. The secret is created outside of the stack, because a template would have to contain its value.

use crate::{
    const_fmt::const_panic,
    environment::Resource,
    patterns::{self, SUFFIX},
};

/// The properties of a secret.
#[derive(Debug, PartialEq, Eq)]
pub struct SecretSpec {
    /// The secret's name in Secrets Manager. May contain `{suffix}`, the stack's suffix of names.
    pub name: &'static str,
    /// The environment variable that holds the secret's name in functions that use it.
    pub variable: &'static str,
    /// The ARN of the customer managed KMS key that encrypts the secret, with the placeholders of
    /// [`patterns`]. None for the key of AWS, which needs no permission.
    pub key: Option<&'static str>,
}

/// The properties of a parameter.
#[derive(Debug, PartialEq, Eq)]
pub struct ParameterSpec {
    /// The parameter's name in Parameter Store. May contain `{suffix}`, the stack's suffix of names.
    pub name: &'static str,
    /// The environment variable that holds the parameter's name in functions that use it.
    pub variable: &'static str,
    /// The ARN of the customer managed KMS key that encrypts the parameter of type `SecureString`, with the
    /// placeholders of [`patterns`]. None for a parameter that is not encrypted, and for the
    /// key of AWS, which needs no permission.
    pub key: Option<&'static str>,
}

/// A secret that is declared with `secret!`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a secret",
    label = "this takes a secret",
    note = "secrets are declared with `secret!`, next to the function that uses them"
)]
pub trait Secret: Resource {
    /// The properties of the secret.
    const SPEC: &'static SecretSpec;
}

/// A parameter that is declared with `parameter!`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a parameter",
    label = "this takes a parameter of SSM Parameter Store",
    note = "parameters are declared with `parameter!`, next to the function that uses them"
)]
pub trait Parameter: Resource {
    /// The properties of the parameter.
    const SPEC: &'static ParameterSpec;
}

/// Declares a secret of Secrets Manager by its name. Functions read it with the grant
/// [`GetSecretValue`](crate::grants::GetSecretValue).
///
/// `{suffix}` in the name is the stack's suffix of names, as of tables and queues: each environment has its
/// own secret. Without it, all environments read the same secret.
///
/// ```
/// use typed_contract::{functions::{Function as _, Trigger}, secrets::Secret as _};
///
/// typed_contract::secret! {
///     /// The key of the billing service.
///     ApiKey = "billing/api-key{suffix}" in "BILLING_API_KEY_SECRET"
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
///             ApiKey: [GetSecretValue],
///         },
///         settings: [],
///     }
/// }
///
/// assert_eq!(ApiKey::SPEC.name, "billing/api-key{suffix}");
/// assert_eq!(OrdersFunction::SPEC.grants[0].action, "secretsmanager:GetSecretValue");
/// ```
///
/// A secret that is encrypted with a customer managed key names that key. The function is then allowed
/// `kms:Decrypt` with it as well:
///
/// ```
/// typed_contract::secret! {
///     /// The key of the billing service.
///     ApiKey = "billing/api-key" in "BILLING_API_KEY_SECRET" {
///         key: "arn:{partition}:kms:{region}:{account}:key/0d3e5ab4-6a2c-4f5e-8f0a-1f2e3d4c5b6a",
///     }
/// }
/// ```
///
/// A name that Secrets Manager does not allow does not compile:
///
/// ```compile_fail,E0080
/// typed_contract::secret! {
///     /// The key of the billing service.
///     ApiKey = "billing: API key" in "BILLING_API_KEY_SECRET"
/// }
/// ```
#[macro_export]
macro_rules! secret {
    (
        $(#[$documentation:meta])*
        $secret:ident = $name:literal in $variable:literal $({ key: $key:literal $(,)? })?
    ) => {
        $(#[$documentation])*
        #[derive(Debug)]
        pub struct $secret;

        impl $crate::secrets::Secret for $secret {
            const SPEC: &'static $crate::secrets::SecretSpec = &$crate::secrets::SecretSpec {
                name: $name,
                variable: $variable,
                key: $crate::secret!(@key $($key)?),
            };
        }

        impl $crate::environment::Resource for $secret {
            const VARIABLE: &'static str = $variable;
        }

        const _: () =
            $crate::secrets::check_secret(<$secret as $crate::secrets::Secret>::SPEC);
    };
    (@key) => { ::std::option::Option::None };
    (@key $key:literal) => { ::std::option::Option::Some($key) };
}

/// Declares a parameter of SSM Parameter Store by its name: of type `String` or `SecureString`. Functions read
/// it with the grant [`GetParameter`](crate::grants::GetParameter).
///
/// `{suffix}` in the name is the stack's suffix of names. A parameter of type `SecureString` with a customer
/// managed key names that key, as in [`secret!`](crate::secret).
///
/// ```
/// use typed_contract::secrets::Parameter as _;
///
/// typed_contract::parameter! {
///     /// The discount of regular customers, in percent.
///     Discount = "/shop{suffix}/discount" in "DISCOUNT_PARAMETER"
/// }
///
/// assert_eq!(Discount::SPEC.variable, "DISCOUNT_PARAMETER");
/// ```
///
/// A name with a hierarchy starts with a slash:
///
/// ```compile_fail,E0080
/// typed_contract::parameter! {
///     /// The discount of regular customers, in percent.
///     Discount = "shop/discount" in "DISCOUNT_PARAMETER"
/// }
/// ```
#[macro_export]
macro_rules! parameter {
    (
        $(#[$documentation:meta])*
        $parameter:ident = $name:literal in $variable:literal $({ key: $key:literal $(,)? })?
    ) => {
        $(#[$documentation])*
        #[derive(Debug)]
        pub struct $parameter;

        impl $crate::secrets::Parameter for $parameter {
            const SPEC: &'static $crate::secrets::ParameterSpec = &$crate::secrets::ParameterSpec {
                name: $name,
                variable: $variable,
                key: $crate::secret!(@key $($key)?),
            };
        }

        impl $crate::environment::Resource for $parameter {
            const VARIABLE: &'static str = $variable;
        }

        const _: () =
            $crate::secrets::check_parameter(<$parameter as $crate::secrets::Parameter>::SPEC);
    };
}

/// The longest name that leaves room for a suffix of 40 characters, in bytes. Secrets Manager allows 512,
/// Parameter Store more than 1,000.
const MAX_NAME_BYTES: usize = 472;

/// Rejects a secret that Secrets Manager rejects.
#[doc(hidden)]
#[track_caller]
pub const fn check_secret(secret: &SecretSpec) {
    patterns::check("name of a secret", secret.name, SUFFIX, b"/_+=.@-");
    check_length(secret.name);
    check_key(secret.name, secret.key);
}

/// Rejects a parameter that Parameter Store rejects.
#[doc(hidden)]
#[track_caller]
pub const fn check_parameter(parameter: &ParameterSpec) {
    let name = parameter.name;
    patterns::check("name of a parameter", name, SUFFIX, b"/_.-");
    check_length(name);
    let bytes = name.as_bytes();
    let mut has_slash = false;
    let mut index = 0;
    while index < bytes.len() {
        has_slash = has_slash || bytes[index] == b'/';
        index += 1;
    }
    if has_slash && bytes[0] != b'/' {
        const_panic(&[
            "the parameter `",
            name,
            "` has a hierarchy, so its name needs to start with a slash: `/",
            name,
            "`",
        ]);
    }
    check_key(name, parameter.key);
}

#[track_caller]
const fn check_length(name: &str) {
    if name.len() > MAX_NAME_BYTES {
        const_panic(&[
            "the name `",
            name,
            "` is too long: use up to 472 characters, so that the stack's suffix fits",
        ]);
    }
}

#[track_caller]
const fn check_key(name: &str, key: Option<&str>) {
    let Some(key) = key else { return };
    let arn = patterns::check_arn(name, key);
    let (prefix, _) = arn
        .resource
        .split_at(if arn.resource.len() < 4 { 0 } else { 4 });
    if !crate::const_fmt::equal(arn.service, "kms") || !crate::const_fmt::equal(prefix, "key/") {
        const_panic(&[
            "the key of `",
            name,
            "` is `",
            key,
            "`: write the ARN of a KMS key, which ends with `key/` and its id; IAM does not resolve aliases",
        ]);
    }
}
