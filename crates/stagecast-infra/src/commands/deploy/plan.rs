//! The template to deploy, and the change set that CloudFormation makes of it.

use crate::{
    deploy::{
        Capabilities, ChangeSet, ChangeSetRequest, DeployedTemplate, MAX_TEMPLATE_BODY_BYTES,
        NAME_PREFIX, ParameterValues, TemplateSource, apply_change_set,
    },
    diff::{Difference, TemplateDocument, compare},
    environments::Architecture,
    generated, stack,
    template::{Format, Template},
};

use super::{
    context::{DeployContext, Progress},
    parameters::parameters,
    preflight::DeployTarget,
};
use crate::commands::{
    architecture::{kept_architecture, kept_architecture_note},
    page::{KEPT_PAGE_NOTE, hosts_page, keeps_page},
    terminal::{Terminal, paint},
};

/// The template to deploy, and the deployed one.
#[derive(Debug)]
pub(super) struct StackToDeploy {
    pub(super) template: Template,
    pub(super) architecture: Architecture,
    pub(super) deployed: Option<DeployedTemplate>,
    /// Whether the template hosts the progress page.
    pub(super) hosts_page: bool,
}

impl StackToDeploy {
    /// Synthesizes the template for the processor that the functions run on already, and with the page that
    /// the stack hosts already, unless the command line chooses.
    pub(super) async fn new(
        context: &DeployContext,
        target: &DeployTarget,
        terminal: &mut Terminal,
    ) -> anyhow::Result<Self> {
        let request = &context.request;
        let deployed = match &target.stack {
            Some(stack) => Some(stack.template(&context.session.cloudformation).await?),
            None => None,
        };
        let mut environment = request.environment.clone();
        let document = deployed.as_ref().map(|template| &template.document);
        if let Some(kept) = kept_architecture(&environment, request.architecture, document) {
            terminal.line(kept_architecture_note(kept, environment.architecture));
            environment.architecture = kept;
        }
        if keeps_page(&environment, request.page, document) {
            terminal.line(KEPT_PAGE_NOTE);
            environment.page = true;
        }
        Ok(Self {
            hosts_page: environment.page,
            template: stack::synthesize(request.project, &environment)?,
            architecture: environment.architecture,
            deployed,
        })
    }

    /// Whether the deployed stack hosts no page, and this one does.
    pub(super) fn adds_page(&self) -> bool {
        self.hosts_page && !self.deployed_hosts_page()
    }

    /// Whether the deployed stack hosts a page, and this one does not.
    pub(super) fn removes_page(&self) -> bool {
        !self.hosts_page && self.deployed_hosts_page()
    }

    fn deployed_hosts_page(&self) -> bool {
        let deployed = self.deployed.as_ref();
        deployed.is_some_and(|template| hosts_page(&template.document))
    }

    /// Whether the stack has exactly this template and these parameters. It has not if its last
    /// update was rolled back.
    fn is_deployed(&self, target: &DeployTarget, text: &str, parameters: &ParameterValues) -> bool {
        let (Some(stack), Some(deployed)) = (&target.stack, &self.deployed) else {
            return false;
        };
        stack.status.is_success() && deployed.text == text && stack.parameters == *parameters
    }
}

/// The changes that the user agrees to, and the change set that makes them.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) change_set: ChangeSet,
    pub(super) difference: Difference,
}

/// Creates the change set; `None` if there are no changes. `locations` are the parameters of the
/// packages.
pub(super) async fn plan(
    context: &DeployContext,
    target: &DeployTarget,
    stack: &StackToDeploy,
    locations: &ParameterValues,
    terminal: &mut Terminal,
) -> anyhow::Result<Option<Plan>> {
    let deployed = stack.deployed.as_ref();
    let parameters = parameters(context, target, &stack.template, locations, deployed)?;
    let text = generated::template(&stack.template, Format::CloudFormation)?;
    if stack.is_deployed(target, &text, &parameters) {
        return Ok(None);
    }
    let new = TemplateDocument::from_json(stack.template.to_json(Format::CloudFormation)?)?;
    let request = ChangeSetRequest {
        stack: context.request.stack_name.to_string(),
        name_prefix: NAME_PREFIX.to_owned(),
        is_new: target.stack.is_none(),
        capabilities: Capabilities::of(&new),
        template: template_source(context, target, text).await?,
        tags: context.request.tags.clone(),
        parameters: parameters.clone(),
    };
    context.set_progress(Progress::Planned(request.clone()));
    terminal.start("waiting for CloudFormation's change set");
    let Some(change_set) = request.change_set(&context.session.cloudformation).await? else {
        terminal.finish();
        return Ok(None);
    };
    terminal.finish();

    let new = new.with_values(&parameters);
    let old = match (&target.stack, deployed) {
        (Some(stack), Some(template)) => template.document.clone().with_values(&stack.parameters),
        _ => TemplateDocument::default(),
    };
    let mut difference = apply_change_set(compare(&old, &new), &change_set.changes);
    difference.find_refusals(&old, &new);
    Ok(Some(Plan {
        change_set,
        difference,
    }))
}

/// Uploads a template that is too large for the request.
async fn template_source(
    context: &DeployContext,
    target: &DeployTarget,
    text: String,
) -> anyhow::Result<TemplateSource> {
    if text.len() <= MAX_TEMPLATE_BODY_BYTES {
        return Ok(TemplateSource::Body(text));
    }
    let bucket = &target.bucket;
    let url = bucket.upload_template(&context.session, &text).await?;
    Ok(TemplateSource::Url(url))
}

impl Plan {
    /// Prints the changes. Of a new stack only IAM: the other resources are in the template, and
    /// what they may do is what needs a decision.
    pub(super) fn show(&self, terminal: &Terminal, is_new: bool) {
        let mut shown = self.difference.clone();
        if is_new {
            shown.resources.clear();
            shown.settings.clear();
        }
        let text = shown.to_string();
        let (changes, _) = text.rsplit_once("\n\n").unwrap_or((&text, ""));
        terminal.line(format!("\n{}", paint(changes)));
        terminal.line(format!("\n{}", self.difference.summary()));
    }
}
