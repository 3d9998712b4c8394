//! JSON texts in the bucket.

use aws_sdk_s3::{operation::get_object::GetObjectOutput, primitives::ByteStream};
use granted_aws::Objects;
use raw_json::RawJson;
use stagecast_contract::buckets;
use typed_contract::{
    functions::Function,
    grants::{GetObject, Granted, PutObject},
};

use super::StoreError;

/// Stores a JSON text under `key`.
pub(super) async fn put<F>(
    objects: &Objects<F>,
    operation: &'static str,
    key: String,
    json: &RawJson,
) -> Result<(), StoreError>
where
    F: Function + Granted<PutObject<buckets::Objects>>,
{
    objects
        .put_object::<buckets::Objects>()
        .key(key)
        .content_type("application/json")
        .body(ByteStream::from(json.get().as_bytes().to_vec()))
        .send()
        .await
        .map_err(StoreError::of_s3(operation))?;
    Ok(())
}

/// The object under `key`, whose body has not been read.
pub(super) async fn open<F>(
    objects: &Objects<F>,
    operation: &'static str,
    key: &str,
) -> Result<GetObjectOutput, StoreError>
where
    F: Function + Granted<GetObject<buckets::Objects>>,
{
    let object = objects.get_object::<buckets::Objects>().key(key).send();
    object.await.map_err(StoreError::of_s3(operation))
}

/// The text of an object.
pub(super) async fn read_body(
    operation: &'static str,
    body: ByteStream,
) -> Result<String, StoreError> {
    let bytes = body.collect().await;
    let bytes = bytes.map_err(|error| StoreError::call(operation)(error.to_string()))?;
    String::from_utf8(bytes.to_vec())
        .map_err(|error| StoreError::call(operation)(error.to_string()))
}

/// The JSON text under `key`.
pub(super) async fn get<F>(
    objects: &Objects<F>,
    operation: &'static str,
    key: &str,
) -> Result<RawJson, StoreError>
where
    F: Function + Granted<GetObject<buckets::Objects>>,
{
    let object = open(objects, operation, key).await?;
    parse(operation, read_body(operation, object.body).await?)
}

/// The JSON of a text that was stored.
pub(super) fn parse(operation: &'static str, json: String) -> Result<RawJson, StoreError> {
    RawJson::from_text(json).map_err(|error| StoreError::call(operation)(error.to_string()))
}
