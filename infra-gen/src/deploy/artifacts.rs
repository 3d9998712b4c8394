//! The bucket that packages and large templates are uploaded to, for CloudFormation to read.

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
use serde_json::json;
use sha2::{Digest, Sha256};

use super::{CallError, CallErrorKind, Caller, Session, call::Attempt as _};

/// The bucket that packages and large templates are uploaded to.
#[derive(Clone, Debug)]
pub struct ArtifactBucket {
    /// Its name.
    pub name: String,
    account: String,
    partition: String,
    own: bool,
}

/// Whether the bucket is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presence {
    /// It is.
    Ready,
    /// It has to be made.
    Missing,
}

/// What became of an object that should be in the bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Upload {
    /// It was there.
    AlreadyThere,
    /// It was uploaded.
    Uploaded,
}

/// Why the bucket cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ArtifactError {
    /// AWS refused something.
    #[error(transparent)]
    Call(#[from] CallError),
    /// It is in another region.
    #[error(
        "the artifact bucket '{bucket}' is not in {region}, and CloudFormation reads packages from \
         its own region only\n  what to do: deploy to the bucket's region with --region, or give \
         another bucket with --artifact-bucket\n{cause}"
    )]
    OtherRegion {
        /// The bucket.
        bucket: String,
        /// Where it should be.
        region: String,
        /// What AWS said.
        cause: CallError,
    },
    /// Somebody else has a bucket of this name.
    #[error(
        "the name of the artifact bucket, '{bucket}', is taken by another account\n  what to do: \
         make a bucket of your own, and give its name with --artifact-bucket"
    )]
    NameTaken {
        /// The bucket.
        bucket: String,
    },
    /// The caller may not use the bucket.
    #[error(
        "{0}\n  what is needed: s3:GetLifecycleConfiguration, s3:GetObject and s3:PutObject on the \
         artifact bucket, and to make it s3:CreateBucket, s3:PutBucketPolicy, \
         s3:PutBucketPublicAccessBlock, s3:PutBucketTagging, s3:PutEncryptionConfiguration and \
         s3:PutLifecycleConfiguration; or a bucket that somebody else made, with --artifact-bucket"
    )]
    Denied(CallError),
    /// The caller may not use the bucket that was asked for, or it is somebody else's.
    #[error(
        "{cause}\n  what is needed: the bucket '{bucket}' must belong to the account {account}, and \
         the credentials need s3:GetLifecycleConfiguration, s3:GetObject and s3:PutObject on it; or \
         give another with --artifact-bucket"
    )]
    GivenDenied {
        /// The bucket.
        bucket: String,
        /// The account that it has to belong to.
        account: String,
        /// What AWS said.
        cause: CallError,
    },
    /// The bucket that was asked for does not exist.
    #[error(
        "there is no bucket '{bucket}'\n  what to do: make it, or leave out --artifact-bucket to \
         have one made"
    )]
    NoSuchBucket {
        /// The bucket.
        bucket: String,
    },
    /// The address of an object cannot be had.
    #[error("the address of '{key}' in the artifact bucket cannot be had: {cause}")]
    Address {
        /// The object.
        key: String,
        /// Why.
        cause: String,
    },
}

/// Templates are read once, when a change set is made.
const TEMPLATE_LIFE_DAYS: i32 = 30;

/// Where templates are in the bucket.
const TEMPLATES: &str = "templates/";

impl ArtifactBucket {
    /// The bucket with the name that was given, or the one of the account and the region, which is
    /// made when it is first needed.
    pub fn new(given: Option<&str>, caller: &Caller, session: &Session) -> Self {
        let account = caller.account.clone();
        let region = &session.region;
        Self {
            name: given.map_or_else(
                || format!("stagecast-artifacts-{account}-{region}"),
                str::to_owned,
            ),
            own: given.is_none(),
            partition: caller.partition().to_owned(),
            account,
        }
    }

    /// Finds out whether the bucket is there and can be used.
    ///
    /// Its lifecycle is the last that is set when it is made: without one it was not finished.
    pub async fn find(&self, session: &Session) -> Result<Presence, ArtifactError> {
        let request = session.s3.get_bucket_lifecycle_configuration();
        let answer = request
            .bucket(&self.name)
            .expected_bucket_owner(&self.account)
            .send()
            .await
            .attempt(|| format!("read the settings of the artifact bucket '{}'", self.name));
        match answer {
            Ok(_) => Ok(Presence::Ready),
            Err(error) if error.is("NoSuchLifecycleConfiguration") && !self.own => {
                Ok(Presence::Ready)
            }
            Err(error) if error.is("NoSuchLifecycleConfiguration") => Ok(Presence::Missing),
            Err(error) if error.is("NoSuchBucket") && self.own => Ok(Presence::Missing),
            Err(error) if error.kind == CallErrorKind::Denied && self.own => {
                self.tell_why(error, session).await
            }
            Err(error) => Err(self.explain(error, session)),
        }
    }

    /// S3 says of another account's bucket what it says of missing rights. Whose the name is comes
    /// out when it is asked for.
    async fn tell_why(
        &self,
        denied: CallError,
        session: &Session,
    ) -> Result<Presence, ArtifactError> {
        match self.ask_for_name(session).await {
            Ok(()) => Ok(Presence::Missing),
            Err(error) if error.is("BucketAlreadyExists") => Err(self.explain(error, session)),
            Err(_) => Err(ArtifactError::Denied(denied)),
        }
    }

    /// Makes the bucket: private, encrypted, reached by TLS only, tidied up.
    pub async fn make(&self, session: &Session) -> Result<(), ArtifactError> {
        self.create(session).await?;
        self.protect(session).await?;
        self.tidy(session).await
    }

    async fn create(&self, session: &Session) -> Result<(), ArtifactError> {
        match self.ask_for_name(session).await {
            Ok(()) => Ok(()),
            Err(error) if error.is("BucketAlreadyOwnedByYou") => Ok(()),
            Err(error) => Err(self.explain(error, session)),
        }
    }

    async fn ask_for_name(&self, session: &Session) -> Result<(), CallError> {
        let mut request = session.s3.create_bucket().bucket(&self.name);
        // The first region has no name here.
        if session.region != "us-east-1" {
            let region = BucketLocationConstraint::from(session.region.as_str());
            request = request.create_bucket_configuration(
                CreateBucketConfiguration::builder()
                    .location_constraint(region)
                    .build(),
            );
        }
        let made = request.send().await;
        made.attempt(|| format!("make the artifact bucket '{}'", self.name))
            .map(|_| ())
    }

    async fn protect(&self, session: &Session) -> Result<(), ArtifactError> {
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
            .attempt(|| format!("close the artifact bucket '{}' to the public", self.name))
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
            .attempt(|| {
                format!(
                    "have the artifact bucket '{}' reached by TLS only",
                    self.name
                )
            })
            .map_err(explain)?;
        Ok(())
    }

    async fn tidy(&self, session: &Session) -> Result<(), ArtifactError> {
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

        // Packages stay: whatever a stack may have to be rolled back to is read from here.
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
                .filter(LifecycleRuleFilter::builder().prefix(TEMPLATES).build())
                .expiration(
                    LifecycleExpiration::builder()
                        .days(TEMPLATE_LIFE_DAYS)
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
            .attempt(|| format!("have the artifact bucket '{}' tidied up", self.name))
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

    /// Uploads an object, if it is not there. Its key says what is in it, so what is there is it.
    pub async fn upload(
        &self,
        session: &Session,
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
            // Without s3:ListBucket, S3 says 403 of what is not there.
            Err(error) if error.is("NotFound") || error.kind == CallErrorKind::Denied => {}
            // What else is wrong, such as credentials that have expired, HEAD has no words for.
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

    /// Uploads a template and returns the address that CloudFormation reads it from.
    pub async fn upload_template(
        &self,
        session: &Session,
        template: &str,
    ) -> Result<String, ArtifactError> {
        let key = format!("{TEMPLATES}{:x}.yaml", Sha256::digest(template));
        self.upload(session, &key, template.into()).await?;
        let address = |cause: String| ArtifactError::Address {
            key: key.clone(),
            cause,
        };
        // The SDK knows the hosts of all partitions; CloudFormation reads with the caller's rights,
        // not with the signature.
        let moment = PresigningConfig::expires_in(Duration::from_mins(1))
            .map_err(|error| address(error.to_string()))?;
        let request = session.s3.get_object().bucket(&self.name).key(&key);
        let signed = request.presigned(moment).await;
        let signed = signed.map_err(|error| address(error.to_string()))?;
        let uri = signed.uri();
        Ok(uri.split_once('?').map_or(uri, |(uri, _)| uri).to_owned())
    }

    fn explain(&self, cause: CallError, session: &Session) -> ArtifactError {
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
            _ if cause.kind == CallErrorKind::Denied && !self.own => ArtifactError::GivenDenied {
                bucket,
                account: self.account.clone(),
                cause,
            },
            _ if cause.kind == CallErrorKind::Denied => ArtifactError::Denied(cause),
            _ => ArtifactError::Call(cause),
        }
    }

    /// The SDK found a request incomplete. It cannot be: what is required is set above.
    fn incomplete(&self, error: &impl std::fmt::Display) -> ArtifactError {
        ArtifactError::Address {
            key: self.name.clone(),
            cause: error.to_string(),
        }
    }
}
