//! S3 buckets.

use serde::Serialize;

use super::{TagList, iam::PolicyDocument};
use crate::template::{Handle, StringValue, sub};

/// A bucket. CloudFormation chooses its name: bucket names are shared by all of AWS.
/// <https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-s3-bucket.html>
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Bucket {
    /// How objects are encrypted.
    pub bucket_encryption: BucketEncryption,
    /// Who can make objects public.
    pub public_access_block_configuration: PublicAccessBlock,
    /// Who owns objects.
    pub ownership_controls: OwnershipControls,
    /// When objects go.
    pub lifecycle_configuration: LifecycleConfiguration,
    /// What browsers are told about other origins.
    pub cors_configuration: CorsConfiguration,
    /// The bucket's tags.
    pub tags: TagList,
}

impl Handle<Bucket> {
    /// The bucket's name.
    pub fn name(&self) -> StringValue {
        self.reference()
    }

    /// The bucket's ARN.
    pub fn arn(&self) -> StringValue {
        self.attribute("Arn")
    }

    /// The ARN of every object in the bucket.
    pub fn objects_arn(&self) -> StringValue {
        sub![self.arn(), "/*"]
    }
}

/// How objects are encrypted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct BucketEncryption {
    /// The rule.
    pub server_side_encryption_configuration: [EncryptionRule; 1],
}

/// How objects are encrypted that do not say.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct EncryptionRule {
    /// The default.
    pub server_side_encryption_by_default: EncryptionDefault,
}

/// How objects are encrypted that do not say.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct EncryptionDefault {
    /// The algorithm and whose key it is.
    #[serde(rename = "SSEAlgorithm")]
    pub sse_algorithm: SseAlgorithm,
}

/// How objects are encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum SseAlgorithm {
    /// With keys of S3.
    #[serde(rename = "AES256")]
    Aes256,
}

/// Who can make objects public.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
#[expect(clippy::struct_excessive_bools, reason = "they are S3's")]
pub struct PublicAccessBlock {
    block_public_acls: bool,
    block_public_policy: bool,
    ignore_public_acls: bool,
    restrict_public_buckets: bool,
}

impl PublicAccessBlock {
    /// Nobody can.
    pub const ALL: Self = Self {
        block_public_acls: true,
        block_public_policy: true,
        ignore_public_acls: true,
        restrict_public_buckets: true,
    };
}

/// Who owns objects.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct OwnershipControls {
    /// The rule.
    pub rules: [OwnershipRule; 1],
}

/// Who owns objects.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct OwnershipRule {
    /// Who does.
    pub object_ownership: ObjectOwnership,
}

/// Who owns objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum ObjectOwnership {
    /// Who owns the bucket; there are no access control lists.
    BucketOwnerEnforced,
}

/// When objects go.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct LifecycleConfiguration {
    /// The rules.
    pub rules: Vec<LifecycleRule>,
}

/// When objects go.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct LifecycleRule {
    /// The rule's name.
    pub id: &'static str,
    /// Whether it is followed.
    pub status: RuleStatus,
    /// Days from an object's creation to its end.
    pub expiration_in_days: u32,
    /// What happens to uploads that are never finished.
    pub abort_incomplete_multipart_upload: AbortIncompleteMultipartUpload,
}

/// Whether a rule is followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum RuleStatus {
    /// It is.
    Enabled,
}

/// What happens to uploads that are never finished.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct AbortIncompleteMultipartUpload {
    /// Days until they go.
    pub days_after_initiation: u32,
}

/// What browsers are told about other origins.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct CorsConfiguration {
    /// The rules.
    pub cors_rules: Vec<CorsRule>,
}

/// What browsers are told about other origins.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct CorsRule {
    /// Origins whose pages may ask.
    pub allowed_origins: Vec<String>,
    /// Methods that they may use.
    pub allowed_methods: Vec<&'static str>,
    /// Headers that they may send.
    pub allowed_headers: Vec<&'static str>,
    /// Seconds that a browser may remember this for.
    pub max_age: u32,
}

/// The policy of a bucket.
/// <https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-s3-bucketpolicy.html>
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct BucketPolicy {
    /// The bucket's name.
    pub bucket: StringValue,
    /// The policy.
    pub policy_document: PolicyDocument,
}
