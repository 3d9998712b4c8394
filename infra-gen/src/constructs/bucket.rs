//! The bucket with the inputs and results of jobs.

use contract::limits;
use indexmap::IndexMap;
use typed_contract::buckets::BucketSpec;

use super::{Stack, SynthError};
use crate::{
    environments::Origin,
    resources::{
        iam::{Effect, PolicyDocument, Principal, Statement, Target},
        s3::{
            self, AbortIncompleteMultipartUpload, BucketEncryption, CorsConfiguration, CorsRule,
            EncryptionDefault, EncryptionRule, LifecycleConfiguration, LifecycleRule,
            ObjectOwnership, OwnershipControls, OwnershipRule, PublicAccessBlock, RuleStatus,
            SseAlgorithm,
        },
    },
    template::{ConstructPath, Handle},
};

const SECONDS_PER_DAY: i64 = 24 * 60 * 60;

/// Days until an object expires. No job refers to it by then: S3 counts whole days from midnight, so an
/// object never expires before its job.
#[expect(
    clippy::cast_possible_truncation,
    reason = "jobs expire after a few days"
)]
const OBJECT_EXPIRATION_DAYS: u32 =
    ((limits::JOB_TTL_SECONDS + SECONDS_PER_DAY - 1) / SECONDS_PER_DAY) as u32;

/// A bucket of the contract: private, and its objects expire with their jobs.
#[derive(Clone, Debug)]
pub struct Bucket {
    /// The bucket as the contract declares it.
    pub spec: &'static BucketSpec,
    /// The bucket in the template.
    pub resource: Handle<s3::Bucket>,
}

impl Bucket {
    /// Adds the bucket and its policy.
    pub fn add(stack: &mut Stack, spec: &'static BucketSpec) -> Result<Self, SynthError> {
        let path = ConstructPath::root(spec.name);
        let bucket = s3::Bucket {
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
            lifecycle_configuration: Some(LifecycleConfiguration {
                rules: vec![LifecycleRule {
                    id: "ObjectsGoWithTheirJobs".into(),
                    status: RuleStatus::Enabled,
                    expiration_in_days: OBJECT_EXPIRATION_DAYS,
                    abort_incomplete_multipart_upload: AbortIncompleteMultipartUpload {
                        days_after_initiation: 1,
                    },
                }],
            }),
            cors_configuration: Some(CorsConfiguration {
                cors_rules: vec![CorsRule {
                    allowed_origins: allowed_origins(&stack.environment().allowed_origins),
                    allowed_methods: vec!["GET".into()],
                    allowed_headers: vec!["*".into()],
                    max_age: 300,
                }],
            }),
            tags: stack.tags().list(),
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
            "The name of the bucket with inputs and results",
            resource.name(),
        )?;
        Ok(Self { spec, resource })
    }
}

/// The origins whose pages may read objects: the environment's, or all if it has none. A browser that
/// the HTTP API redirects to the bucket sends the origin `null`, so that is allowed as well. The signed
/// URL authorizes the request, not the origin.
fn allowed_origins(origins: &[Origin]) -> Vec<String> {
    if origins.is_empty() {
        return vec!["*".to_owned()];
    }
    let origins = origins.iter().map(|origin| origin.as_str().to_owned());
    origins.chain(["null".to_owned()]).collect()
}

/// Denies all requests without TLS.
fn only_by_tls(bucket: &Handle<s3::Bucket>) -> Statement {
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
