//! S3 buckets.

use crate::environment::Resource;

/// The properties of a bucket in the template.
#[derive(Debug, PartialEq, Eq)]
pub struct BucketSpec {
    /// The construct's name, in the template's logical ids.
    pub name: &'static str,
    /// The environment variable that holds the bucket's name in functions that use it.
    pub variable: &'static str,
}

/// An S3 bucket that is declared with `bucket!`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a bucket",
    label = "this takes a bucket",
    note = "buckets are declared with `bucket!`"
)]
pub trait Bucket: Resource {
    /// The properties of the bucket in the template.
    const SPEC: &'static BucketSpec;
}

/// Declares a bucket.
///
/// ```
/// typed_contract::bucket! {
///     /// The invoices of orders.
///     Invoices = "invoices" in "INVOICES_BUCKET"
/// }
/// ```
#[macro_export]
macro_rules! bucket {
    ($(#[$documentation:meta])* $bucket:ident = $name:literal in $variable:literal) => {
        $(#[$documentation])*
        #[derive(Debug)]
        pub struct $bucket;

        impl $crate::buckets::Bucket for $bucket {
            const SPEC: &'static $crate::buckets::BucketSpec = &$crate::buckets::BucketSpec {
                name: $name,
                variable: $variable,
            };
        }

        impl $crate::environment::Resource for $bucket {
            const VARIABLE: &'static str = $variable;
        }
    };
}
