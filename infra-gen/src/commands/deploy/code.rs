//! Bringing the functions' packages to where CloudFormation reads them.

use console::style;
use infra_gen::deploy::{Package, Presence, Upload, Values, of_packages};

use super::preflight::DeployContext;
use crate::commands::{package::size, terminal::Terminal};

/// Uploads the packages that are not there yet, and returns the parameters that say where they are.
pub(super) async fn upload(
    context: &DeployContext,
    packages: Vec<Package>,
    terminal: &mut Terminal,
) -> anyhow::Result<Values> {
    let (session, bucket) = (&context.session, &context.bucket);
    if context.bucket_is == Presence::Missing {
        terminal.start(format!("making the artifact bucket {}", bucket.name));
        bucket.make(session).await?;
        terminal.done(format!("made the artifact bucket {}", bucket.name));
    }
    let values = of_packages(bucket, &packages);
    for package in packages {
        let key = package.key();
        let what = format!("{} {}", package.function, size(package.bytes.len()));
        terminal.start(format!("uploading {what}"));
        let verb = match bucket.upload(session, &key, package.bytes).await? {
            Upload::Uploaded => "uploaded",
            Upload::AlreadyThere => "is there already",
        };
        terminal.done(format!(
            "{what} {verb} {}",
            style(&key[..key.len().min(24)]).dim().for_stderr()
        ));
    }
    Ok(values)
}
