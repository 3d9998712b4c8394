//! CloudFront distributions of S3 buckets.

use std::borrow::Cow;

use serde::Serialize;

use super::TagList;
use crate::{Handle, ResourceType, StringValue};

/// A distribution: a CDN with its domain name.
/// <https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-cloudfront-distribution.html>
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Distribution {
    /// What the distribution serves, and how.
    pub distribution_config: DistributionConfig,
    /// The distribution's tags.
    pub tags: TagList,
}

impl ResourceType for Distribution {
    const TYPE_NAME: &'static str = "AWS::CloudFront::Distribution";
}

impl Handle<Distribution> {
    /// The distribution's id, `E1A2B3C4D5E6F7`.
    pub fn id(&self) -> StringValue {
        self.reference()
    }

    /// The distribution's own domain name, `d111111abcdef8.cloudfront.net`.
    pub fn domain_name(&self) -> StringValue {
        self.attribute("DomainName")
    }
}

/// What a distribution serves, and how.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct DistributionConfig {
    /// The purpose, up to 128 characters.
    pub comment: Cow<'static, str>,
    /// Whether the distribution answers requests.
    pub enabled: bool,
    /// The versions of HTTP that viewers can use.
    pub http_version: HttpVersion,
    /// Whether the domain name has an IPv6 address.
    #[serde(rename = "IPV6Enabled")]
    pub ipv6_enabled: bool,
    /// The edge locations that serve.
    pub price_class: PriceClass,
    /// The key of the object at `/`, without a slash: `index.html`.
    pub default_root_object: Cow<'static, str>,
    /// Domain names besides the distribution's own. Needs a certificate for them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub aliases: Vec<String>,
    /// The certificate of the aliases. None: CloudFront's, for the distribution's own domain name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub viewer_certificate: Option<ViewerCertificate>,
    /// Where CloudFront gets objects from.
    pub origins: Vec<Origin>,
    /// How requests are served.
    pub default_cache_behavior: DefaultCacheBehavior,
}

/// The versions of HTTP that viewers can use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum HttpVersion {
    /// HTTP/1.1, HTTP/2 and HTTP/3.
    #[serde(rename = "http2and3")]
    Http2And3,
}

/// The edge locations that serve. Data transfer costs more in regions that the cheaper classes leave out;
/// viewers there are served from another region.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub enum PriceClass {
    /// North America, Europe and Israel.
    #[serde(rename = "PriceClass_100")]
    NorthAmericaAndEurope,
    /// Those of `PriceClass_100`, and most of Africa, Asia and the Middle East.
    #[serde(rename = "PriceClass_200")]
    MostRegions,
    /// All.
    #[default]
    #[serde(rename = "PriceClass_All")]
    All,
}

/// The certificate of a distribution's aliases.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct ViewerCertificate {
    /// The ARN of a certificate in ACM, in us-east-1.
    pub acm_certificate_arn: StringValue,
    /// The lowest version of TLS, with its ciphers.
    pub minimum_protocol_version: MinimumProtocolVersion,
    /// How viewers name the domain in the TLS handshake.
    pub ssl_support_method: SslSupportMethod,
}

/// The lowest version of TLS, with its ciphers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum MinimumProtocolVersion {
    /// TLS 1.2, with ciphers that have forward secrecy.
    #[serde(rename = "TLSv1.2_2021")]
    Tls12Of2021,
}

/// How viewers name the domain in the TLS handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum SslSupportMethod {
    /// By server name indication, as all current browsers do. Free of charge.
    #[serde(rename = "sni-only")]
    SniOnly,
}

/// A bucket that CloudFront gets objects from.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Origin {
    /// The origin's name, unique in its distribution.
    pub id: Cow<'static, str>,
    /// The bucket's regional domain name.
    pub domain_name: StringValue,
    /// The id of the origin access control by which CloudFront signs its requests to the bucket.
    pub origin_access_control_id: StringValue,
    /// Marks the origin as a bucket.
    pub s3_origin_config: S3OriginConfig,
}

/// Marks an origin as a bucket. The older access identity stays empty, as an origin access control replaces
/// it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct S3OriginConfig {
    origin_access_identity: &'static str,
}

/// How a distribution serves requests.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct DefaultCacheBehavior {
    /// The id of the origin.
    pub target_origin_id: Cow<'static, str>,
    /// What CloudFront answers to requests without TLS.
    pub viewer_protocol_policy: ViewerProtocolPolicy,
    /// Whether CloudFront compresses objects for viewers that accept it. Needs a cache policy that accepts
    /// encodings.
    pub compress: bool,
    /// How long CloudFront keeps objects.
    pub cache_policy_id: ManagedCachePolicy,
    /// The headers that CloudFront adds to its answers.
    pub response_headers_policy_id: ManagedResponseHeadersPolicy,
}

/// What CloudFront answers to requests without TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ViewerProtocolPolicy {
    /// A redirect to the same address with TLS.
    RedirectToHttps,
}

/// Cache policies that AWS manages, by the ids that they have in every account.
/// <https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/using-managed-cache-policies.html>
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum ManagedCachePolicy {
    /// `CachingOptimized`: for the seconds of the object's `Cache-Control`, at least one. Without that header
    /// for a day. Accepts compression.
    #[serde(rename = "658327ea-f89d-4fab-a63d-7e88639e58f6")]
    CachingOptimized,
}

/// Policies of response headers that AWS manages, by the ids that they have in every account.
/// <https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/using-managed-response-headers-policies.html>
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum ManagedResponseHeadersPolicy {
    /// `SecurityHeadersPolicy`: HSTS for a year, no sniffing of media types, frames of the same origin only,
    /// no paths in referrers to other origins.
    #[serde(rename = "67f7725c-6f97-4210-82d7-5512b31e9d03")]
    SecurityHeaders,
}

/// An origin access control: how CloudFront signs its requests to an origin.
/// <https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-cloudfront-originaccesscontrol.html>
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct OriginAccessControl {
    /// The name and the signature.
    pub origin_access_control_config: OriginAccessControlConfig,
}

impl ResourceType for OriginAccessControl {
    const TYPE_NAME: &'static str = "AWS::CloudFront::OriginAccessControl";
}

impl Handle<OriginAccessControl> {
    /// The id of the origin access control.
    pub fn id(&self) -> StringValue {
        self.attribute("Id")
    }
}

/// Name and signature of an origin access control.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct OriginAccessControlConfig {
    /// The name, unique in an account in all regions, up to 64 characters.
    pub name: StringValue,
    /// The type of the origin.
    pub origin_access_control_origin_type: OriginType,
    /// Which requests are signed.
    pub signing_behavior: SigningBehavior,
    /// The signature.
    pub signing_protocol: SigningProtocol,
}

/// The type of an origin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum OriginType {
    /// A bucket.
    S3,
}

/// Which requests to an origin are signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum SigningBehavior {
    /// All.
    Always,
}

/// The signature of requests to an origin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum SigningProtocol {
    /// AWS Signature Version 4.
    SigV4,
}
