//! S3 buckets.

use std::borrow::Cow;

use serde::Serialize;

use super::{TagList, iam::PolicyDocument};
use crate::{Handle, ResourceType, StringValue, sub};

/// A bucket. CloudFormation generates its name, because bucket names are unique across all accounts.
/// <https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-s3-bucket.html>
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Bucket {
    /// Encryption at rest.
    pub bucket_encryption: BucketEncryption,
    /// Protection against public access.
    pub public_access_block_configuration: PublicAccessBlock,
    /// Ownership of uploaded objects.
    pub ownership_controls: OwnershipControls,
    /// When S3 deletes objects. None: never.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lifecycle_configuration: Option<LifecycleConfiguration>,
    /// Cross-origin requests that browsers may make (CORS). None: browsers may make none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cors_configuration: Option<CorsConfiguration>,
    /// The bucket's tags.
    pub tags: TagList,
}

impl ResourceType for Bucket {
    const TYPE_NAME: &'static str = "AWS::S3::Bucket";
    const HOLDS_DATA: bool = true;
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

    /// The domain name of the bucket in its region, without `https://`.
    pub fn regional_domain_name(&self) -> StringValue {
        self.attribute("RegionalDomainName")
    }

    /// The ARN of every object in the bucket.
    pub fn objects_arn(&self) -> StringValue {
        sub![self.arn(), "/*"]
    }
}

/// Encryption at rest of a bucket.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct BucketEncryption {
    /// The only rule that S3 takes.
    pub server_side_encryption_configuration: [EncryptionRule; 1],
}

/// The encryption rule of a bucket.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct EncryptionRule {
    /// The encryption of objects whose upload does not choose one.
    pub server_side_encryption_by_default: EncryptionDefault,
}

/// The encryption of objects whose upload does not choose one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct EncryptionDefault {
    /// The algorithm and the owner of the key.
    #[serde(rename = "SSEAlgorithm")]
    pub sse_algorithm: SseAlgorithm,
}

/// An algorithm of server-side encryption.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum SseAlgorithm {
    /// AES-256 with keys that S3 owns (SSE-S3).
    #[serde(rename = "AES256")]
    Aes256,
}

/// Protection of a bucket against public access.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
#[expect(
    clippy::struct_excessive_bools,
    reason = "S3 has these four properties"
)]
pub struct PublicAccessBlock {
    block_public_acls: bool,
    block_public_policy: bool,
    ignore_public_acls: bool,
    restrict_public_buckets: bool,
}

impl PublicAccessBlock {
    /// Blocks public access by access control lists and by policies, existing and new.
    pub const ALL: Self = Self {
        block_public_acls: true,
        block_public_policy: true,
        ignore_public_acls: true,
        restrict_public_buckets: true,
    };
}

/// Ownership of the objects in a bucket.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct OwnershipControls {
    /// The only rule that S3 takes.
    pub rules: [OwnershipRule; 1],
}

/// The ownership rule of a bucket.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct OwnershipRule {
    /// The owner of uploaded objects.
    pub object_ownership: ObjectOwnership,
}

/// The owner of uploaded objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum ObjectOwnership {
    /// The owner of the bucket. Access control lists are disabled.
    BucketOwnerEnforced,
}

/// When S3 deletes objects of a bucket.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct LifecycleConfiguration {
    /// The rules, up to 1,000.
    pub rules: Vec<LifecycleRule>,
}

/// A rule that deletes objects by age.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct LifecycleRule {
    /// The rule's name, unique in its bucket.
    pub id: Cow<'static, str>,
    /// Whether S3 applies the rule.
    pub status: RuleStatus,
    /// Days from an object's creation to its deletion.
    pub expiration_in_days: u32,
    /// When S3 deletes the parts of unfinished multipart uploads.
    pub abort_incomplete_multipart_upload: AbortIncompleteMultipartUpload,
}

/// Whether S3 applies a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum RuleStatus {
    /// S3 applies the rule.
    Enabled,
}

/// When S3 deletes the parts of unfinished multipart uploads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct AbortIncompleteMultipartUpload {
    /// Days from the start of the upload.
    pub days_after_initiation: u32,
}

/// Cross-origin requests that browsers may make (CORS).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct CorsConfiguration {
    /// The rules. The first that matches a request applies.
    pub cors_rules: Vec<CorsRule>,
}

/// A rule for cross-origin requests.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct CorsRule {
    /// The origins that may make requests, `https://app.example.com`.
    pub allowed_origins: Vec<StringValue>,
    /// The methods that they may use.
    pub allowed_methods: Vec<Cow<'static, str>>,
    /// The headers that they may send.
    pub allowed_headers: Vec<Cow<'static, str>>,
    /// The headers of responses that pages may read beside the usual ones.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub exposed_headers: Vec<Cow<'static, str>>,
    /// Seconds that a browser may cache the response of a preflight request.
    pub max_age: u32,
}

/// The policy of a bucket.
/// <https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-s3-bucketpolicy.html>
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct BucketPolicy {
    /// The bucket's name.
    pub bucket: StringValue,
    /// The statements, which name principals.
    pub policy_document: PolicyDocument,
}

impl ResourceType for BucketPolicy {
    const TYPE_NAME: &'static str = "AWS::S3::BucketPolicy";
}
