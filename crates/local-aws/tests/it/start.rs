//! Starting a stack, and the errors on start.

use http::{Method, StatusCode};
use local_aws::{LocalStack, StartError};
use serde_json::json;

use crate::harness::{Socket, eventually, get, options, send, start, start_with};

#[tokio::test]
async fn outputs_and_environments_have_local_addresses() {
    let stack = start().await;
    let urls = stack.urls();
    assert_eq!(stack.outputs()["HttpUrl"], urls.http_api);
    assert_eq!(stack.outputs()["WebSocketUrl"], urls.websocket);
    let answer = get(&format!("{}/v1/echo/environment", urls.http_api)).await;
    let environment = answer.json();
    assert_eq!(environment["WEBSOCKET_URL"], *urls.websocket);
    assert_eq!(environment["ITEMS_TABLE"], "items");
    assert_eq!(environment["AWS_LAMBDA_FUNCTION_NAME"], "shop-echo");
    assert_eq!(environment["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"], "256");
    assert_eq!(environment["AWS_ENDPOINT_URL"], *urls.endpoint_url);
    assert_eq!(environment.get("ONLY_WITH_SUFFIX"), None);
    assert_eq!(
        environment.get("HOME"),
        None,
        "functions do not inherit the developer's variables"
    );
}

#[tokio::test]
async fn parameters_reach_names_and_conditions() {
    let mut options = options();
    options
        .parameters
        .insert("NameSuffix".to_owned(), "-blue".to_owned());
    let stack = start_with(options).await;
    let answer = get(&format!("{}/v1/echo/environment", stack.urls().http_api)).await;
    assert_eq!(answer.json()["ITEMS_TABLE"], "items-blue");
    assert_eq!(answer.json()["ONLY_WITH_SUFFIX"], "yes");
}

#[tokio::test]
async fn stack_name_is_part_of_generated_names() {
    let mut options = options();
    options.stack_name = "Shop".to_owned();
    options.template["Outputs"]["Stack"] = json!({"Value": {"Ref": "AWS::StackName"}});
    options.template["Outputs"]["Bucket"] = json!({"Value": {"Ref": "Objects"}});
    let stack = start_with(options).await;
    assert_eq!(stack.outputs()["Stack"], "Shop");
    assert_eq!(stack.outputs()["Bucket"], "shop-objects");
}

#[tokio::test]
async fn unsupported_resource_type_is_named_in_a_warning() {
    let stack = start().await;
    assert_eq!(
        stack.warnings(),
        ["Reminder (AWS::Events::Rule) does not run locally"]
    );
}

#[tokio::test]
async fn port_in_use_error_names_the_next_step() {
    let stack = start().await;
    let port = stack.urls().http_api.rsplit_once(':').expect("a port").1;
    let mut second = options();
    second.port = port.parse().expect("a number");
    let error = LocalStack::start(second)
        .await
        .expect_err("the port is taken");
    assert_eq!(
        error.to_string(),
        format!(
            "port {port} is in use: stop the process that listens there, or choose another with \
             `Options::port`"
        )
    );
}

#[tokio::test]
async fn missing_executable_is_named_before_anything_starts() {
    let mut options = options();
    options.binaries = "/nowhere".into();
    let error = LocalStack::start(options).await.expect_err("no executable");
    assert!(matches!(error, StartError::NoExecutable { function, .. } if function == "echo"));
}

#[tokio::test]
async fn unresolved_reference_is_named() {
    let mut options = options();
    options.template["Resources"]["EchoRoute"]["Properties"]["Target"] =
        json!({"Fn::Sub": "integrations/${Elsewhere}"});
    let error = LocalStack::start(options)
        .await
        .expect_err("no such resource");
    assert_eq!(
        error.to_string(),
        "'Elsewhere' is neither a parameter, a resource nor a condition of the template"
    );
}

#[tokio::test]
async fn template_with_a_transform_is_rejected() {
    let mut options = options();
    options.template["Transform"] = "AWS::Serverless-2016-10-31".into();
    let error = LocalStack::start(options).await.expect_err("a transform");
    assert!(error.to_string().contains("--template-stage Processed"));
}

#[tokio::test]
async fn shutdown_closes_connections_and_ends_every_process() {
    let stack = start().await;
    let mut socket = Socket::open(&stack.urls().websocket).await;
    socket.id().await;
    stack.shutdown().await;
    assert_eq!(
        socket
            .close_frame()
            .await
            .map(|frame| u16::from(frame.code)),
        Some(1001)
    );
}

#[tokio::test]
async fn second_stack_on_a_data_dir_is_rejected() {
    let folder = tempfile::tempdir().expect("a folder");
    let on_folder = || {
        let mut options = options();
        options.data_dir = Some(folder.path().to_owned());
        options
    };
    let first = start_with(on_folder()).await;
    let error = LocalStack::start(on_folder())
        .await
        .expect_err("the folder is in use");
    assert!(matches!(error, StartError::FolderInUse { .. }), "{error}");
    first.shutdown().await;
    start_with(on_folder()).await;
}

#[tokio::test]
async fn every_endpoint_rejects_an_unknown_host() {
    let stack = start().await;
    let urls = stack.urls();
    let signed = ("authorization", "AWS4-HMAC-SHA256 Credential=x/y");
    let target = ("x-amz-target", "DynamoDB_20120810.ListTables");
    let paths: [(&str, Option<(&str, &str)>); 7] = [
        ("/", None),
        ("/page", None),
        ("/v1/echo/a", None),
        ("/live", None),
        ("/live/@connections/a", None),
        ("/bucket/key", Some(signed)),
        ("/", Some(target)),
    ];
    for (path, header) in paths {
        let mut headers = vec![("host", "evil.example:4800")];
        headers.extend(header);
        let url = format!("{}{path}", urls.http_api);
        let answer = send(Method::POST, &url, &headers, "{}").await;
        assert_eq!(answer.status, StatusCode::MISDIRECTED_REQUEST, "{path}");
        let message = answer.json()["message"].to_string();
        assert!(message.contains("'evil.example'"), "{path}: {message}");
        assert!(
            message.contains("`Options::allowed_hosts`"),
            "{path}: {message}"
        );
    }
}

#[tokio::test]
async fn allowed_host_is_accepted() {
    let mut options = options();
    options.allowed_hosts = vec!["stack.example".to_owned()];
    let stack = start_with(options).await;
    let url = format!("{}/v1/echo/a", stack.urls().http_api);
    let headers = [("host", "stack.example")];
    let answer = send(Method::GET, &url, &headers, "").await;
    assert_eq!(answer.status, StatusCode::OK);
}

#[tokio::test]
async fn busy_functions_are_counted() {
    let stack = start().await;
    assert!(stack.busy_functions().is_empty());
    let url = format!("{}/v1/echo/sleep", stack.urls().http_api);
    let asleep = tokio::spawn(async move { get(&url).await.status });
    eventually(|| (stack.busy_functions().get("echo") == Some(&1)).then_some(())).await;
    asleep.abort();
    stack.kill("echo");
    eventually(|| stack.busy_functions().is_empty().then_some(())).await;
}
