//! The bucket with the files of the hosted page.

use aws_sdk_s3::primitives::ByteStream;
use cloudformation_deploy::Attempt as _;
use sha2::{Digest, Sha256};

use super::{AwsSession, CallError, CallErrorKind, Upload};

/// The metadata of an object with the hash of its content and headers. An `ETag` is a hash of the content for
/// some kinds of encryption only.
const HASH: &str = "sha256";

/// An object that browsers load.
#[derive(Clone, Copy, Debug)]
pub struct WebObject<'a> {
    /// The path below the address of the website, without a slash at the start.
    pub key: &'a str,
    /// The content.
    pub content: &'a [u8],
    /// The header `Content-Type`.
    pub media_type: &'static str,
    /// The header `Cache-Control`.
    pub cache_control: &'static str,
}

impl WebObject<'_> {
    fn hash(&self) -> String {
        let hash = Sha256::new()
            .chain_update(self.media_type)
            .chain_update("\n")
            .chain_update(self.cache_control)
            .chain_update("\n")
            .chain_update(self.content);
        format!("{:x}", hash.finalize())
    }

    /// Uploads the object to `bucket`, unless the bucket has an equal one.
    pub async fn upload(&self, session: &AwsSession, bucket: &str) -> Result<Upload, CallError> {
        let (key, hash) = (self.key, self.hash());
        let request = session.s3.head_object().bucket(bucket).key(key);
        let there = request.send().await;
        match there.attempt(|| format!("look for '{key}' in the bucket '{bucket}'")) {
            Ok(object) => {
                let metadata = object.metadata.unwrap_or_default();
                if metadata.get(HASH) == Some(&hash) {
                    return Ok(Upload::AlreadyThere);
                }
            }
            // Without s3:ListBucket, S3 answers 403 for a missing object.
            Err(error) if error.is("NotFound") || error.kind == CallErrorKind::Denied => {}
            // The answer to HEAD has no body that would name the error. That to the upload has one.
            Err(error) if error.is("HTTP 400") => {}
            Err(error) => return Err(error),
        }
        let request = session.s3.put_object();
        request
            .bucket(bucket)
            .key(key)
            .content_type(self.media_type)
            .cache_control(self.cache_control)
            .metadata(HASH, hash)
            .body(ByteStream::from(self.content.to_vec()))
            .send()
            .await
            .attempt(|| format!("upload '{key}' to the bucket '{bucket}'"))?;
        Ok(Upload::Uploaded)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hash_depends_on_content_and_headers() {
        let object = WebObject {
            key: "page.js",
            content: b"1",
            media_type: "text/javascript",
            cache_control: "no-cache",
        };
        let others = [
            WebObject {
                content: b"2",
                ..object
            },
            WebObject {
                media_type: "text/plain",
                ..object
            },
            WebObject {
                cache_control: "max-age=60",
                ..object
            },
        ];
        for other in others {
            assert_ne!(other.hash(), object.hash(), "{other:?}");
        }
    }
}
