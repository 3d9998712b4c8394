//! The custom domain of an API.

use cloudformation::{
    ConstructPath, Handle, Pseudo, StringValue,
    resources::apigatewayv2::{
        Api, ApiMapping, DomainName, DomainNameConfiguration, EndpointType, SecurityPolicy, Stage,
    },
    sub,
};

use crate::{error::SynthError, settings::CustomDomain, stack::Stack};

/// The ARN of a domain's certificate.
pub(crate) fn certificate_arn(
    domain: &CustomDomain,
    region: impl Into<StringValue>,
) -> StringValue {
    sub![
        "arn:",
        Pseudo::Partition,
        ":acm:",
        region,
        ":",
        Pseudo::AccountId,
        ":certificate/",
        domain.certificate.as_str().to_owned(),
    ]
}

/// Adds a domain name and its mapping to a stage.
pub(crate) fn add(
    stack: &mut Stack,
    path: &ConstructPath,
    domain: &CustomDomain,
    api: &Handle<Api>,
    stage: &Handle<Stage>,
) -> Result<(), SynthError> {
    let domain_name = DomainName {
        domain_name: domain.name.as_str().to_owned(),
        domain_name_configurations: [DomainNameConfiguration {
            certificate_arn: certificate_arn(domain, Pseudo::Region),
            endpoint_type: EndpointType::Regional,
            security_policy: SecurityPolicy::Tls12,
        }],
        tags: stack.tags().map(),
    };
    let domain_name = stack.add(&path.child("DomainName"), domain_name)?;
    stack.add(
        &path.child("DomainMapping"),
        ApiMapping {
            api_id: api.id(),
            domain_name: domain_name.name(),
            stage: stage.name(),
        },
    )?;
    stack.add_output(
        &format!("{}DnsTarget", path.logical_id()),
        &format!(
            "What the DNS record of {} must point to",
            domain.name.as_str()
        ),
        domain_name.regional_domain_name(),
    )
}
