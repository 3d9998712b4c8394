//! The routes of a WebSocket API, with the integration and the permissions of their function.

use cloudformation::{
    Handle,
    resources::{
        apigatewayv2::{self, Authorization, Integration, IntegrationType},
        lambda::{self, Permission, PermittedAction},
    },
    sub,
};
use typed_contract::functions::Trigger;

use crate::{
    authorizer::AuthorizableRoute,
    error::SynthError,
    function::Function,
    integration::{self, INTEGRATION_TIMEOUT_MILLISECONDS},
    route_key::{RouteKey, WebSocketRoute},
    route_limit,
    stack::Stack,
    websocket_api::WebSocketApi,
};

impl WebSocketApi {
    /// Adds routes that invoke a function: those of the enum that [`typed_contract::routes!`] declares,
    /// by their `spec()`, or [`RouteKey`]s. Call it once for each function.
    ///
    /// The API's authorizer and its limit of connections apply to `$connect`. Fails with
    /// [`SynthError::NotATrigger`] if the function does not declare [`Trigger::WebSocketRoutes`], and with
    /// [`SynthError::DuplicateRoute`] if the API has the route already.
    pub fn add_routes<R: Into<WebSocketRoute>>(
        &self,
        stack: &mut Stack,
        function: &Function,
        routes: impl IntoIterator<Item = R>,
    ) -> Result<(), SynthError> {
        integration::require_trigger(function, Trigger::WebSocketRoutes, &self.path)?;
        let integration = self.integrate(stack, function)?;
        for route in routes {
            self.add_route(stack, &route.into(), &integration, function)?;
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
        route: &WebSocketRoute,
        integration: &Handle<Integration>,
        function: &Function,
    ) -> Result<(), SynthError> {
        let WebSocketRoute {
            key,
            operation_name,
        } = route;
        stack.reserve_route(&self.path, key.as_str())?;
        let path = self.path.child(key.as_str());
        let route = stack.add(
            &path.child("Route"),
            apigatewayv2::Route {
                api_id: self.api.id(),
                route_key: key.to_string(),
                operation_name: operation_name.clone(),
                authorization: self.authorization(key),
                target: sub!["integrations/", integration.id()],
            },
        )?;
        stack.add(
            &path.child("Permission"),
            Permission {
                action: PermittedAction::InvokeFunction,
                function_name: function.resource.name(),
                principal: "apigateway.amazonaws.com".into(),
                source_arn: self.execute_arn(key.as_str()),
            },
        )?;
        if let Some(throttling) = self.connection_throttling
            && AuthorizableRoute::CONNECT.has_key(key.as_str())
        {
            route_limit::add(stack, &self.stage, &route, key.as_str(), throttling);
        }
        Ok(())
    }

    fn authorization(&self, key: &RouteKey) -> Authorization {
        match &self.authorizer {
            Some(authorizer) if AuthorizableRoute::CONNECT.has_key(key.as_str()) => {
                Authorization::Custom {
                    authorizer_id: authorizer.id(),
                }
            }
            _ => Authorization::None,
        }
    }
}
