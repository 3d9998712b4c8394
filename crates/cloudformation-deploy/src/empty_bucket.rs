//! Empties a bucket: CloudFormation deletes empty buckets only.

use aws_sdk_s3::types::{Delete, ObjectIdentifier};

use crate::{CallError, call_error::Attempt as _};

/// Deletes all versions of all objects in a bucket and returns their number. A bucket that does not
/// exist counts as empty.
pub async fn empty_bucket(s3: &aws_sdk_s3::Client, bucket: &str) -> Result<usize, CallError> {
    let mut count = 0;
    loop {
        let request = s3.list_object_versions().bucket(bucket);
        let page = request.send().await;
        let page = match page.attempt(|| format!("list the objects of the bucket {bucket}")) {
            Ok(page) => page,
            Err(error) if error.is("NoSuchBucket") => return Ok(count),
            Err(error) => return Err(error),
        };
        let versions = page.versions.unwrap_or_default().into_iter();
        let versions = versions.map(|version| (version.key, version.version_id));
        let markers = page.delete_markers.unwrap_or_default().into_iter();
        let markers = markers.map(|marker| (marker.key, marker.version_id));
        let objects: Vec<_> = versions
            .chain(markers)
            .filter_map(|(key, version)| {
                let object = ObjectIdentifier::builder()
                    .key(key?)
                    .set_version_id(version);
                object.build().ok()
            })
            .collect();
        if objects.is_empty() {
            return Ok(count);
        }
        count += objects.len();
        let delete = Delete::builder()
            .set_objects(Some(objects))
            .quiet(true)
            .build();
        let Ok(delete) = delete else {
            return Ok(count);
        };
        let request = s3.delete_objects().bucket(bucket).delete(delete);
        let answer = request.send().await;
        let answer = answer.attempt(|| format!("delete the objects of the bucket {bucket}"))?;
        if let Some(error) = answer.errors.unwrap_or_default().first() {
            return Err(CallError::refused(
                format!("delete the objects of the bucket {bucket}"),
                error.code.as_deref(),
                error.message.as_deref(),
            ));
        }
    }
}
