//! A WebSocket API with its stage.

use std::borrow::Cow;

use cloudformation::{
    ConstructPath, Handle, Pseudo, StringValue,
    resources::apigatewayv2::{
        Api, Authorizer, ExecutionLogs, LoggingLevel, Protocol, RouteSettings, Stage,
    },
    sub,
};
use indexmap::IndexMap;
use typed_contract::routes::ROUTE_SELECTION_EXPRESSION;

use crate::{
    access_log, authorizer, domain,
    error::SynthError,
    settings::{ConnectAuthorizer, CustomDomain, Throttling},
    stack::Stack,
    stage_name::StageName,
};

/// The options of a [`WebSocketApi`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebSocketApiOptions {
    /// The construct's name, with which the logical ids begin: `WebSocketApi`.
    pub construct: &'static str,
    /// The API's name in the console. Default: the stack's name and `-websocket`.
    pub name: StringValue,
    /// The purpose, up to 1,024 characters.
    pub description: Cow<'static, str>,
    /// The stage, which is part of the URL.
    pub stage_name: StageName,
    /// The limit of messages.
    pub throttling: Throttling,
    /// The limit of new connections, if it is not that of messages.
    pub connection_throttling: Option<Throttling>,
    /// The authorizer of `$connect`. None: every client can connect.
    pub authorizer: Option<ConnectAuthorizer>,
    /// The custom domain. None: API Gateway's domain.
    pub domain: Option<CustomDomain>,
}

impl WebSocketApiOptions {
    /// The options of a public API without a domain.
    pub fn new(
        description: impl Into<Cow<'static, str>>,
        stage_name: StageName,
        throttling: Throttling,
    ) -> Self {
        Self {
            construct: "WebSocketApi",
            name: sub![Pseudo::StackName, "-websocket"],
            description: description.into(),
            stage_name,
            throttling,
            connection_throttling: None,
            authorizer: None,
            domain: None,
        }
    }
}

/// A WebSocket API with its stage. [`Self::add_routes`] adds the routes of a function.
#[derive(Clone, Debug)]
pub struct WebSocketApi {
    pub(crate) path: ConstructPath,
    pub(crate) api: Handle<Api>,
    pub(crate) stage: Handle<Stage>,
    stage_name: StageName,
    pub(crate) authorizer: Option<Handle<Authorizer>>,
    pub(crate) connection_throttling: Option<Throttling>,
    custom_domain: Option<String>,
}

impl WebSocketApi {
    /// Adds the API, its stage, its access log, its authorizer and its domain.
    pub fn add(stack: &mut Stack, options: WebSocketApiOptions) -> Result<Self, SynthError> {
        let path = ConstructPath::root(options.construct);
        let api = Api {
            name: options.name,
            description: options.description,
            protocol: Protocol::WebSocket {
                route_selection_expression: ROUTE_SELECTION_EXPRESSION.into(),
            },
            tags: stack.tags().map(),
        };
        let api = stack.add(&path, api)?;
        let stage = Stage {
            api_id: api.id(),
            stage_name: options.stage_name.as_str().into(),
            auto_deploy: true,
            access_log_settings: Some(access_log::add(stack, &path, access_log::WEBSOCKET_FIELDS)?),
            default_route_settings: RouteSettings {
                detailed_metrics_enabled: true,
                throttling_rate_limit: options.throttling.requests_per_second,
                throttling_burst_limit: options.throttling.burst,
                // Messages may contain keys and personal data, so they are not logged.
                execution_logs: Some(ExecutionLogs {
                    logging_level: LoggingLevel::Error,
                    data_trace_enabled: false,
                }),
            },
            route_settings: IndexMap::new(),
            tags: stack.tags().map(),
        };
        let stage = stack.add(&path.child("Stage"), stage)?;
        let authorizer = match &options.authorizer {
            Some(connect) => Some(authorizer::add_request(stack, &path, &api, connect)?),
            None => None,
        };
        if let Some(custom_domain) = &options.domain {
            domain::add(stack, &path, custom_domain, &api, &stage)?;
        }
        Ok(Self {
            path,
            api,
            stage,
            stage_name: options.stage_name,
            authorizer,
            connection_throttling: options.connection_throttling,
            custom_domain: options.domain.map(|domain| domain.name.as_str().to_owned()),
        })
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
    pub(crate) fn connections_arn(&self, method: &'static str) -> StringValue {
        self.execute_arn(&format!("{method}/@connections/*"))
    }

    pub(crate) fn execute_arn(&self, resource: &str) -> StringValue {
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
