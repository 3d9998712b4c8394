//! Finds the operation of a request.

use super::super::http::Request;

/// The operation of a request. S3 and API Gateway encode it in method and path.
pub(super) fn operation(request: &Request) -> String {
    if let Some(action) = request.form().get("Action") {
        return action.clone();
    }
    if let Some((_, operation)) = request.target.split_once('.') {
        return operation.to_owned();
    }
    let Request {
        method,
        path,
        query,
        ..
    } = request;
    if path == "/account" {
        return "GetAccount".to_owned();
    }
    let of_object = path.trim_matches('/').contains('/');
    let subresource = query.split(['=', '&']).next().unwrap_or_default();
    match (method.as_str(), of_object, subresource) {
        ("HEAD", true, _) => "HeadObject".to_owned(),
        ("PUT", true, _) => "PutObject".to_owned(),
        ("GET", false, "lifecycle") => "GetBucketLifecycle".to_owned(),
        ("GET", false, _) => "ListObjectVersions".to_owned(),
        ("POST", false, _) => "DeleteObjects".to_owned(),
        ("PUT", false, "" | "x-id") => "CreateBucket".to_owned(),
        ("PUT", false, subresource) => format!("PutBucket:{subresource}"),
        _ => format!("{method} {path}"),
    }
}
