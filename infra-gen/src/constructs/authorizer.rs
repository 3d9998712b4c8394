//! The authorizers of the two APIs.

use contract::routes::Route;

use super::{Stack, SynthError};
use crate::{
    environments::{ConnectAuthorizer, JwtAuthorizer},
    resources::{
        apigatewayv2::{Api, Authorizer, Decision, JwtConfiguration},
        lambda::{self, Permission, PermittedAction},
    },
    template::{ConstructPath, Handle, Pseudo, sub},
};

/// A route of the WebSocket API that can have an authorizer: `$connect`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AuthorizableRoute(Route);

impl AuthorizableRoute {
    /// The route that opens a connection.
    pub const CONNECT: Self = Self::new(Route::Connect);

    /// Checks the route. In a constant, a route that cannot have an authorizer does not compile.
    #[track_caller]
    pub const fn new(route: Route) -> Self {
        assert!(
            route.can_be_authorized(),
            "only $connect can have an authorizer: messages carry no headers and no query string, \
             so keep what later routes need with the connection",
        );
        Self(route)
    }

    /// Whether this is the given route.
    pub fn is(self, route: Route) -> bool {
        self.0 == route
    }
}

/// Adds an authorizer that accepts JSON Web Tokens.
pub(super) fn add_jwt(
    stack: &mut Stack,
    path: &ConstructPath,
    api: &Handle<Api>,
    jwt: &JwtAuthorizer,
) -> Result<Handle<Authorizer>, SynthError> {
    let authorizer = Authorizer {
        api_id: api.id(),
        name: "jobs".into(),
        decision: Decision::Jwt {
            identity_source: ["$request.header.Authorization".into()],
            jwt_configuration: JwtConfiguration {
                issuer: jwt.issuer().to_owned(),
                audience: jwt.audience().to_vec(),
            },
        },
    };
    stack.add(&path.child("Authorizer"), authorizer)
}

/// Adds an authorizer that calls a Lambda function, and the permission for API Gateway to call it.
pub(super) fn add_request(
    stack: &mut Stack,
    path: &ConstructPath,
    api: &Handle<Api>,
    connect: &ConnectAuthorizer,
) -> Result<Handle<Authorizer>, SynthError> {
    let function_arn = sub![
        "arn:",
        Pseudo::Partition,
        ":lambda:",
        Pseudo::Region,
        ":",
        Pseudo::AccountId,
        ":function:",
        connect.function_name().to_owned(),
    ];
    let authorizer = Authorizer {
        api_id: api.id(),
        name: "connect".into(),
        decision: Decision::Request {
            identity_source: connect.identity_sources().to_vec(),
            authorizer_uri: lambda::invocation_uri(function_arn.clone()),
        },
    };
    let authorizer = stack.add(&path.child("Authorizer"), authorizer)?;
    stack.add(
        &path.child("Authorizer").child("Permission"),
        Permission {
            action: PermittedAction::InvokeFunction,
            function_name: function_arn,
            principal: "apigateway.amazonaws.com".into(),
            source_arn: sub![
                "arn:",
                Pseudo::Partition,
                ":execute-api:",
                Pseudo::Region,
                ":",
                Pseudo::AccountId,
                ":",
                api.id(),
                "/authorizers/",
                authorizer.id(),
            ],
        },
    )?;
    Ok(authorizer)
}
