//! The bucket for packages and large templates, from which CloudFormation reads them.

use std::time::Duration;

use aws_sdk_s3::{
    presigning::PresigningConfig,
    primitives::ByteStream,
    types::{
        AbortIncompleteMultipartUpload, BucketLifecycleConfiguration, BucketLocationConstraint,
        CreateBucketConfiguration, ExpirationStatus, LifecycleExpiration, LifecycleRule,
        LifecycleRuleFilter, PublicAccessBlockConfiguration, ServerSideEncryption,
        ServerSideEncryptionByDefault, ServerSideEncryptionConfiguration, ServerSideEncryptionRule,
        Tag, Tagging,
    },
};
use cloudformation_deploy::Attempt as _;
use serde_json::json;
use sha2::{Digest, Sha256};

use super::{AwsSession, CallError, CallErrorKind, Caller};

/// The bucket for packages and large templates.
#[derive(Clone, Debug)]
pub struct ArtifactBucket {
    /// The name of the bucket.
    pub name: String,
    account: String,
    partition: String,
    /// Whether it is the account's default bucket, which infra-gen creates.
    is_default: bool,
}

/// Whether the bucket can be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BucketStatus {
    /// It can be used.
    Ready,
    /// It has to be created first.
    Missing,
}

/// Whether an object had to be uploaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Upload {
    /// The bucket had an object with its key.
    AlreadyThere,
    /// The object was uploaded.
    Uploaded,
}

/// Why the bucket cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ArtifactError {
    /// A call to AWS failed.
    #[error(transparent)]
    Call(#[from] CallError),
    /// The bucket is in another region.
    #[error(
        "the artifact bucket '{bucket}' is not in {region}; CloudFormation reads packages from its \
         own region only\n  help: deploy to the bucket's region with --region, or choose another \
         bucket with --artifact-bucket\n{cause}"
    )]
    OtherRegion {
        /// The bucket.
        bucket: String,
        /// The region of the deployment.
        region: String,
        /// The answer of AWS.
        cause: CallError,
    },
    /// Another account has a bucket with this name.
    #[error(
        "the name of the artifact bucket, '{bucket}', is taken by another account\n  help: create a \
         bucket, and give its name with --artifact-bucket"
    )]
    NameTaken {
        /// The bucket.
        bucket: String,
    },
    /// The credentials do not allow the use of the default bucket.
    #[error(
        "{0}\n  required permissions: s3:GetLifecycleConfiguration, s3:GetObject and s3:PutObject on \
         the artifact bucket, and to create it s3:CreateBucket, s3:PutBucketPolicy, \
         s3:PutBucketPublicAccessBlock, s3:PutBucketTagging, s3:PutEncryptionConfiguration and \
         s3:PutLifecycleConfiguration; or an existing bucket, with --artifact-bucket"
    )]
    Denied(CallError),
    /// The credentials do not allow the use of the given bucket, or it belongs to another account.
    #[error(
        "{cause}\n  help: the bucket '{bucket}' must belong to the account {account}, and the \
         credentials need s3:GetLifecycleConfiguration, s3:GetObject and s3:PutObject on it; or \
         choose another with --artifact-bucket"
    )]
    GivenDenied {
        /// The bucket.
        bucket: String,
        /// The account of the credentials.
        account: String,
        /// The answer of AWS.
        cause: CallError,
    },
    /// The given bucket does not exist.
    #[error(
        "there is no bucket '{bucket}'\n  help: create it, or omit --artifact-bucket to use the \
         account's default bucket, which infra-gen creates"
    )]
    NoSuchBucket {
        /// The bucket.
        bucket: String,
    },
    /// The SDK cannot form the address of an object.
    #[error("cannot form the address of '{key}' in the artifact bucket: {cause}")]
    Address {
        /// The key of the object.
        key: String,
        /// The SDK's message.
        cause: String,
    },
    /// The SDK refused to send a request because a required field is missing.
    #[error("the request for the artifact bucket '{bucket}' is incomplete: {cause}")]
    IncompleteRequest {
        /// The bucket.
        bucket: String,
        /// The SDK's message.
        cause: String,
    },
}

/// Days until templates are deleted. CloudFormation reads them once, when it creates a change set.
const TEMPLATE_EXPIRATION_DAYS: i32 = 30;

/// The prefix of the keys of templates.
const TEMPLATE_PREFIX: &str = "templates/";

impl ArtifactBucket {
    /// The bucket named `given`, or else the default bucket of the account and the region.
    pub fn new(given: Option<&str>, caller: &Caller, session: &AwsSession) -> Self {
        let account = caller.account.clone();
        let region = &session.region;
        Self {
            name: given.map_or_else(
                || format!("stagecast-artifacts-{account}-{region}"),
                str::to_owned,
            ),
            is_default: given.is_none(),
            partition: caller.partition().to_owned(),
            account,
        }
    }

    /// Checks whether the bucket exists and can be used.
    ///
    /// [`Self::create`] sets the lifecycle last. A default bucket without one was not finished.
    pub async fn find(&self, session: &AwsSession) -> Result<BucketStatus, ArtifactError> {
        let request = session.s3.get_bucket_lifecycle_configuration();
        let answer = request
            .bucket(&self.name)
            .expected_bucket_owner(&self.account)
            .send()
            .await
            .attempt(|| format!("read the settings of the artifact bucket '{}'", self.name));
        match answer {
            Ok(_) => Ok(BucketStatus::Ready),
            Err(error) if error.is("NoSuchLifecycleConfiguration") && !self.is_default => {
                Ok(BucketStatus::Ready)
            }
            Err(error) if error.is("NoSuchLifecycleConfiguration") => Ok(BucketStatus::Missing),
            Err(error) if error.is("NoSuchBucket") && self.is_default => Ok(BucketStatus::Missing),
            Err(error) if error.kind == CallErrorKind::Denied && self.is_default => {
                self.explain_denied(error, session).await
            }
            Err(error) => Err(self.explain(error, session)),
        }
    }

    /// S3 answers 403 both for another account's bucket and for missing permissions. An attempt to
    /// create the bucket distinguishes the two.
    async fn explain_denied(
        &self,
        denied: CallError,
        session: &AwsSession,
    ) -> Result<BucketStatus, ArtifactError> {
        match self.request_bucket(session).await {
            Ok(()) => Ok(BucketStatus::Missing),
            Err(error) if error.is("BucketAlreadyExists") => Err(self.explain(error, session)),
            Err(_) => Err(ArtifactError::Denied(denied)),
        }
    }

    /// Creates the bucket: private, encrypted, TLS only, with a lifecycle.
    pub async fn create(&self, session: &AwsSession) -> Result<(), ArtifactError> {
        self.create_if_missing(session).await?;
        self.protect(session).await?;
        self.set_tags_and_lifecycle(session).await
    }

    async fn create_if_missing(&self, session: &AwsSession) -> Result<(), ArtifactError> {
        match self.request_bucket(session).await {
            Ok(()) => Ok(()),
            Err(error) if error.is("BucketAlreadyOwnedByYou") => Ok(()),
            Err(error) => Err(self.explain(error, session)),
        }
    }

    async fn request_bucket(&self, session: &AwsSession) -> Result<(), CallError> {
        let mut request = session.s3.create_bucket().bucket(&self.name);
        // S3 does not accept us-east-1 as a location constraint.
        if session.region != "us-east-1" {
            let region = BucketLocationConstraint::from(session.region.as_str());
            request = request.create_bucket_configuration(
                CreateBucketConfiguration::builder()
                    .location_constraint(region)
                    .build(),
            );
        }
        let made = request.send().await;
        made.attempt(|| format!("create the artifact bucket '{}'", self.name))
            .map(|_| ())
    }

    async fn protect(&self, session: &AwsSession) -> Result<(), ArtifactError> {
        let explain = |error| self.explain(error, session);
        let everything = PublicAccessBlockConfiguration::builder()
            .block_public_acls(true)
            .block_public_policy(true)
            .ignore_public_acls(true)
            .restrict_public_buckets(true)
            .build();
        let request = session.s3.put_public_access_block();
        request
            .bucket(&self.name)
            .expected_bucket_owner(&self.account)
            .public_access_block_configuration(everything)
            .send()
            .await
            .attempt(|| format!("block public access to the artifact bucket '{}'", self.name))
            .map_err(explain)?;

        let by_default = ServerSideEncryptionByDefault::builder()
            .sse_algorithm(ServerSideEncryption::Aes256)
            .build()
            .map_err(|error| self.incomplete(&error))?;
        let rule = ServerSideEncryptionRule::builder()
            .apply_server_side_encryption_by_default(by_default)
            .build();
        let encryption = ServerSideEncryptionConfiguration::builder()
            .rules(rule)
            .build()
            .map_err(|error| self.incomplete(&error))?;
        let request = session.s3.put_bucket_encryption();
        request
            .bucket(&self.name)
            .expected_bucket_owner(&self.account)
            .server_side_encryption_configuration(encryption)
            .send()
            .await
            .attempt(|| format!("encrypt the artifact bucket '{}'", self.name))
            .map_err(explain)?;

        let request = session.s3.put_bucket_policy();
        request
            .bucket(&self.name)
            .expected_bucket_owner(&self.account)
            .policy(self.only_by_tls())
            .send()
            .await
            .attempt(|| format!("set the policy of the artifact bucket '{}'", self.name))
            .map_err(explain)?;
        Ok(())
    }

    async fn set_tags_and_lifecycle(&self, session: &AwsSession) -> Result<(), ArtifactError> {
        let explain = |error| self.explain(error, session);
        let tag = Tag::builder().key("Application").value("stagecast").build();
        let tag = tag.map_err(|error| self.incomplete(&error))?;
        let tags = Tagging::builder().tag_set(tag).build();
        let tags = tags.map_err(|error| self.incomplete(&error))?;
        let request = session.s3.put_bucket_tagging();
        request
            .bucket(&self.name)
            .expected_bucket_owner(&self.account)
            .tagging(tags)
            .send()
            .await
            .attempt(|| format!("tag the artifact bucket '{}'", self.name))
            .map_err(explain)?;

        // Packages never expire: a rollback reads those of the earlier deployment.
        let rules = [
            LifecycleRule::builder()
                .id("UploadsThatWereCutShort")
                .filter(LifecycleRuleFilter::builder().prefix("").build())
                .abort_incomplete_multipart_upload(
                    AbortIncompleteMultipartUpload::builder()
                        .days_after_initiation(1)
                        .build(),
                ),
            LifecycleRule::builder()
                .id("TemplatesThatWereRead")
                .filter(
                    LifecycleRuleFilter::builder()
                        .prefix(TEMPLATE_PREFIX)
                        .build(),
                )
                .expiration(
                    LifecycleExpiration::builder()
                        .days(TEMPLATE_EXPIRATION_DAYS)
                        .build(),
                ),
        ];
        let mut lifecycle = BucketLifecycleConfiguration::builder();
        for rule in rules {
            let rule = rule.status(ExpirationStatus::Enabled).build();
            lifecycle = lifecycle.rules(rule.map_err(|error| self.incomplete(&error))?);
        }
        let lifecycle = lifecycle.build().map_err(|error| self.incomplete(&error))?;
        let request = session.s3.put_bucket_lifecycle_configuration();
        request
            .bucket(&self.name)
            .expected_bucket_owner(&self.account)
            .lifecycle_configuration(lifecycle)
            .send()
            .await
            .attempt(|| format!("set the lifecycle of the artifact bucket '{}'", self.name))
            .map_err(explain)?;
        Ok(())
    }

    fn only_by_tls(&self) -> String {
        let arn = format!("arn:{}:s3:::{}", self.partition, self.name);
        let policy = json!({
            "Version": "2012-10-17",
            "Statement": [{
                "Sid": "OnlyByTls",
                "Effect": "Deny",
                "Principal": "*",
                "Action": "s3:*",
                "Resource": [arn, format!("{arn}/*")],
                "Condition": { "Bool": { "aws:SecureTransport": "false" } },
            }],
        });
        policy.to_string()
    }

    /// Uploads an object, unless one with this key exists. Keys contain the hash of the content, so
    /// objects with equal keys are equal.
    pub async fn upload(
        &self,
        session: &AwsSession,
        key: &str,
        bytes: Vec<u8>,
    ) -> Result<Upload, ArtifactError> {
        let request = session.s3.head_object();
        let there = request
            .bucket(&self.name)
            .key(key)
            .expected_bucket_owner(&self.account)
            .send()
            .await
            .attempt(|| format!("look for '{key}' in the artifact bucket '{}'", self.name));
        match there {
            Ok(_) => return Ok(Upload::AlreadyThere),
            // Without s3:ListBucket, S3 answers 403 for a missing object.
            Err(error) if error.is("NotFound") || error.kind == CallErrorKind::Denied => {}
            // The answer to HEAD has no body that would name the error, such as expired credentials. The
            // upload fails with the same error and its name.
            Err(error) if error.is("HTTP 400") => {}
            Err(error) => return Err(self.explain(error, session)),
        }
        let request = session.s3.put_object();
        request
            .bucket(&self.name)
            .key(key)
            .expected_bucket_owner(&self.account)
            .body(ByteStream::from(bytes))
            .send()
            .await
            .attempt(|| format!("upload '{key}' to the artifact bucket '{}'", self.name))
            .map_err(|error| self.explain(error, session))?;
        Ok(Upload::Uploaded)
    }

    /// Uploads a template and returns the URL that CloudFormation reads it from.
    pub async fn upload_template(
        &self,
        session: &AwsSession,
        template: &str,
    ) -> Result<String, ArtifactError> {
        let key = format!("{TEMPLATE_PREFIX}{:x}.yaml", Sha256::digest(template));
        self.upload(session, &key, template.into()).await?;
        let address = |cause: String| ArtifactError::Address {
            key: key.clone(),
            cause,
        };
        // A presigned URL has the host of the bucket's partition. The signature is removed:
        // CloudFormation reads with the caller's permissions.
        let expiration = PresigningConfig::expires_in(Duration::from_mins(1))
            .map_err(|error| address(error.to_string()))?;
        let request = session.s3.get_object().bucket(&self.name).key(&key);
        let signed = request.presigned(expiration).await;
        let signed = signed.map_err(|error| address(error.to_string()))?;
        let uri = signed.uri();
        Ok(uri.split_once('?').map_or(uri, |(uri, _)| uri).to_owned())
    }

    fn explain(&self, cause: CallError, session: &AwsSession) -> ArtifactError {
        let bucket = self.name.clone();
        match cause.code.as_deref() {
            Some("BucketAlreadyExists") => ArtifactError::NameTaken { bucket },
            Some("NoSuchBucket") => ArtifactError::NoSuchBucket { bucket },
            Some(
                "PermanentRedirect"
                | "AuthorizationHeaderMalformed"
                | "IllegalLocationConstraintException"
                | "HTTP 301",
            ) => ArtifactError::OtherRegion {
                bucket,
                region: session.region.clone(),
                cause,
            },
            _ if cause.kind == CallErrorKind::Denied && !self.is_default => {
                ArtifactError::GivenDenied {
                    bucket,
                    account: self.account.clone(),
                    cause,
                }
            }
            _ if cause.kind == CallErrorKind::Denied => ArtifactError::Denied(cause),
            _ => ArtifactError::Call(cause),
        }
    }

    /// The error for a request without a required field. All of them are set above.
    fn incomplete(&self, error: &impl std::fmt::Display) -> ArtifactError {
        ArtifactError::IncompleteRequest {
            bucket: self.name.clone(),
            cause: error.to_string(),
        }
    }
}
