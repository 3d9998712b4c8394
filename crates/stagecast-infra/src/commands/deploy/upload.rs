//! Uploads the functions' packages to the artifact bucket.

use crate::deploy::{BucketStatus, Package, ParameterValues, Upload, package_parameters};
use console::style;

use super::{context::DeployContext, preflight::DeployTarget};
use crate::commands::{code::format_size, terminal::Terminal};

/// How much of a package's key is shown.
const SHOWN_KEY_LENGTH: usize = 24;

/// Uploads the packages that the bucket does not have, and returns the parameters with their
/// locations.
pub(super) async fn upload(
    context: &DeployContext,
    target: &DeployTarget,
    packages: Vec<Package>,
    terminal: &mut Terminal,
) -> anyhow::Result<ParameterValues> {
    let (session, bucket) = (&context.session, &target.bucket);
    if target.bucket_status == BucketStatus::Missing {
        terminal.start(format!("creating the artifact bucket {}", bucket.name));
        bucket.create(session).await?;
        terminal.done(format!("created the artifact bucket {}", bucket.name));
    }
    let values = package_parameters(bucket, &packages);
    for package in packages {
        let key = package.key();
        let size = format_size(package.bytes.len());
        let function = package.function;
        terminal.start(format!("uploading {function} {size}"));
        let verb = match bucket.upload(session, &key, package.bytes).await? {
            Upload::Uploaded => "uploaded",
            Upload::AlreadyThere => "already uploaded",
        };
        let key = &key[..key.len().min(SHOWN_KEY_LENGTH)];
        terminal.done(format!(
            "{function} {size} {verb} {}",
            style(key).dim().for_stderr()
        ));
    }
    Ok(values)
}
