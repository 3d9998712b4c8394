//! What this product gives the constructs: the settings of an environment, and its texts.

use cloudformation::{Pseudo, StringValue, Sub, resources::Tags, sub};
use constructs::{
    BucketOptions, CorsOptions, HttpApiOptions, HttpApiRoute, ObjectExpiration, SettingValues,
    StageName, WebSocketApi, WebSocketApiOptions, WebsiteOptions, settings::StackSettings,
};
use stagecast_contract::{
    environment::{
        AllowedOrigins, JobLimitRules, JobRetentionDays, MaxRunningPerOwner, MaxSubscriptions,
        OwnerTokens, WebSocketUrl, Webhooks, WorkerQueues,
    },
    product::{Product, ProductRoutes},
    routes::HttpRoute,
    worker_queues::{DeclaredQueues, OwnerLimit},
};
use typed_contract::{functions::FunctionSpec, routes::HttpRouteSpec};

use crate::environments::Environment;

/// The construct of the hosted progress page. The logical ids of its resources and the names of its outputs
/// begin with it.
pub const PAGE: &str = "Page";

/// The tags of the stack and of all its resources that support tags.
pub fn stack_tags(
    product: &'static str,
    environment: &Environment,
) -> [(&'static str, &'static str); 2] {
    [("Application", product), ("Environment", environment.name)]
}

/// The settings of the product's stack in an environment.
pub fn stack_settings(product: &Product, environment: &Environment) -> StackSettings {
    StackSettings {
        tags: Tags::new(stack_tags(product.name, environment)),
        name_prefix: product.name_prefix.to_owned(),
        name_suffix: environment.name_suffix.clone(),
        log_retention: environment.log_retention,
        log_level: environment.log_level,
        data: environment.data,
        point_in_time_recovery: environment.point_in_time_recovery,
        table_key: environment.table_key,
        alarm_topic: environment.alarm_topic.clone(),
        allowed_origins: environment.allowed_origins.clone(),
        architecture: environment.architecture,
        workspace: "..".to_owned(),
        package_constraint: "`infra-gen deploy` fills it in".to_owned(),
    }
}

/// The bucket's objects expire with the jobs of the environment. S3 counts whole days from midnight, so an
/// object never expires before its job. A job with a shorter retention expires before its objects.
pub(crate) fn bucket(environment: &Environment) -> BucketOptions {
    BucketOptions {
        description: "The name of the bucket with inputs and results".into(),
        expiration: Some(ObjectExpiration {
            rule: "ObjectsGoWithTheirJobs".into(),
            days: environment.job_retention.days(),
        }),
        readable_by_pages: true,
        writable_by_pages: true,
    }
}

/// The WebSocket API with the limits, authorizer and domain of the environment.
pub fn websocket_api(environment: &Environment, stage_name: StageName) -> WebSocketApiOptions {
    WebSocketApiOptions {
        name: sub![Pseudo::StackName, "-websocket"],
        connection_throttling: Some(environment.connection_throttling),
        authorizer: environment.connect_authorizer.clone(),
        domain: environment.websocket_domain.clone(),
        ..WebSocketApiOptions::new(
            "Streams the progress of jobs",
            stage_name,
            environment.websocket_throttling,
        )
    }
}

/// The HTTP API with the limits, authorizer and domain of the environment.
pub(crate) fn http_api(environment: &Environment) -> HttpApiOptions {
    let authorizer = environment.job_authorizer.clone();
    HttpApiOptions {
        name: sub![Pseudo::StackName, "-http"],
        cors: Some(CorsOptions {
            allow_headers: [
                "authorization",
                "content-type",
                "idempotency-key",
                "x-correlation-id",
            ]
            .map(Into::into)
            .into(),
            expose_headers: ["idempotency-replayed", "retry-after", "x-request-id"]
                .map(Into::into)
                .into(),
            max_age_seconds: 300,
        }),
        authorizer: authorizer.map(|authorizer| authorizer.named("jobs")),
        domain: environment.http_domain.clone(),
        ..HttpApiOptions::new(
            "Takes jobs, answers with their status and results",
            environment.http_throttling,
        )
    }
}

/// The routes of the HTTP API that a function serves.
pub(crate) fn http_routes(
    product: &Product,
    function: &FunctionSpec,
    environment: &Environment,
) -> Vec<HttpApiRoute> {
    let system = HttpRoute::of(function).into_iter();
    let system = system.map(|route| http_route(route, environment));
    let own = product.http_routes.iter();
    let own = own.filter(|own| own.function().name == function.name);
    let own = own.flat_map(ProductRoutes::specs);
    system
        .chain(own.map(|spec| product_route(*spec, environment)))
        .collect()
}

/// A route of the product. As job creation, it is open in an environment without an authorizer, such as `dev`.
fn product_route(spec: HttpRouteSpec, environment: &Environment) -> HttpApiRoute {
    HttpApiRoute {
        requires_token: spec.authorizer.is_api() && environment.job_authorizer.is_some(),
        ..HttpApiRoute::from(spec)
    }
}

/// A route of the job system. The routes of a job expect one of its keys in the header that a token would
/// be in, so only job creation can have an authorizer. It is also the only route that needs no key, so it
/// has a limit.
fn http_route(route: HttpRoute, environment: &Environment) -> HttpApiRoute {
    let spec = HttpApiRoute::from(route.spec());
    match route {
        HttpRoute::CreateJob => HttpApiRoute {
            requires_token: environment.job_authorizer.is_some(),
            throttling: Some(environment.job_creation_throttling),
            ..spec
        },
        HttpRoute::ListJobs
        | HttpRoute::GetJob
        | HttpRoute::GetEvents
        | HttpRoute::GetResults
        | HttpRoute::GetArtifact
        | HttpRoute::GetUpload
        | HttpRoute::CompleteUpload
        | HttpRoute::CancelJob
        | HttpRoute::ClaimJob
        | HttpRoute::ClaimFromQueue
        | HttpRoute::ReleaseJob
        | HttpRoute::GetInput
        | HttpRoute::UploadArtifact
        | HttpRoute::PostEvents => spec,
    }
}

/// The hosted progress page, with the domain of the environment.
pub(crate) fn page(environment: &Environment) -> WebsiteOptions {
    WebsiteOptions {
        domain: environment.page_domain.clone(),
        ..WebsiteOptions::new(PAGE, "The progress page")
    }
}

/// The values of the contract's settings for the functions of `product`. `origins` are the stack's allowed origins.
pub fn setting_values(
    product: &Product,
    environment: &Environment,
    websocket: &WebSocketApi,
    origins: &[StringValue],
) -> SettingValues {
    SettingValues::default()
        .with::<WebSocketUrl>(websocket.url())
        .with::<MaxSubscriptions>(environment.max_subscriptions.to_string())
        .with::<JobRetentionDays>(environment.job_retention.to_string())
        .with::<JobLimitRules>(product.limits.to_json())
        .with::<WorkerQueues>(DeclaredQueues::setting(product.worker_queues))
        .with::<MaxRunningPerOwner>(OwnerLimit::setting(environment.max_running_per_owner))
        .with::<OwnerTokens>(environment.token_rules())
        .with::<Webhooks>(environment.webhooks.setting())
        .with::<AllowedOrigins>(joined(origins))
}

/// Texts with commas between them: plain text if all are.
fn joined(texts: &[StringValue]) -> StringValue {
    let literals = texts.iter().map(|text| match text {
        StringValue::Literal(literal) => Some(&**literal),
        StringValue::Ref(_) | StringValue::GetAtt(..) | StringValue::Sub(_) => None,
    });
    if let Some(literals) = literals.collect::<Option<Vec<_>>>() {
        return literals.join(",").into();
    }
    let texts = texts.iter().enumerate();
    StringValue::Sub(texts.fold(Sub::default(), |sub, (index, text)| {
        let separator = if index == 0 { "" } else { "," };
        sub.then(separator).then(text)
    }))
}
