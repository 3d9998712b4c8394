//! An environment that uses every option, as its template:
//! `cargo run -p infra-gen --example every_option`.

use std::io::{self, Write};

use contract::PipelineFunction;
use stagecast_infra::{
    environments::{
        Architecture, CertificateId, ConnectAuthorizer, CustomDomain, DomainName, Environment,
        EnvironmentError, JobRetention, JwtAuthorizer, NameSuffix, Origin, OwnerLimit, OwnerTokens,
        RetentionDays, TopicArn,
    },
    stack,
    template::Format,
};
use typed_contract::functions::Function;

fn every_option() -> Result<Environment, EnvironmentError> {
    let domain = |name| {
        Ok::<_, EnvironmentError>(CustomDomain {
            name: DomainName::new(name)?,
            certificate: CertificateId::new("12345678-90ab-cdef-1234-567890abcdef")?,
        })
    };
    Ok(Environment {
        name: "staging",
        name_suffix: NameSuffix::new("-staging")?,
        job_retention: JobRetention::new(30),
        log_retention: RetentionDays::TwoWeeks,
        alarm_topic: Some(TopicArn::new(
            "arn:aws:sns:eu-central-1:123456789012:oncall",
        )?),
        allowed_origins: vec![
            Origin::new("https://app.example.com")?,
            Origin::new("http://localhost:5173")?,
        ],
        page: true,
        page_domain: Some(domain("progress.example.com")?),
        max_subscriptions: 5,
        max_running_per_owner: Some(OwnerLimit::new(5)),
        websocket_domain: Some(domain("live.example.com")?),
        http_domain: Some(domain("jobs.example.com")?),
        connect_authorizer: Some(ConnectAuthorizer::new(
            "company-authorizer",
            &["route.request.querystring.token"],
        )?),
        job_authorizer: Some(JwtAuthorizer::new(
            "https://login.example.com/",
            &["stagecast"],
        )?),
        tokens: Some(
            OwnerTokens::new(
                "stagecast",
                r#"{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"2026-11","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#,
            )?
            .and_keys_at("https://login.example.com/.well-known/jwks.json")?,
        ),
        architecture: Architecture::X86_64,
        reserved_concurrency: |function| (function == PipelineFunction::SPEC).then_some(20),
        ..Environment::prod()
    })
}

fn main() -> anyhow::Result<()> {
    let template = stack::synthesize(infra_gen::project(), &every_option()?)?;
    let document = template.render(Format::CloudFormation).to_yaml()?;
    io::stdout().write_all(document.as_bytes())?;
    Ok(())
}
