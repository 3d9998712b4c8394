//! The objects of S3: those of `s3s-fs`, with multipart uploads as S3 has them, and uploads that are verified
//! before they replace an object.
//!
//! `s3s-fs` lists parts without their `ETags`, removes an upload before it has read its parts, writes an
//! object before it compares its checksum, and ignores the headers that a request asks for. Here a multipart upload is a folder with a file for each part.
//! Nothing is held in memory: bodies and parts go through files.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    io,
    path::{Path, PathBuf},
};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use bytes::Bytes;
use futures_util::{Stream, StreamExt as _, stream};
use ring::digest;
use s3s::{
    S3, S3Request, S3Response, S3Result,
    dto::{
        AbortMultipartUploadInput, AbortMultipartUploadOutput, CompleteMultipartUploadInput,
        CompleteMultipartUploadOutput, CopyObjectInput, CopyObjectOutput,
        CreateMultipartUploadInput, CreateMultipartUploadOutput, DeleteObjectInput,
        DeleteObjectOutput, DeleteObjectsInput, DeleteObjectsOutput, ETag, GetBucketLocationInput,
        GetBucketLocationOutput, GetObjectInput, GetObjectOutput, HeadBucketInput,
        HeadBucketOutput, HeadObjectInput, HeadObjectOutput, ListBucketsInput, ListBucketsOutput,
        ListObjectsInput, ListObjectsOutput, ListObjectsV2Input, ListObjectsV2Output,
        ListPartsInput, ListPartsOutput, Part, PutObjectInput, PutObjectOutput, StreamingBlob,
        Timestamp, UploadPartInput, UploadPartOutput,
    },
    s3_error,
};
use s3s_fs::FileSystem;
use serde::{Deserialize, Serialize};
use tokio::{
    fs,
    io::{AsyncReadExt as _, AsyncWriteExt as _},
};

use crate::ids;

/// Smallest part of a multipart upload except the last one, in bytes: S3's limit.
const MIN_PART_BYTES: u64 = 5 * 1024 * 1024;

/// Largest number of a part: S3's limit.
const MAX_PART_NUMBER: i32 = 10_000;

/// The number of parts in a page of `ListParts`: S3's limit.
const PAGE_PARTS: usize = 1000;

/// Bytes of a file that are read at once.
const CHUNK_BYTES: usize = 256 * 1024;

/// The name of the file with an [`Upload`] in its folder.
const UPLOAD_FILE: &str = "upload.json";

/// Buckets whose objects are files.
#[derive(Debug)]
pub(crate) struct Objects {
    files: FileSystem,
    /// The folder of the multipart uploads and of bodies that are being received.
    uploads: PathBuf,
}

/// A multipart upload.
#[derive(Debug, Serialize, Deserialize)]
struct Upload {
    bucket: String,
    key: String,
    content_type: Option<String>,
}

/// A part in the folder of its upload. Its file's name contains its number and its `ETag`.
#[derive(Debug)]
struct StoredPart {
    path: PathBuf,
    etag: String,
    size: u64,
    modified: std::time::SystemTime,
}

/// What a body has to be.
#[derive(Debug, Default)]
struct Expected {
    size: Option<u64>,
    /// In base64.
    sha256: Option<String>,
}

impl Objects {
    /// Objects in `files`; `uploads` is an existing folder.
    pub(crate) fn new(files: FileSystem, uploads: PathBuf) -> Self {
        Self { files, uploads }
    }

    /// The folder of an upload and the upload. The error of S3 if there is none.
    async fn upload(
        &self,
        upload_id: &str,
        bucket: &str,
        key: &str,
    ) -> S3Result<(PathBuf, Upload)> {
        let is_id = !upload_id.is_empty() && upload_id.bytes().all(|it| it.is_ascii_hexdigit());
        let no_such_upload = || s3_error!(NoSuchUpload);
        if !is_id {
            return Err(no_such_upload());
        }
        let folder = self.uploads.join(upload_id);
        let text = match fs::read(folder.join(UPLOAD_FILE)).await {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(no_such_upload()),
            text => text.map_err(internal)?,
        };
        let upload: Upload = serde_json::from_slice(&text).map_err(internal)?;
        if upload.bucket != bucket || upload.key != key {
            return Err(no_such_upload());
        }
        Ok((folder, upload))
    }

    /// Receives a body into a new file of `folder`. Returns the file and the body's MD5.
    async fn receive(
        folder: &Path,
        body: Option<StreamingBlob>,
        expected: &Expected,
    ) -> S3Result<(TemporaryFile, String)> {
        let file = TemporaryFile(folder.join(format!("{}.receiving", ids::token())));
        let mut writer = fs::File::create(&file.0).await.map_err(internal)?;
        let (mut size, mut md5) = (0_u64, md5::Context::new());
        let mut sha256 = expected
            .sha256
            .as_ref()
            .map(|_| digest::Context::new(&digest::SHA256));
        let mut body = body.unwrap_or_else(|| StreamingBlob::from(s3s::Body::empty()));
        while let Some(bytes) = body.next().await {
            let bytes = bytes.map_err(|error| {
                tracing::debug!("a body was interrupted: {error}");
                s3_error!(IncompleteBody)
            })?;
            size += bytes.len() as u64;
            md5.consume(&bytes);
            if let Some(sha256) = &mut sha256 {
                sha256.update(&bytes);
            }
            writer.write_all(&bytes).await.map_err(internal)?;
        }
        writer.flush().await.map_err(internal)?;
        if expected.size.is_some_and(|expected| expected != size) {
            return Err(s3_error!(IncompleteBody));
        }
        let sha256 = sha256.map(|sha256| BASE64_STANDARD.encode(sha256.finish()));
        if sha256 != expected.sha256 {
            return Err(s3_error!(
                BadDigest,
                "The SHA256 you specified did not match the calculated checksum."
            ));
        }
        Ok((file, format!("{:x}", md5.compute())))
    }
}

/// A file that is deleted on drop, unless it was moved.
struct TemporaryFile(PathBuf);

impl Drop for TemporaryFile {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// The latest file of each part in the folder of an upload.
async fn parts(folder: &Path) -> S3Result<BTreeMap<i32, StoredPart>> {
    let mut parts: BTreeMap<i32, StoredPart> = BTreeMap::new();
    let mut entries = fs::read_dir(folder).await.map_err(internal)?;
    while let Some(entry) = entries.next_entry().await.map_err(internal)? {
        let name = entry.file_name();
        let name = name.to_str().and_then(|name| name.strip_suffix(".part"));
        let Some((number, etag)) = name.and_then(|name| name.split_once('-')) else {
            continue;
        };
        let Ok(number) = number.parse() else { continue };
        let Ok(metadata) = entry.metadata().await else {
            // Another request has replaced it.
            continue;
        };
        let part = StoredPart {
            path: entry.path(),
            etag: etag.to_owned(),
            size: metadata.len(),
            modified: metadata.modified().map_err(internal)?,
        };
        let is_later = parts
            .get(&number)
            .is_none_or(|known| known.modified <= part.modified);
        if is_later {
            parts.insert(number, part);
        }
    }
    Ok(parts)
}

/// The bytes of some files, one after another.
fn contents(files: Vec<PathBuf>) -> impl Stream<Item = io::Result<Bytes>> + Send + Sync + 'static {
    let files = files.into_iter();
    stream::try_unfold((files, None::<fs::File>), async |(mut files, mut open)| {
        loop {
            let mut file = match open.take() {
                Some(file) => file,
                None => match files.next() {
                    Some(path) => fs::File::open(path).await?,
                    None => return Ok(None),
                },
            };
            let mut bytes = vec![0; CHUNK_BYTES];
            let read = file.read(&mut bytes).await?;
            if read > 0 {
                bytes.truncate(read);
                return Ok(Some((Bytes::from(bytes), (files, Some(file)))));
            }
        }
    })
}

fn internal(error: impl std::fmt::Display) -> s3s::S3Error {
    s3_error!(InternalError, "{error}")
}

/// The size that the request announces. A body in signed chunks has another one.
fn announced_size<T>(request: &S3Request<T>, content_length: Option<i64>) -> Option<u64> {
    let is_chunked = request.headers.contains_key("x-amz-decoded-content-length");
    let size = content_length.filter(|_| !is_chunked)?;
    u64::try_from(size).ok()
}

/// Operations that `s3s-fs` serves.
macro_rules! served_by_files {
    ($($operation:ident: $input:ident => $output:ident,)*) => {
        #[async_trait::async_trait]
        impl S3 for Objects {
            $(
                async fn $operation(
                    &self,
                    request: S3Request<$input>,
                ) -> S3Result<S3Response<$output>> {
                    self.files.$operation(request).await
                }
            )*

            async fn put_object(
                &self,
                request: S3Request<PutObjectInput>,
            ) -> S3Result<S3Response<PutObjectOutput>> {
                self.put(request).await
            }

            async fn get_object(
                &self,
                request: S3Request<GetObjectInput>,
            ) -> S3Result<S3Response<GetObjectOutput>> {
                self.get(request).await
            }

            async fn create_multipart_upload(
                &self,
                request: S3Request<CreateMultipartUploadInput>,
            ) -> S3Result<S3Response<CreateMultipartUploadOutput>> {
                self.create_upload(request.input).await
            }

            async fn upload_part(
                &self,
                request: S3Request<UploadPartInput>,
            ) -> S3Result<S3Response<UploadPartOutput>> {
                self.put_part(request).await
            }

            async fn list_parts(
                &self,
                request: S3Request<ListPartsInput>,
            ) -> S3Result<S3Response<ListPartsOutput>> {
                self.list(request.input).await
            }

            async fn complete_multipart_upload(
                &self,
                request: S3Request<CompleteMultipartUploadInput>,
            ) -> S3Result<S3Response<CompleteMultipartUploadOutput>> {
                self.complete(request).await
            }

            async fn abort_multipart_upload(
                &self,
                request: S3Request<AbortMultipartUploadInput>,
            ) -> S3Result<S3Response<AbortMultipartUploadOutput>> {
                let input = request.input;
                let (folder, _) = self
                    .upload(&input.upload_id, &input.bucket, &input.key)
                    .await?;
                fs::remove_dir_all(folder).await.map_err(internal)?;
                Ok(S3Response::new(AbortMultipartUploadOutput::default()))
            }
        }
    };
}

served_by_files! {
    copy_object: CopyObjectInput => CopyObjectOutput,
    delete_object: DeleteObjectInput => DeleteObjectOutput,
    delete_objects: DeleteObjectsInput => DeleteObjectsOutput,
    get_bucket_location: GetBucketLocationInput => GetBucketLocationOutput,
    head_bucket: HeadBucketInput => HeadBucketOutput,
    head_object: HeadObjectInput => HeadObjectOutput,
    list_buckets: ListBucketsInput => ListBucketsOutput,
    list_objects: ListObjectsInput => ListObjectsOutput,
    list_objects_v2: ListObjectsV2Input => ListObjectsV2Output,
}

impl Objects {
    async fn put(
        &self,
        mut request: S3Request<PutObjectInput>,
    ) -> S3Result<S3Response<PutObjectOutput>> {
        let expected = Expected {
            size: announced_size(&request, request.input.content_length),
            sha256: request.input.checksum_sha256.clone(),
        };
        let body = request.input.body.take();
        let (file, _) = Self::receive(&self.uploads, body, &expected).await?;
        let received = contents(vec![file.0.clone()]);
        request.input.body = Some(StreamingBlob::wrap(received));
        self.files.put_object(request).await
    }

    /// Reads an object, with the headers that the request asks for in place of the object's.
    async fn get(
        &self,
        request: S3Request<GetObjectInput>,
    ) -> S3Result<S3Response<GetObjectOutput>> {
        let content_type = request.input.response_content_type.clone();
        let disposition = request.input.response_content_disposition.clone();
        let mut response = self.files.get_object(request).await?;
        let output = &mut response.output;
        if let Some(content_type) = content_type {
            output.content_type = Some(content_type);
        }
        output.content_disposition = disposition.or(output.content_disposition.take());
        Ok(response)
    }

    async fn create_upload(
        &self,
        input: CreateMultipartUploadInput,
    ) -> S3Result<S3Response<CreateMultipartUploadOutput>> {
        let upload_id = ids::token();
        let folder = self.uploads.join(&upload_id);
        let upload = Upload {
            bucket: input.bucket.clone(),
            key: input.key.clone(),
            content_type: input.content_type,
        };
        fs::create_dir(&folder).await.map_err(internal)?;
        let text = serde_json::to_vec(&upload).map_err(internal)?;
        fs::write(folder.join(UPLOAD_FILE), text)
            .await
            .map_err(internal)?;
        Ok(S3Response::new(CreateMultipartUploadOutput {
            bucket: Some(input.bucket),
            key: Some(input.key),
            upload_id: Some(upload_id),
            ..CreateMultipartUploadOutput::default()
        }))
    }

    async fn put_part(
        &self,
        mut request: S3Request<UploadPartInput>,
    ) -> S3Result<S3Response<UploadPartOutput>> {
        let expected = Expected {
            size: announced_size(&request, request.input.content_length),
            sha256: request.input.checksum_sha256.clone(),
        };
        let input = &mut request.input;
        let number = input.part_number;
        if !(1..=MAX_PART_NUMBER).contains(&number) {
            return Err(s3_error!(
                InvalidArgument,
                "Part number must be an integer between 1 and 10000, inclusive"
            ));
        }
        let (folder, _) = self
            .upload(&input.upload_id, &input.bucket, &input.key)
            .await?;
        let (file, md5) = Self::receive(&folder, input.body.take(), &expected).await?;
        let mut name = String::new();
        let _ = write!(name, "{number:05}-{md5}.part");
        let path = folder.join(name);
        // The upload may have been completed or aborted meanwhile.
        fs::rename(&file.0, &path)
            .await
            .map_err(|_| s3_error!(NoSuchUpload))?;
        let mut entries = fs::read_dir(&folder).await.map_err(internal)?;
        let prefix = format!("{number:05}-");
        while let Some(entry) = entries.next_entry().await.map_err(internal)? {
            let is_of_part = entry.file_name().to_string_lossy().starts_with(&prefix);
            if is_of_part && entry.path() != path {
                let _ = fs::remove_file(entry.path()).await;
            }
        }
        Ok(S3Response::new(UploadPartOutput {
            e_tag: Some(ETag::Strong(md5)),
            ..UploadPartOutput::default()
        }))
    }

    async fn list(&self, input: ListPartsInput) -> S3Result<S3Response<ListPartsOutput>> {
        let (folder, _) = self
            .upload(&input.upload_id, &input.bucket, &input.key)
            .await?;
        let marker = input.part_number_marker.unwrap_or(0);
        let page = input.max_parts.and_then(|it| usize::try_from(it).ok());
        let page = page.unwrap_or(PAGE_PARTS).min(PAGE_PARTS);
        let mut later = parts(&folder).await?.split_off(&(marker + 1)).into_iter();
        let listed: Vec<Part> = (&mut later)
            .take(page)
            .map(|(number, part)| Part {
                part_number: Some(number),
                e_tag: Some(ETag::Strong(part.etag)),
                size: i64::try_from(part.size).ok(),
                last_modified: Some(Timestamp::from(part.modified)),
                ..Part::default()
            })
            .collect();
        let is_truncated = later.next().is_some();
        Ok(S3Response::new(ListPartsOutput {
            bucket: Some(input.bucket),
            key: Some(input.key),
            upload_id: Some(input.upload_id),
            is_truncated: Some(is_truncated),
            max_parts: i32::try_from(page).ok(),
            part_number_marker: Some(marker),
            next_part_number_marker: listed.last().and_then(|last| last.part_number),
            parts: Some(listed),
            ..ListPartsOutput::default()
        }))
    }

    async fn complete(
        &self,
        request: S3Request<CompleteMultipartUploadInput>,
    ) -> S3Result<S3Response<CompleteMultipartUploadOutput>> {
        let input = &request.input;
        let (folder, upload) = self
            .upload(&input.upload_id, &input.bucket, &input.key)
            .await?;
        let mut there = parts(&folder).await?;
        let named = input.multipart_upload.as_ref();
        let named = named.and_then(|it| it.parts.clone()).unwrap_or_default();
        let (mut files, mut last, count) = (Vec::new(), 0, named.len());
        for (index, part) in named.into_iter().enumerate() {
            let number = part.part_number.unwrap_or(0);
            if number <= last {
                return Err(s3_error!(InvalidPartOrder));
            }
            last = number;
            let stored = there.remove(&number);
            let is_named = |stored: &StoredPart| {
                let etag = part.e_tag.as_ref().map(ETag::value);
                etag == Some(stored.etag.as_str())
            };
            let Some(stored) = stored.filter(is_named) else {
                return Err(s3_error!(InvalidPart));
            };
            if stored.size < MIN_PART_BYTES && index + 1 < count {
                return Err(s3_error!(EntityTooSmall));
            }
            files.push(stored.path);
        }
        if files.is_empty() {
            return Err(s3_error!(MalformedXML));
        }
        let content_type = match upload.content_type {
            Some(text) => Some(text.parse().map_err(internal)?),
            None => None,
        };
        let put = request.map_input(|input| PutObjectInput {
            bucket: input.bucket,
            key: input.key,
            if_none_match: input.if_none_match,
            if_match: input.if_match,
            content_type,
            body: Some(StreamingBlob::wrap(contents(files))),
            ..PutObjectInput::default()
        });
        let put_location = (put.input.bucket.clone(), put.input.key.clone());
        let stored = self.files.put_object(put).await?;
        // An overlapping request may have removed it.
        let _ = fs::remove_dir_all(folder).await;
        let (bucket, key) = put_location;
        Ok(S3Response::new(CompleteMultipartUploadOutput {
            bucket: Some(bucket),
            key: Some(key),
            e_tag: stored.output.e_tag,
            ..CompleteMultipartUploadOutput::default()
        }))
    }
}
