//! The HTTP API and its routes.

use contract::routes::HttpRoute;
use indexmap::IndexMap;

use super::{
    Function, Stack, SynthError, access_log, authorizer, domain,
    integration::INTEGRATION_TIMEOUT_MILLISECONDS, route_limit,
};
use crate::{
    environments::{Environment, Origin, Throttling},
    resources::{
        apigatewayv2::{
            Api, Authorization, Authorizer, Cors, Integration, IntegrationType, PayloadFormat,
            Protocol, Route, RouteSettings, Stage,
        },
        lambda::{self, Permission, PermittedAction},
    },
    template::{ConstructPath, Handle, Pseudo, StringValue, sub},
};

/// The stage that does not appear in URLs.
const STAGE_NAME: &str = "$default";

/// The HTTP API with its stage. [`Self::add_routes`] adds the routes of each function.
#[derive(Clone, Debug)]
pub struct HttpApi {
    path: ConstructPath,
    api: Handle<Api>,
    stage: Handle<Stage>,
    authorizer: Option<Handle<Authorizer>>,
    custom_domain: Option<String>,
}

impl HttpApi {
    /// Adds the API, its stage, its access log, and the authorizer and domain of the environment.
    pub fn add(stack: &mut Stack) -> Result<Self, SynthError> {
        let path = ConstructPath::root("HttpApi");
        let environment = stack.environment();
        let api = Api {
            name: sub![Pseudo::StackName, "-http"],
            description: "Takes jobs, answers with their status and results".into(),
            protocol: Protocol::Http {
                cors_configuration: Some(cors(&environment.allowed_origins)),
            },
            tags: stack.tags().map(),
        };
        let api = stack.add(&path, api)?;
        let stage = Stage {
            api_id: api.id(),
            stage_name: STAGE_NAME.into(),
            auto_deploy: true,
            access_log_settings: Some(access_log::add(stack, &path, access_log::HTTP_FIELDS)?),
            default_route_settings: RouteSettings {
                detailed_metrics_enabled: true,
                throttling_rate_limit: environment.http_throttling.requests_per_second,
                throttling_burst_limit: environment.http_throttling.burst,
                execution_logs: None,
            },
            route_settings: IndexMap::new(),
            tags: stack.tags().map(),
        };
        let stage = stack.add(&path.child("Stage"), stage)?;
        let authorizer = match &environment.job_authorizer {
            Some(jwt) => Some(authorizer::add_jwt(stack, &path, &api, jwt)?),
            None => None,
        };
        if let Some(custom_domain) = &environment.http_domain {
            domain::add(stack, &path, custom_domain, &api, &stage)?;
        }
        let http = Self {
            path,
            api,
            stage,
            authorizer,
            custom_domain: environment
                .http_domain
                .as_ref()
                .map(|domain| domain.name.as_str().to_owned()),
        };
        stack.add_output("HttpApiUrl", "Where jobs are created", http.url())?;
        stack.add_output("HttpApiId", "The id of the HTTP API", http.id())?;
        Ok(http)
    }

    /// Adds routes that invoke a function.
    pub fn add_routes(
        &self,
        stack: &mut Stack,
        routes: &[HttpRoute],
        function: &Function,
    ) -> Result<(), SynthError> {
        let integration = stack.add(
            &self.path.child(function.spec.name).child("Integration"),
            Integration {
                api_id: self.api.id(),
                integration_type: IntegrationType::AwsProxy,
                integration_uri: lambda::invocation_uri(function.resource.arn()),
                payload_format_version: Some(PayloadFormat::V2),
                timeout_in_millis: INTEGRATION_TIMEOUT_MILLISECONDS,
            },
        )?;
        for route in routes {
            let path = self.path.child(&format!("{route:?}"));
            let resource = stack.add(
                &path.child("Route"),
                Route {
                    api_id: self.api.id(),
                    route_key: route.key(),
                    operation_name: format!("{route:?}"),
                    authorization: self.authorization(*route),
                    target: sub!["integrations/", integration.id()],
                },
            )?;
            if let Some(throttling) = throttling_of(*route, stack.environment()) {
                route_limit::add(stack, &self.stage, &resource, &route.key(), throttling);
            }
            stack.add(
                &path.child("Permission"),
                Permission {
                    action: PermittedAction::InvokeFunction,
                    function_name: function.resource.name(),
                    principal: "apigateway.amazonaws.com".into(),
                    source_arn: self.execute_arn(*route),
                },
            )?;
        }
        Ok(())
    }

    /// The id of the API.
    pub fn id(&self) -> StringValue {
        self.api.id()
    }

    pub(super) fn stage_name(&self) -> StringValue {
        self.stage.name()
    }

    /// The URL to which the paths of routes are appended.
    pub fn url(&self) -> StringValue {
        match &self.custom_domain {
            Some(domain) => format!("https://{domain}").into(),
            None => sub![
                "https://",
                self.api.id(),
                ".execute-api.",
                Pseudo::Region,
                ".",
                Pseudo::UrlSuffix,
            ],
        }
    }

    /// The routes of a job expect one of its keys in the header that a token would be in, so only job
    /// creation can have an authorizer.
    fn authorization(&self, route: HttpRoute) -> Authorization {
        match (route, &self.authorizer) {
            (HttpRoute::CreateJob, Some(authorizer)) => Authorization::Jwt {
                authorizer_id: authorizer.id(),
            },
            (
                HttpRoute::CreateJob
                | HttpRoute::GetJob
                | HttpRoute::GetResults
                | HttpRoute::CancelJob
                | HttpRoute::ClaimJob
                | HttpRoute::GetInput
                | HttpRoute::PostEvents,
                _,
            ) => Authorization::None,
        }
    }

    /// The source ARN of a route's invocations. As in the permissions of AWS's console, it includes all
    /// stages; the API has one.
    fn execute_arn(&self, route: HttpRoute) -> StringValue {
        sub![
            "arn:",
            Pseudo::Partition,
            ":execute-api:",
            Pseudo::Region,
            ":",
            Pseudo::AccountId,
            ":",
            self.api.id(),
            "/*/",
            route.method().name(),
            route.path(),
        ]
    }
}

/// The limit of a route beside the stage's. Only the route that needs no key has one.
fn throttling_of(route: HttpRoute, environment: &Environment) -> Option<Throttling> {
    match route {
        HttpRoute::CreateJob => Some(environment.job_creation_throttling),
        HttpRoute::GetJob
        | HttpRoute::GetResults
        | HttpRoute::CancelJob
        | HttpRoute::ClaimJob
        | HttpRoute::GetInput
        | HttpRoute::PostEvents => None,
    }
}

fn cors(origins: &[Origin]) -> Cors {
    let mut methods: Vec<_> = HttpRoute::ALL
        .iter()
        .map(|route| route.method().name())
        .collect();
    methods.sort_unstable();
    methods.dedup();
    Cors {
        allow_origins: if origins.is_empty() {
            vec!["*".to_owned()]
        } else {
            origins
                .iter()
                .map(|origin| origin.as_str().to_owned())
                .collect()
        },
        allow_methods: methods.into_iter().map(Into::into).collect(),
        allow_headers: ["authorization", "content-type", "x-correlation-id"]
            .map(Into::into)
            .into(),
        expose_headers: vec!["x-request-id".into()],
        max_age: 300,
    }
}
