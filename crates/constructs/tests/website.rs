//! Websites: a private bucket behind CloudFront.

use cloudformation::{Format, resources::cloudfront::PriceClass};
use constructs::{
    Bucket, BucketOptions, CorsOptions, HttpApi, HttpApiOptions, Stack, Website, WebsiteOptions,
    settings::{
        CertificateId, CustomDomain, DataPolicy, DomainName, Origin, StackSettings, Tags,
        Throttling,
    },
};
use serde_json::{Value, json};
use typed_contract::{bucket, buckets::Bucket as _};

bucket! {
    /// The pictures of goods.
    Pictures = "pictures" in "PICTURES_BUCKET"
}

fn with_website(settings: StackSettings, options: WebsiteOptions) -> (Stack, Website) {
    let mut stack = Stack::new("A shop", settings).expect("a stack");
    let website = Website::add(&mut stack, options).expect("a website");
    (stack, website)
}

fn options() -> WebsiteOptions {
    WebsiteOptions::new("Shop", "The shop's pages")
}

/// The template as JSON, with references that all have a target.
fn json(stack: Stack) -> Value {
    let template = stack.into_template();
    assert_eq!(template.check_references().expect("serializes"), []);
    template.to_json(Format::CloudFormation).expect("JSON")
}

#[test]
fn website_is_served_from_a_private_bucket_by_its_distribution_only() {
    let settings = StackSettings {
        data: DataPolicy::Protected,
        tags: Tags::new([("Team", "shop")]),
        ..StackSettings::default()
    };
    let template = json(with_website(settings, options()).0);
    let bucket = &template["Resources"]["ShopBucket"];
    assert_eq!(bucket["DeletionPolicy"], "Delete");
    let access = &bucket["Properties"]["PublicAccessBlockConfiguration"];
    for (setting, is_on) in access.as_object().expect("settings") {
        assert_eq!(is_on, true, "{setting}");
    }
    let policy = &template["Resources"]["ShopBucketPolicy"]["Properties"]["PolicyDocument"];
    let statements = policy["Statement"].as_array().expect("statements");
    assert_eq!(statements.len(), 2);
    assert_eq!(statements[0]["Sid"], "OnlyByTls");
    assert_eq!(
        statements[1],
        json!({
            "Sid": "ReadableByDistribution",
            "Effect": "Allow",
            "Principal": { "Service": "cloudfront.amazonaws.com" },
            "Action": ["s3:GetObject"],
            "Resource": [{ "Fn::Sub": "${ShopBucket.Arn}/*" }],
            "Condition": { "StringEquals": { "aws:SourceArn": {
                "Fn::Sub":
                    "arn:${AWS::Partition}:cloudfront::${AWS::AccountId}:distribution/${ShopDistribution}"
            } } },
        })
    );
}

#[test]
fn distribution_signs_its_requests_and_redirects_to_tls() {
    let template = json(with_website(StackSettings::default(), options()).0);
    let access = &template["Resources"]["ShopOriginAccessControl"]["Properties"];
    assert_eq!(
        access["OriginAccessControlConfig"],
        json!({
            "Name": { "Ref": "ShopBucket" },
            "OriginAccessControlOriginType": "s3",
            "SigningBehavior": "always",
            "SigningProtocol": "sigv4",
        })
    );
    let config = &template["Resources"]["ShopDistribution"]["Properties"]["DistributionConfig"];
    assert_eq!(
        config,
        &json!({
            "Comment": "The shop's pages",
            "Enabled": true,
            "HttpVersion": "http2and3",
            "IPV6Enabled": true,
            "PriceClass": "PriceClass_All",
            "DefaultRootObject": "index.html",
            "Origins": [{
                "Id": "files",
                "DomainName": { "Fn::GetAtt": ["ShopBucket", "RegionalDomainName"] },
                "OriginAccessControlId": { "Fn::GetAtt": ["ShopOriginAccessControl", "Id"] },
                "S3OriginConfig": { "OriginAccessIdentity": "" },
            }],
            "DefaultCacheBehavior": {
                "TargetOriginId": "files",
                "ViewerProtocolPolicy": "redirect-to-https",
                "Compress": true,
                "CachePolicyId": "658327ea-f89d-4fab-a63d-7e88639e58f6",
                "ResponseHeadersPolicyId": "67f7725c-6f97-4210-82d7-5512b31e9d03",
            },
        })
    );
    let outputs = &template["Outputs"];
    let url = json!({ "Fn::Sub": "https://${ShopDistribution.DomainName}" });
    assert_eq!(outputs["ShopUrl"]["Value"], url);
    assert_eq!(
        outputs["ShopBucketName"]["Value"],
        json!({ "Ref": "ShopBucket" })
    );
    assert!(outputs.get("ShopDnsTarget").is_none());
}

#[test]
fn custom_domain_needs_a_certificate_in_us_east_1() {
    let domain = CustomDomain {
        name: DomainName::new("shop.example.com").expect("a name"),
        certificate: CertificateId::new("12345678-90ab-cdef-1234-567890abcdef").expect("an id"),
    };
    let options = WebsiteOptions {
        domain: Some(domain),
        price_class: PriceClass::NorthAmericaAndEurope,
        ..options()
    };
    let template = json(with_website(StackSettings::default(), options).0);
    let config = &template["Resources"]["ShopDistribution"]["Properties"]["DistributionConfig"];
    assert_eq!(config["Aliases"], json!(["shop.example.com"]));
    assert_eq!(config["PriceClass"], "PriceClass_100");
    assert_eq!(
        config["ViewerCertificate"],
        json!({
            "AcmCertificateArn": {
                "Fn::Sub":
                    "arn:${AWS::Partition}:acm:us-east-1:${AWS::AccountId}:certificate/12345678-90ab-cdef-1234-567890abcdef"
            },
            "MinimumProtocolVersion": "TLSv1.2_2021",
            "SslSupportMethod": "sni-only",
        })
    );
    let outputs = &template["Outputs"];
    assert_eq!(outputs["ShopUrl"]["Value"], "https://shop.example.com");
    assert_eq!(
        outputs["ShopDnsTarget"]["Value"],
        json!({ "Fn::GetAtt": ["ShopDistribution", "DomainName"] })
    );
}

/// The origins that the HTTP API and the bucket allow.
fn allowed_origins(settings: StackSettings) -> [Value; 2] {
    let (mut stack, website) = with_website(settings, options());
    stack.allow_origin(website.url());
    let limit = Throttling {
        requests_per_second: 50,
        burst: 100,
    };
    let api = HttpApiOptions {
        cors: Some(CorsOptions::default()),
        ..HttpApiOptions::new("Orders", limit)
    };
    HttpApi::add(&mut stack, api).expect("an API");
    let bucket = BucketOptions {
        description: "The bucket with pictures".into(),
        expiration: None,
        readable_by_pages: true,
        writable_by_pages: false,
    };
    Bucket::add(&mut stack, Pictures::SPEC, bucket).expect("a bucket");
    let template = json(stack);
    let cors = |id: &str| &template["Resources"][id]["Properties"]["CorsConfiguration"];
    [
        cors("HttpApi")["AllowOrigins"].clone(),
        cors("PicturesBucket")["CorsRules"][0]["AllowedOrigins"].clone(),
    ]
}

#[test]
fn origin_of_the_website_is_allowed_besides_those_of_the_settings() {
    let page = json!({ "Fn::Sub": "https://${ShopDistribution.DomainName}" });
    assert_eq!(
        allowed_origins(StackSettings::default()),
        [json!([page]), json!([page, "null"])]
    );
    let other = "https://app.example.com";
    let settings = StackSettings {
        allowed_origins: vec![Origin::new(other).expect("an origin")],
        ..StackSettings::default()
    };
    assert_eq!(
        allowed_origins(settings),
        [json!([other, page]), json!([other, page, "null"])]
    );
}
