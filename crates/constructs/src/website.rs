//! A website of static files: a bucket, and a CDN that reads it.

use std::borrow::Cow;

use cloudformation::{
    Attributes, ConstructPath, Handle, Pseudo, RemovalPolicy, StringValue,
    resources::{
        cloudfront::{
            DefaultCacheBehavior, Distribution, DistributionConfig, HttpVersion,
            ManagedCachePolicy, ManagedResponseHeadersPolicy, MinimumProtocolVersion, Origin,
            OriginAccessControl, OriginAccessControlConfig, OriginType, PriceClass, S3OriginConfig,
            SigningBehavior, SigningProtocol, SslSupportMethod, ViewerCertificate,
            ViewerProtocolPolicy,
        },
        iam::{Effect, PolicyDocument, Principal, Statement, Target},
        s3,
    },
    sub,
};
use indexmap::IndexMap;

use crate::{
    bucket::{only_by_tls, private_bucket},
    domain::certificate_arn,
    error::SynthError,
    settings::CustomDomain,
    stack::Stack,
};

/// The name of the bucket among the origins of the distribution.
const ORIGIN: &str = "files";

/// The region of the certificates that CloudFront uses, whatever the stack's region is.
const CERTIFICATE_REGION: &str = "us-east-1";

/// The options of a [`Website`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebsiteOptions {
    /// The construct's name, with which the logical ids and the names of the outputs begin: `Page`.
    pub construct: &'static str,
    /// The purpose, up to 128 characters.
    pub description: Cow<'static, str>,
    /// The key of the object at `/`.
    pub root_object: Cow<'static, str>,
    /// The edge locations that serve. They decide about the price and the latency.
    pub price_class: PriceClass,
    /// The custom domain. Its certificate is in us-east-1. None: CloudFront's domain.
    pub domain: Option<CustomDomain>,
}

impl WebsiteOptions {
    /// The options of a website with `index.html` at `/`, at CloudFront's domain, served from all edge
    /// locations.
    pub fn new(construct: &'static str, description: impl Into<Cow<'static, str>>) -> Self {
        Self {
            construct,
            description: description.into(),
            root_object: "index.html".into(),
            price_class: PriceClass::default(),
            domain: None,
        }
    }
}

/// A website of static files: a private bucket that only a CloudFront distribution can read. Requests
/// without TLS are redirected; browsers can use HTTP/2 and HTTP/3; answers have AWS's security headers.
///
/// The template does not contain the files. Upload them to the bucket with `Cache-Control: no-cache` if their
/// names stay the same when their content changes: an edge location then uses a file for one second before
/// it asks the bucket whether the file has changed, so an upload needs no invalidation.
///
/// The bucket is deleted with the stack, whatever
/// [`StackSettings::data`](crate::settings::StackSettings::data) is, because its files exist elsewhere too.
///
/// ```
/// use constructs::{Stack, Website, WebsiteOptions, settings::StackSettings};
///
/// let mut stack = Stack::new("A website", StackSettings::default())?;
/// let website = Website::add(&mut stack, WebsiteOptions::new("Shop", "The shop's pages"))?;
/// stack.allow_origin(website.url()); // Its pages may use the HTTP APIs that follow.
/// assert_eq!(website.bucket.logical_id().as_str(), "ShopBucket");
/// # Ok::<(), constructs::SynthError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Website {
    /// The bucket with the files.
    pub bucket: Handle<s3::Bucket>,
    /// The distribution that serves them.
    pub distribution: Handle<Distribution>,
    custom_domain: Option<String>,
}

impl Website {
    /// Adds the bucket, the distribution, the policy that allows it to read, and outputs: the URL, the bucket's
    /// name, and the target of the custom domain's DNS record.
    pub fn add(stack: &mut Stack, options: WebsiteOptions) -> Result<Self, SynthError> {
        let path = ConstructPath::root(options.construct);
        let attributes = Attributes {
            removal: Some(RemovalPolicy::Delete),
            ..Attributes::default()
        };
        let bucket = private_bucket(stack);
        let bucket = stack.add_with(&path.child("Bucket"), bucket, attributes)?;
        let access = stack.add(
            &path.child("OriginAccessControl"),
            OriginAccessControl {
                origin_access_control_config: OriginAccessControlConfig {
                    // Unique in all regions of the account, and short enough, as the name of a bucket is.
                    name: bucket.name(),
                    origin_access_control_origin_type: OriginType::S3,
                    signing_behavior: SigningBehavior::Always,
                    signing_protocol: SigningProtocol::SigV4,
                },
            },
        )?;
        let custom_domain = options.domain.as_ref();
        let custom_domain = custom_domain.map(|domain| domain.name.as_str().to_owned());
        let distribution = Distribution {
            distribution_config: distribution(options, &bucket, &access),
            tags: stack.tags().list(),
        };
        let distribution = stack.add(&path.child("Distribution"), distribution)?;
        stack.add(
            &path.child("BucketPolicy"),
            s3::BucketPolicy {
                bucket: bucket.name(),
                policy_document: PolicyDocument::new(vec![
                    only_by_tls(&bucket),
                    readable_by(&distribution, &bucket),
                ]),
            },
        )?;
        let website = Self {
            bucket,
            distribution,
            custom_domain,
        };
        website.add_outputs(stack, &path)?;
        Ok(website)
    }

    /// The address of the website, without a slash at the end: also the origin that browsers send.
    pub fn url(&self) -> StringValue {
        match &self.custom_domain {
            Some(domain) => format!("https://{domain}").into(),
            None => sub!["https://", self.distribution.domain_name()],
        }
    }

    fn add_outputs(&self, stack: &mut Stack, path: &ConstructPath) -> Result<(), SynthError> {
        let construct = path.logical_id();
        stack.add_output(
            &format!("{construct}Url"),
            &format!("The address of the website {path}"),
            self.url(),
        )?;
        stack.add_output(
            &format!("{construct}BucketName"),
            &format!("The name of the bucket with the files of the website {path}"),
            self.bucket.name(),
        )?;
        let Some(domain) = &self.custom_domain else {
            return Ok(());
        };
        stack.add_output(
            &format!("{construct}DnsTarget"),
            &format!("What the DNS record of {domain} must point to"),
            self.distribution.domain_name(),
        )
    }
}

fn distribution(
    options: WebsiteOptions,
    bucket: &Handle<s3::Bucket>,
    access: &Handle<OriginAccessControl>,
) -> DistributionConfig {
    let domain = options.domain.as_ref();
    DistributionConfig {
        comment: options.description,
        enabled: true,
        http_version: HttpVersion::Http2And3,
        ipv6_enabled: true,
        price_class: options.price_class,
        default_root_object: options.root_object,
        aliases: domain
            .map(|domain| domain.name.as_str().to_owned())
            .into_iter()
            .collect(),
        viewer_certificate: domain.map(|domain| ViewerCertificate {
            acm_certificate_arn: certificate_arn(domain, CERTIFICATE_REGION),
            minimum_protocol_version: MinimumProtocolVersion::Tls12Of2021,
            ssl_support_method: SslSupportMethod::SniOnly,
        }),
        origins: vec![Origin {
            id: ORIGIN.into(),
            domain_name: bucket.regional_domain_name(),
            origin_access_control_id: access.id(),
            s3_origin_config: S3OriginConfig::default(),
        }],
        default_cache_behavior: DefaultCacheBehavior {
            target_origin_id: ORIGIN.into(),
            viewer_protocol_policy: ViewerProtocolPolicy::RedirectToHttps,
            compress: true,
            // CachingDisabled needs no invalidation either, but CloudFront compresses nothing with it, and
            // every request reaches the bucket. This policy's shortest time is one second: that is how long
            // an edge location uses a file with `no-cache`. Then it asks the bucket with the file's ETag.
            cache_policy_id: ManagedCachePolicy::CachingOptimized,
            response_headers_policy_id: ManagedResponseHeadersPolicy::SecurityHeaders,
        },
    }
}

/// Allows the distribution, and no other one of any account, to read the files.
fn readable_by(distribution: &Handle<Distribution>, bucket: &Handle<s3::Bucket>) -> Statement {
    let distribution = sub![
        "arn:",
        Pseudo::Partition,
        ":cloudfront::",
        Pseudo::AccountId,
        ":distribution/",
        distribution.id(),
    ];
    Statement {
        sid: Some("ReadableByDistribution".to_owned()),
        effect: Effect::Allow,
        principal: Some(Principal::Service("cloudfront.amazonaws.com".into())),
        action: vec!["s3:GetObject".into()],
        resource: Some(Target::Arns(vec![bucket.objects_arn()])),
        condition: IndexMap::from([(
            "StringEquals".into(),
            IndexMap::from([("aws:SourceArn".into(), distribution)]),
        )]),
    }
}
