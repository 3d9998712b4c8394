//! Secrets and parameters from the services of `local-aws`, which has the protocols of AWS.

use std::{
    io,
    sync::{Arc, Mutex},
    time::Duration,
};

use aws_config::{BehaviorVersion, Region, SdkConfig, retry::RetryConfig};
use aws_credential_types::{Credentials, provider::SharedCredentialsProvider};
use granted_aws::{Environment, Parameters, SecretError, Secrets};
use local_aws::{Fault, InProcess, LocalStack, Options};
use serde_json::json;
use typed_contract::{function, functions::Trigger, parameter, secret};

secret! {
    /// The key of the billing service.
    ApiKey = "billing/api-key" in "API_KEY"
}

parameter! {
    /// The discount of regular customers, in percent.
    Discount = "/shop/discount" in "DISCOUNT"
}

function! {
    /// Bills orders.
    BillingFunction = "billing" {
        memory_mib: 256,
        timeout_seconds: 10,
        retry_budget_seconds: 0,
        triggers: [Trigger::HttpRoutes],
        grants: {
            ApiKey: [GetSecretValue],
            Discount: [GetParameter],
        },
        settings: [],
    }
}

fn services() -> Arc<InProcess> {
    let services = InProcess::open(&json!({ "Resources": {} }), "shop").expect("the services");
    services.secrets().set("billing/api-key", "sk-1");
    services.secrets().set("/shop/discount", "20");
    Arc::new(services)
}

fn config(services: &Arc<InProcess>) -> SdkConfig {
    let credentials = Credentials::new("billing", services.secret(), None, None, "test");
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::from_static("us-east-1"))
        .endpoint_url("http://127.0.0.1")
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .retry_config(RetryConfig::disabled())
        .http_client(local_aws::sdk_http_client(Arc::clone(services)))
        .build()
}

fn environment() -> Environment<BillingFunction> {
    let names = |variable| match variable {
        "API_KEY" => Some("billing/api-key".to_owned()),
        "DISCOUNT" => Some("/shop/discount".to_owned()),
        _ => None,
    };
    Environment::read(names).expect("all variables")
}

fn secrets(services: &Arc<InProcess>) -> Secrets<BillingFunction> {
    Secrets::new(config(services), &environment())
}

async fn api_key(secrets: &Secrets<BillingFunction>) -> String {
    let secret = secrets.get::<ApiKey>().await.expect("a secret");
    secret.expose().to_owned()
}

fn calls(services: &InProcess, operation: &str) -> u64 {
    services.calls().count(|call| call.operation == operation)
}

#[tokio::test]
async fn secret_is_read_once_and_again_after_it_was_rejected() {
    let services = services();
    let secrets = secrets(&services);
    assert_eq!(api_key(&secrets).await, "sk-1");
    services.secrets().set("billing/api-key", "sk-2");
    let cached = secrets.clone().get::<ApiKey>().await.expect("a secret");
    assert_eq!(cached.expose(), "sk-1");
    assert_eq!(calls(&services, "secretsmanager:GetSecretValue"), 1);
    let rotated = secrets.refresh::<ApiKey>(&cached).await;
    assert_eq!(rotated.expect("a secret").expose(), "sk-2");
    assert_eq!(api_key(&secrets).await, "sk-2");
    assert_eq!(calls(&services, "secretsmanager:GetSecretValue"), 2);
}

#[tokio::test]
async fn time_to_live_of_zero_reads_a_secret_at_each_call() {
    let services = services();
    let secrets = secrets(&services).with_time_to_live(Duration::ZERO);
    assert_eq!(api_key(&secrets).await, "sk-1");
    services.secrets().set("billing/api-key", "sk-2");
    assert_eq!(api_key(&secrets).await, "sk-2");
}

#[tokio::test]
async fn parameter_is_read_by_its_name() {
    let services = services();
    let parameters = Parameters::new(config(&services), &environment());
    let discount = parameters.get::<Discount>().await.expect("a parameter");
    assert_eq!(discount.expose(), "20");
    let is_read =
        |call: &local_aws::Call| call.caller == "billing" && call.resource == "/shop/discount";
    assert_eq!(services.calls().count(is_read), 1);
    services.secrets().remove("/shop/discount");
    let error = parameters.refresh::<Discount>(&discount).await;
    let error = error.expect_err("no parameter");
    assert!(matches!(error, SecretError::NotFound { .. }), "{error}");
}

#[tokio::test]
async fn missing_secret_is_an_error_with_its_name_and_the_next_step() {
    let services = services();
    services.secrets().remove("billing/api-key");
    let error = secrets(&services).get::<ApiKey>().await;
    let error = error.expect_err("no secret");
    assert!(matches!(error, SecretError::NotFound { .. }), "{error}");
    let text = error.to_string();
    assert!(
        text.starts_with("the secret 'billing/api-key' does not exist"),
        "{text}"
    );
    assert!(text.contains("set it with `InProcess::secrets`"), "{text}");
}

#[tokio::test]
async fn faults_of_the_service_are_errors_with_the_name() {
    for (fault, code) in [
        (Fault::Throttle, "ThrottlingException"),
        (Fault::Denied, "AccessDeniedException"),
        (Fault::Outage, "InternalServiceError"),
    ] {
        let services = services();
        services.faults().on_call(move |_| Some(fault));
        let error = secrets(&services).get::<ApiKey>().await;
        let text = error.expect_err("a fault").to_string();
        assert!(
            text.contains("the secret 'billing/api-key' could not be read"),
            "{text}"
        );
        assert!(text.contains(code), "{text}");
    }
}

/// Collects what is logged.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("no panic").extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn values_are_not_logged_at_any_level() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_writer(move || writer.clone())
        .finish();
    let guard = tracing::subscriber::set_default(subscriber);
    // Over the network, as the SDK logs a response's body before it knows that the body is confidential, if the
    // body is in memory by then.
    let mut options = Options::new(json!({ "Resources": {} }), "");
    options.secrets = [
        ("billing/api-key", "a-secret-value"),
        ("/shop/discount", "a-secret-value"),
    ]
    .into_iter()
    .collect();
    let stack = LocalStack::start(options).await.expect("a stack");
    let config = config(&services())
        .into_builder()
        .endpoint_url(&stack.urls().endpoint_url)
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .build();
    let secrets = Secrets::new(&config, &environment());
    let parameters = Parameters::new(&config, &environment());
    let secret = secrets.get::<ApiKey>().await.expect("a secret");
    let parameter = parameters.get::<Discount>().await.expect("a parameter");
    tracing::info!(?secret, ?parameter, ?secrets, ?stack);
    drop(guard);
    let log = log.0.lock().expect("no panic");
    let log = String::from_utf8_lossy(&log);
    assert!(
        log.contains("GetSecretValue"),
        "the SDK's log is captured: {log}"
    );
    assert!(!log.contains("a-secret-value"), "{log}");
}
