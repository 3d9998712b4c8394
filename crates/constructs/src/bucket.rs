//! An S3 bucket with its policy.

use std::borrow::Cow;

use cloudformation::{
    ConstructPath, Handle, StringValue,
    resources::{
        iam::{Effect, PolicyDocument, Principal, Statement, Target},
        s3::{
            self, AbortIncompleteMultipartUpload, BucketEncryption, CorsConfiguration, CorsRule,
            EncryptionDefault, EncryptionRule, LifecycleConfiguration, LifecycleRule,
            ObjectOwnership, OwnershipControls, OwnershipRule, PublicAccessBlock, RuleStatus,
            SseAlgorithm,
        },
    },
};
use indexmap::IndexMap;
use typed_contract::buckets::BucketSpec;

use crate::{error::SynthError, stack::Stack};

/// The options of a [`Bucket`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BucketOptions {
    /// The description of the output with the bucket's name.
    pub description: Cow<'static, str>,
    /// When objects expire. None: never.
    pub expiration: Option<ObjectExpiration>,
    /// Whether pages of the stack's allowed origins may read objects, with signed URLs.
    pub readable_by_pages: bool,
    /// Whether pages of the stack's allowed origins may write objects and parts of them, with signed URLs.
    pub writable_by_pages: bool,
}

/// When the objects of a bucket expire. Parts of unfinished uploads are deleted after two days: S3 counts
/// from midnight UTC, so an upload has at least one whole day.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectExpiration {
    /// The name of the lifecycle rule, unique in its bucket.
    pub rule: Cow<'static, str>,
    /// Days from an object's creation to its deletion. S3 counts whole days from midnight UTC, so an
    /// object is not deleted before.
    pub days: u32,
}

/// A private bucket, encrypted, for requests with TLS only.
///
/// ```
/// use constructs::{Bucket, BucketOptions, Stack, settings::StackSettings};
/// use typed_contract::buckets::Bucket as _;
///
/// typed_contract::bucket! {
///     /// The invoices of orders.
///     Invoices = "invoices" in "INVOICES_BUCKET"
/// }
///
/// let mut stack = Stack::new("A bucket", StackSettings::default())?;
/// let options = BucketOptions {
///     description: "The bucket with invoices".into(),
///     expiration: None,
///     readable_by_pages: false,
///     writable_by_pages: false,
/// };
/// let bucket = Bucket::add(&mut stack, Invoices::SPEC, options)?;
/// assert_eq!(bucket.resource.logical_id().as_str(), "InvoicesBucket");
/// # Ok::<(), constructs::SynthError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Bucket {
    /// The bucket as it is declared.
    pub spec: &'static BucketSpec,
    /// The bucket in the template.
    pub resource: Handle<s3::Bucket>,
}

impl Bucket {
    /// Adds the bucket, its policy, and an output with its name.
    pub fn add(
        stack: &mut Stack,
        spec: &'static BucketSpec,
        options: BucketOptions,
    ) -> Result<Self, SynthError> {
        let path = ConstructPath::root(spec.name);
        let bucket = s3::Bucket {
            lifecycle_configuration: options.expiration.map(lifecycle),
            cors_configuration: cors(
                options.readable_by_pages,
                options.writable_by_pages,
                stack.allowed_origins(),
            ),
            ..private_bucket(stack)
        };
        let resource = stack.add_data(&path.child("Bucket"), bucket)?;
        stack.add(
            &path.child("BucketPolicy"),
            s3::BucketPolicy {
                bucket: resource.name(),
                policy_document: PolicyDocument::new(vec![only_by_tls(&resource)]),
            },
        )?;
        stack.add_output(
            &format!("{}_bucket_name", spec.name),
            &options.description,
            resource.name(),
        )?;
        Ok(Self { spec, resource })
    }
}

/// A bucket that is encrypted and cannot be made public, with the stack's tags.
pub(crate) fn private_bucket(stack: &Stack) -> s3::Bucket {
    s3::Bucket {
        bucket_encryption: BucketEncryption {
            server_side_encryption_configuration: [EncryptionRule {
                server_side_encryption_by_default: EncryptionDefault {
                    sse_algorithm: SseAlgorithm::Aes256,
                },
            }],
        },
        public_access_block_configuration: PublicAccessBlock::ALL,
        ownership_controls: OwnershipControls {
            rules: [OwnershipRule {
                object_ownership: ObjectOwnership::BucketOwnerEnforced,
            }],
        },
        lifecycle_configuration: None,
        cors_configuration: None,
        tags: stack.tags().list(),
    }
}

fn lifecycle(expiration: ObjectExpiration) -> LifecycleConfiguration {
    LifecycleConfiguration {
        rules: vec![LifecycleRule {
            id: expiration.rule,
            status: RuleStatus::Enabled,
            expiration_in_days: expiration.days,
            abort_incomplete_multipart_upload: AbortIncompleteMultipartUpload {
                days_after_initiation: 2,
            },
        }],
    }
}

fn cors(
    is_readable: bool,
    is_writable: bool,
    origins: Vec<StringValue>,
) -> Option<CorsConfiguration> {
    let methods = [("GET", is_readable), ("PUT", is_writable)];
    let methods = methods.into_iter().filter(|(_, is_allowed)| *is_allowed);
    let allowed_methods: Vec<_> = methods.map(|(method, _)| method.into()).collect();
    if allowed_methods.is_empty() {
        return None;
    }
    Some(CorsConfiguration {
        cors_rules: vec![CorsRule {
            allowed_origins: allowed_origins(origins),
            allowed_methods,
            allowed_headers: vec!["*".into()],
            // The response to a written part has its ETag.
            exposed_headers: is_writable.then(|| "ETag".into()).into_iter().collect(),
            max_age: 300,
        }],
    })
}

/// The origins whose pages may use objects: the stack's, or all if it has none. A browser that an HTTP API redirects to the bucket sends the origin `null`, so that is allowed as well. The signed
/// URL authorizes the request, not the origin.
fn allowed_origins(mut origins: Vec<StringValue>) -> Vec<StringValue> {
    if origins.is_empty() {
        return vec!["*".into()];
    }
    origins.push("null".into());
    origins
}

/// Denies all requests without TLS.
pub(crate) fn only_by_tls(bucket: &Handle<s3::Bucket>) -> Statement {
    Statement {
        sid: Some("OnlyByTls".to_owned()),
        effect: Effect::Deny,
        principal: Some(Principal::Everyone),
        action: vec!["s3:*".into()],
        resource: Some(Target::Arns(vec![bucket.arn(), bucket.objects_arn()])),
        condition: IndexMap::from([(
            "Bool".into(),
            IndexMap::from([("aws:SecureTransport".into(), "false".into())]),
        )]),
    }
}
