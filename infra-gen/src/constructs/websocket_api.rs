//! The WebSocket API.

use contract::routes::{ROUTE_SELECTION_EXPRESSION, Route};
use indexmap::IndexMap;

use super::{
    AuthorizableRoute, Function, RouteKey, Stack, StageName, SynthError, access_log, authorizer,
    domain, route_limit,
};
use crate::{
    resources::{
        apigatewayv2::{
            self, Api, Authorization, Authorizer, ExecutionLogs, Integration, IntegrationType,
            LoggingLevel, Protocol, RouteSettings, Stage,
        },
        lambda::{self, Permission, PermittedAction},
    },
    template::{ConstructPath, Handle, Pseudo, StringValue, sub},
};

/// How long API Gateway waits for an integration: as long as it can. How long a function may
/// take is the function's own timeout.
pub(super) const INTEGRATION_TIMEOUT_MILLISECONDS: u32 =
    contract::functions::INTEGRATION_LIMIT_SECONDS * 1000;

/// The WebSocket API with its stage. Its routes come with the function that serves them.
#[derive(Clone, Debug)]
pub struct WebSocketApi {
    path: ConstructPath,
    api: Handle<Api>,
    stage: Handle<Stage>,
    stage_name: StageName,
    authorizer: Option<Handle<Authorizer>>,
    custom_domain: Option<String>,
}

impl WebSocketApi {
    /// Adds the API, its stage, its access log and its domain name if it has one.
    pub fn add(stack: &mut Stack, stage_name: StageName) -> Result<Self, SynthError> {
        let path = ConstructPath::root("WebSocketApi");
        let api = Api {
            name: sub![Pseudo::StackName, "-websocket"],
            description: "Tells who waits for a job how far it is",
            protocol: Protocol::WebSocket {
                route_selection_expression: ROUTE_SELECTION_EXPRESSION,
            },
            tags: stack.tags().map(),
        };
        let api = stack.add(&path, api)?;
        let throttling = stack.environment().websocket_throttling;
        let stage = Stage {
            api_id: api.id(),
            stage_name: stage_name.as_str(),
            auto_deploy: true,
            access_log_settings: access_log::add(stack, &path, access_log::WEBSOCKET_FIELDS)?,
            default_route_settings: RouteSettings {
                detailed_metrics_enabled: true,
                throttling_rate_limit: throttling.requests_per_second,
                throttling_burst_limit: throttling.burst,
                // Messages may hold a job's key, so they are never traced.
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

    /// Lets a function serve these routes.
    pub fn add_routes(
        &self,
        stack: &mut Stack,
        routes: &[Route],
        function: &Function,
    ) -> Result<(), SynthError> {
        let integration = self.integrate(stack, function)?;
        for route in routes {
            let authorization = self.authorization(*route);
            let name = format!("{route:?}");
            let key = RouteKey::from(*route);
            let resource =
                self.add_route(stack, &key, name, authorization, &integration, function)?;
            if *route == Route::Connect {
                let throttling = stack.environment().connection_throttling;
                route_limit::add(stack, &self.stage, &resource, key.as_str(), throttling);
            }
        }
        Ok(())
    }

    /// Lets a function serve routes that the contract does not know. Anyone may use them: who is
    /// connected has been let in.
    pub fn serve_keys(
        &self,
        stack: &mut Stack,
        keys: &[RouteKey],
        function: &Function,
    ) -> Result<(), SynthError> {
        let integration = self.integrate(stack, function)?;
        for key in keys {
            let name = key.to_string();
            self.add_route(
                stack,
                key,
                name,
                Authorization::None,
                &integration,
                function,
            )?;
        }
        Ok(())
    }

    fn integrate(
        &self,
        stack: &mut Stack,
        function: &Function,
    ) -> Result<Handle<Integration>, SynthError> {
        stack.add(
            &self.path.child(function.spec.name).child("Integration"),
            Integration {
                api_id: self.api.id(),
                integration_type: IntegrationType::AwsProxy,
                integration_uri: lambda::invocation_uri(function.resource.arn()),
                payload_format_version: None,
                timeout_in_millis: INTEGRATION_TIMEOUT_MILLISECONDS,
            },
        )
    }

    fn add_route(
        &self,
        stack: &mut Stack,
        key: &RouteKey,
        operation_name: String,
        authorization: Authorization,
        integration: &Handle<Integration>,
        function: &Function,
    ) -> Result<Handle<apigatewayv2::Route>, SynthError> {
        let path = self.path.child(key.as_str());
        let route = stack.add(
            &path.child("Route"),
            apigatewayv2::Route {
                api_id: self.api.id(),
                route_key: key.to_string(),
                operation_name,
                authorization,
                target: sub!["integrations/", integration.id()],
            },
        )?;
        stack.add(
            &path.child("Permission"),
            Permission {
                action: PermittedAction::InvokeFunction,
                function_name: function.resource.name(),
                principal: "apigateway.amazonaws.com",
                source_arn: self.execute_arn(key.as_str()),
            },
        )?;
        Ok(route)
    }

    /// The API's id.
    pub fn id(&self) -> StringValue {
        self.api.id()
    }

    /// The stage's name.
    pub fn stage_name(&self) -> StringValue {
        self.stage.name()
    }

    /// The stage's name where a reference to the stage would go round in a circle.
    pub fn literal_stage_name(&self) -> StringValue {
        self.stage_name.as_str().into()
    }

    /// Where clients connect.
    pub fn url(&self) -> StringValue {
        self.address("wss://")
    }

    /// Where `@connections` is. A custom domain leads to the stage, so its name is not in the path.
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

    fn authorization(&self, route: Route) -> Authorization {
        match &self.authorizer {
            Some(authorizer) if AuthorizableRoute::CONNECT.is(route) => Authorization::Custom {
                authorizer_id: authorizer.id(),
            },
            _ => Authorization::None,
        }
    }

    /// The ARN of `@connections` for one HTTP method.
    pub(super) fn connections_arn(&self, method: &'static str) -> StringValue {
        self.execute_arn(&format!("{method}/@connections/*"))
    }

    fn execute_arn(&self, resource: &str) -> StringValue {
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
