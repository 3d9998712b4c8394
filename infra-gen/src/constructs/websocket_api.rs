//! The WebSocket API without its routes.

use indexmap::IndexMap;
use typed_contract::routes::ROUTE_SELECTION_EXPRESSION;

use super::{Stack, StageName, SynthError, access_log, authorizer, domain};
use crate::{
    resources::apigatewayv2::{
        Api, Authorizer, ExecutionLogs, LoggingLevel, Protocol, RouteSettings, Stage,
    },
    template::{ConstructPath, Handle, Pseudo, StringValue, sub},
};

/// The WebSocket API with its stage. [`Self::add_routes`] adds the routes of a function.
#[derive(Clone, Debug)]
pub struct WebSocketApi {
    pub(super) path: ConstructPath,
    pub(super) api: Handle<Api>,
    pub(super) stage: Handle<Stage>,
    stage_name: StageName,
    pub(super) authorizer: Option<Handle<Authorizer>>,
    custom_domain: Option<String>,
}

impl WebSocketApi {
    /// Adds the API, its stage, its access log, and the authorizer and domain of the environment.
    pub fn add(stack: &mut Stack, stage_name: StageName) -> Result<Self, SynthError> {
        let path = ConstructPath::root("WebSocketApi");
        let api = Api {
            name: sub![Pseudo::StackName, "-websocket"],
            description: "Streams the progress of jobs".into(),
            protocol: Protocol::WebSocket {
                route_selection_expression: ROUTE_SELECTION_EXPRESSION.into(),
            },
            tags: stack.tags().map(),
        };
        let api = stack.add(&path, api)?;
        let throttling = stack.environment().websocket_throttling;
        let stage = Stage {
            api_id: api.id(),
            stage_name: stage_name.as_str().into(),
            auto_deploy: true,
            access_log_settings: Some(access_log::add(stack, &path, access_log::WEBSOCKET_FIELDS)?),
            default_route_settings: RouteSettings {
                detailed_metrics_enabled: true,
                throttling_rate_limit: throttling.requests_per_second,
                throttling_burst_limit: throttling.burst,
                // Messages may contain a job's key, so they are not logged.
                execution_logs: Some(ExecutionLogs {
                    logging_level: LoggingLevel::Error,
                    data_trace_enabled: false,
                }),
            },
            route_settings: IndexMap::new(),
            tags: stack.tags().map(),
        };
        let stage = stack.add(&path.child("Stage"), stage)?;
        let authorizer = match &stack.environment().connect_authorizer {
            Some(connect) => Some(authorizer::add_request(stack, &path, &api, connect)?),
            None => None,
        };
        let custom_domain = stack.environment().websocket_domain.as_ref();
        if let Some(custom_domain) = custom_domain {
            domain::add(stack, &path, custom_domain, &api, &stage)?;
        }
        let websocket = Self {
            path,
            api,
            stage,
            stage_name,
            authorizer,
            custom_domain: custom_domain.map(|domain| domain.name.as_str().to_owned()),
        };
        stack.add_output("WebSocketUrl", "Where clients connect", websocket.url())?;
        stack.add_output(
            "WebSocketApiId",
            "The id of the WebSocket API",
            websocket.id(),
        )?;
        stack.add_output(
            "StageName",
            "The stage of the WebSocket API",
            websocket.stage_name(),
        )?;
        Ok(websocket)
    }

    /// The id of the API.
    pub fn id(&self) -> StringValue {
        self.api.id()
    }

    /// The name of the stage, as a reference to it.
    pub fn stage_name(&self) -> StringValue {
        self.stage.name()
    }

    /// The name of the stage as text, where a reference would be a circular dependency.
    pub fn literal_stage_name(&self) -> StringValue {
        self.stage_name.as_str().into()
    }

    /// The URL for clients.
    pub fn url(&self) -> StringValue {
        self.address("wss://")
    }

    /// The endpoint of `@connections`. A custom domain is mapped to the stage, so its path has no stage.
    pub fn endpoint(&self) -> StringValue {
        self.address("https://")
    }

    fn address(&self, scheme: &'static str) -> StringValue {
        match &self.custom_domain {
            Some(domain) => format!("{scheme}{domain}").into(),
            None => sub![
                scheme,
                self.api.id(),
                ".execute-api.",
                Pseudo::Region,
                ".",
                Pseudo::UrlSuffix,
                "/",
                self.stage_name.as_str(),
            ],
        }
    }

    /// The ARN of `@connections` for one HTTP method.
    pub(super) fn connections_arn(&self, method: &'static str) -> StringValue {
        self.execute_arn(&format!("{method}/@connections/*"))
    }

    pub(super) fn execute_arn(&self, resource: &str) -> StringValue {
        sub![
            "arn:",
            Pseudo::Partition,
            ":execute-api:",
            Pseudo::Region,
            ":",
            Pseudo::AccountId,
            ":",
            self.api.id(),
            "/",
            self.stage_name.as_str(),
            "/",
            resource.to_owned(),
        ]
    }
}
