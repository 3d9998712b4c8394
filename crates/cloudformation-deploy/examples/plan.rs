//! The changes that a template would make in a stack:
//! `cargo run -p cloudformation-deploy --example plan -- STACK TEMPLATE`. Nothing is executed. Region and
//! credentials are those of the AWS CLI. Exit code 1: there are changes.

use std::{
    env,
    error::Error,
    fs,
    io::{self, Write},
    process::ExitCode,
};

use aws_config::BehaviorVersion;
use aws_smithy_http_client::{
    Builder,
    tls::{Provider, rustls_provider::CryptoMode},
};
use cloudformation_deploy::{
    Capabilities, ChangeSetRequest, CloudFormation, DeployedStack, TemplateSource, apply_change_set,
};
use cloudformation_diff::{TemplateDocument, compare};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<ExitCode, Box<dyn Error>> {
    let arguments: Vec<_> = env::args().skip(1).collect();
    let [stack, template] = &arguments[..] else {
        return Err("give a stack and a template: STACK TEMPLATE".into());
    };
    let template = fs::read_to_string(template)?;
    let new = TemplateDocument::parse(&template)?;
    let http = Builder::new()
        .tls_provider(Provider::Rustls(CryptoMode::Ring))
        .build_https();
    let config = aws_config::defaults(BehaviorVersion::latest()).http_client(http);
    let config = config.load().await;
    let aws = CloudFormation::new(aws_sdk_cloudformation::Client::new(&config));

    let existing = DeployedStack::find(&aws, stack).await?;
    let existing = existing.filter(|stack| !stack.status.has_no_resources());
    let old = match &existing {
        Some(stack) => stack.template(&aws).await?.document,
        None => TemplateDocument::default(),
    };
    let request = ChangeSetRequest {
        stack: stack.clone(),
        name_prefix: "plan".to_owned(),
        is_new: existing.is_none(),
        capabilities: Capabilities::of(&new),
        template: TemplateSource::Body(template),
        parameters: existing.map_or_else(Default::default, |stack| stack.parameters),
        tags: Vec::new(),
    };
    let change_set = request.change_set(&aws).await?;
    request.discard(&aws).await;
    let Some(change_set) = change_set else {
        return Ok(ExitCode::SUCCESS);
    };
    let difference = apply_change_set(compare(&old, &new), &change_set.changes);
    io::stdout().write_all(difference.to_string().as_bytes())?;
    Ok(ExitCode::FAILURE)
}
