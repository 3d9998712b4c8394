//! The authorizers of APIs.

use cloudformation::{
    ConstructPath, Handle, Pseudo,
    resources::{
        apigatewayv2::{Api, Authorizer, Decision, JwtConfiguration},
        lambda::{self, Permission, PermittedAction},
    },
    sub,
};
use typed_contract::{const_fmt, routes::RouteSpec};

use crate::{
    error::SynthError,
    settings::{ConnectAuthorizer, JwtAuthorizer},
    stack::Stack,
};

/// A route of a WebSocket API that can have an authorizer: `$connect`.
///
/// ```compile_fail,E0080
/// use constructs::AuthorizableRoute;
/// use typed_contract::routes::RouteSpec;
///
/// const GUARDED: AuthorizableRoute = AuthorizableRoute::new(RouteSpec::new("Track", "track"));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AuthorizableRoute(RouteSpec);

impl AuthorizableRoute {
    /// The route that opens a connection.
    pub const CONNECT: Self = Self::new(RouteSpec::new("Connect", "$connect"));

    /// Checks the route. In a constant, a route that cannot have an authorizer does not compile.
    ///
    /// # Panics
    ///
    /// If the key of the route is not `$connect`.
    #[track_caller]
    pub const fn new(route: RouteSpec) -> Self {
        assert!(
            const_fmt::equal(route.key(), "$connect"),
            "only $connect can have an authorizer: messages carry no headers and no query string, \
             so keep what later routes need with the connection",
        );
        Self(route)
    }

    /// Whether the route has this key.
    pub fn has_key(self, key: &str) -> bool {
        self.0.key() == key
    }
}

/// Adds an authorizer that accepts JSON Web Tokens.
pub(crate) fn add_jwt(
    stack: &mut Stack,
    path: &ConstructPath,
    api: &Handle<Api>,
    jwt: &JwtAuthorizer,
) -> Result<Handle<Authorizer>, SynthError> {
    let authorizer = Authorizer {
        api_id: api.id(),
        name: jwt.name().to_owned().into(),
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
pub(crate) fn add_request(
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
