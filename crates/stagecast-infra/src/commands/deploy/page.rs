//! The files of the hosted progress page: read, uploaded after the deployment, deleted before the bucket is.

use anyhow::{Context, anyhow};
use stagecast_page::{CACHE_CONTROL, CONFIG, PageFile, config, media_type};

use super::{
    context::{DeployContext, Progress},
    invitation::addresses,
    plan::StackToDeploy,
    preflight::DeployTarget,
};
use crate::{
    commands::{
        page::page_bucket,
        terminal::Terminal,
        workspace::{GENERATED, workspace},
    },
    construct_options::PAGE,
    deploy::{DeployedStack, Upload, WebObject, empty_bucket},
};

/// The files of the page that the stack will host, in the order of their upload; none if it hosts none. Read
/// before anything is changed, so that a missing folder is noticed in time.
pub(super) fn files(stack: &StackToDeploy) -> anyhow::Result<Vec<PageFile>> {
    if !stack.hosts_page {
        return Ok(Vec::new());
    }
    let workspace = workspace().context("cannot find the files of the progress page")?;
    let files = stagecast_page::files(&workspace.join(GENERATED).join("page"));
    files.map_err(|error| anyhow!("cannot read '{}': {}", error.path.display(), error.cause))
}

/// Warns that the page's origin becomes the only one that may use the APIs.
pub(super) fn warn_of_origins(context: &DeployContext, stack: &StackToDeploy, terminal: &Terminal) {
    let environment = &context.request.environment;
    if stack.adds_page() && environment.allowed_origins.is_empty() {
        terminal.warn(format!(
            "browsers will be able to use the APIs from the progress page only: the environment {} lists \
             no other origin in allowed_origins",
            environment.name
        ));
    }
}

/// Empties the bucket of a page that the execution deletes: CloudFormation deletes empty buckets only.
pub(super) async fn empty(
    context: &DeployContext,
    target: &DeployTarget,
    stack: &StackToDeploy,
    terminal: &mut Terminal,
) -> anyhow::Result<()> {
    let (true, Some(deployed)) = (stack.removes_page(), &target.stack) else {
        return Ok(());
    };
    let resources = deployed.resources(&context.session.cloudformation).await?;
    let id = page_bucket();
    let bucket = resources.into_iter().find(|it| it.logical_id == id);
    if let Some(bucket) = bucket.filter(|it| !it.physical_id.is_empty()) {
        let name = &bucket.physical_id;
        terminal.start(format!("emptying the bucket {name}"));
        let count = empty_bucket(&context.session.s3, name).await?;
        terminal.done(format!("deleted {count} objects from the bucket {name}"));
    }
    Ok(())
}

/// Uploads the files that have changed, and the page's configuration.
pub(super) async fn upload(
    context: &DeployContext,
    mut files: Vec<PageFile>,
    stack: &DeployedStack,
    terminal: &mut Terminal,
) -> anyhow::Result<()> {
    if files.is_empty() {
        return Ok(());
    }
    let output = |name: &str| stack.output(name);
    let bucket = output(&format!("{PAGE}BucketName"));
    let [http, websocket] = addresses(&output, context.session.endpoint());
    let (Some(bucket), Some(http), Some(websocket)) = (bucket, http, websocket) else {
        return Err(anyhow!(
            "the stack {} has no outputs with the page's bucket and the addresses of the APIs",
            stack.name
        ));
    };
    let input = context.request.project.product.input;
    // First, so that a page that is there finds its configuration.
    let config = PageFile {
        name: CONFIG.to_owned(),
        content: config(&http, &websocket, input).into_bytes().into(),
    };
    files.insert(0, config);
    // An interruption reports the status of the stack.
    context.set_progress(Progress::Executing(stack.id.clone()));
    let (mut uploaded, total) = (Vec::new(), files.len());
    for PageFile { name, content } in &files {
        terminal.start(format!("uploading {name} of the progress page"));
        let object = WebObject {
            key: name,
            content,
            media_type: media_type(name),
            cache_control: CACHE_CONTROL,
        };
        let result = object.upload(&context.session, bucket).await;
        let result = result.with_context(|| {
            format!(
                "the stack {} is deployed, but its progress page is incomplete; the next deployment \
                 uploads the rest",
                stack.name
            )
        })?;
        if result == Upload::Uploaded {
            uploaded.push(name.as_str());
        }
    }
    context.set_progress(Progress::Unchanged);
    terminal.done(if uploaded.is_empty() {
        format!("the progress page is up to date: {total} files")
    } else {
        let unchanged = total - uploaded.len();
        format!(
            "progress page: uploaded {}; {unchanged} files are unchanged",
            uploaded.join(", ")
        )
    });
    Ok(())
}
