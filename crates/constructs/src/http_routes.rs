//! The routes of an HTTP API, with the integration and the permissions of their function.

use cloudformation::{
    Handle, Pseudo, StringValue,
    resources::{
        apigatewayv2::{
            Authorization, Integration, IntegrationType, PayloadFormat, Protocol, Route,
        },
        lambda::{self, Permission, PermittedAction},
    },
    sub,
};
use typed_contract::{
    functions::Trigger,
    routes::{HttpRouteSpec, Method},
};

use crate::{
    error::SynthError,
    function::Function,
    http_api::HttpApi,
    http_route::HttpApiRoute,
    integration::{self, INTEGRATION_TIMEOUT_MILLISECONDS},
    route_limit,
    stack::Stack,
};

impl HttpApi {
    /// Adds routes that invoke a function: those of the enum that [`typed_contract::http_routes!`]
    /// declares, by their `spec()`, or [`HttpApiRoute`]s. Call it once for each function.
    ///
    /// Fails with [`SynthError::NotATrigger`] if the function does not declare [`Trigger::HttpRoutes`],
    /// with [`SynthError::NoAuthorizer`] if a route requires a token that no authorizer checks, and with
    /// [`SynthError::DuplicateRoute`] if the API has the route already.
    pub fn add_routes<R: Into<HttpApiRoute>>(
        &self,
        stack: &mut Stack,
        function: &Function,
        routes: impl IntoIterator<Item = R>,
    ) -> Result<(), SynthError> {
        integration::require_trigger(function, Trigger::HttpRoutes, &self.path)?;
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
            self.add_route(stack, route.into(), &integration, function)?;
        }
        Ok(())
    }

    fn add_route(
        &self,
        stack: &mut Stack,
        route: HttpApiRoute,
        integration: &Handle<Integration>,
        function: &Function,
    ) -> Result<(), SynthError> {
        let key = route.spec.key();
        stack.reserve_route(&self.path, &key)?;
        let path = self.path.child(route.spec.name);
        let resource = stack.add(
            &path.child("Route"),
            Route {
                api_id: self.api.id(),
                route_key: key.clone(),
                operation_name: route.spec.name.to_owned(),
                authorization: self.authorization(route)?,
                target: sub!["integrations/", integration.id()],
            },
        )?;
        if let Some(throttling) = route.throttling {
            route_limit::add(stack, &self.stage, &resource, &key, throttling);
        }
        self.allow_method(stack, route.spec.method);
        stack.add(
            &path.child("Permission"),
            Permission {
                action: PermittedAction::InvokeFunction,
                function_name: function.resource.name(),
                principal: "apigateway.amazonaws.com".into(),
                source_arn: self.execute_arn(route.spec),
            },
        )?;
        Ok(())
    }

    fn authorization(&self, route: HttpApiRoute) -> Result<Authorization, SynthError> {
        match (&self.authorizer, route.requires_token) {
            (_, false) => Ok(Authorization::None),
            (Some(authorizer), true) => Ok(Authorization::Jwt {
                authorizer_id: authorizer.id(),
            }),
            (None, true) => Err(SynthError::NoAuthorizer {
                route: route.spec.key(),
            }),
        }
    }

    /// Allows cross-origin requests with the method of a route, if the API allows any.
    fn allow_method(&self, stack: &mut Stack, method: Method) {
        if let Some((api, _)) = stack.resource_mut(&self.api)
            && let Protocol::Http {
                cors_configuration: Some(cors),
            } = &mut api.protocol
            && let Err(place) = cors
                .allow_methods
                .binary_search_by(|allowed| allowed.as_ref().cmp(method.name()))
        {
            cors.allow_methods.insert(place, method.name().into());
        }
    }

    /// The source ARN of a route's invocations. As in the permissions of AWS's console, it includes all
    /// stages; the API has one.
    fn execute_arn(&self, route: HttpRouteSpec) -> StringValue {
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
            route.method.name(),
            route.path,
        ]
    }
}
