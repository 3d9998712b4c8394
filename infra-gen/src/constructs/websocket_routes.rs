//! The routes of the WebSocket API, with the integration and the permissions of their function.

use contract::routes::Route;

use super::{
    AuthorizableRoute, Function, RouteKey, Stack, SynthError, WebSocketApi,
    integration::INTEGRATION_TIMEOUT_MILLISECONDS, route_limit,
};
use crate::{
    resources::{
        apigatewayv2::{self, Authorization, Integration, IntegrationType},
        lambda::{self, Permission, PermittedAction},
    },
    template::{Handle, sub},
};

impl WebSocketApi {
    /// Adds routes that invoke a function.
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

    /// Adds routes that are not part of the contract. They have no authorizer: `$connect` authorizes the
    /// connection.
    pub fn add_route_keys(
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
                principal: "apigateway.amazonaws.com".into(),
                source_arn: self.execute_arn(key.as_str()),
            },
        )?;
        Ok(route)
    }

    fn authorization(&self, route: Route) -> Authorization {
        match &self.authorizer {
            Some(authorizer) if AuthorizableRoute::CONNECT.is(route) => Authorization::Custom {
                authorizer_id: authorizer.id(),
            },
            _ => Authorization::None,
        }
    }
}
