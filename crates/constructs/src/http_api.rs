//! An HTTP API with its stage.

use std::borrow::Cow;

use cloudformation::{
    ConstructPath, Handle, Pseudo, StringValue,
    resources::apigatewayv2::{Api, Authorizer, Cors, Protocol, RouteSettings, Stage},
    sub,
};
use indexmap::IndexMap;

use crate::{
    access_log, authorizer, domain,
    error::SynthError,
    settings::{CustomDomain, JwtAuthorizer, Throttling},
    stack::Stack,
};

/// The stage that does not appear in URLs.
const STAGE_NAME: &str = "$default";

/// The options of an [`HttpApi`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpApiOptions {
    /// The construct's name, with which the logical ids begin: `HttpApi`.
    pub construct: &'static str,
    /// The API's name in the console. Default: the stack's name and `-http`.
    pub name: StringValue,
    /// The purpose, up to 1,024 characters.
    pub description: Cow<'static, str>,
    /// The limit of requests to all routes without a separate limit.
    pub throttling: Throttling,
    /// What pages of the stack's allowed origins may do. None: browsers may make no cross-origin requests.
    pub cors: Option<CorsOptions>,
    /// The authorizer of the routes that require a token.
    pub authorizer: Option<JwtAuthorizer>,
    /// The custom domain. None: API Gateway's domain.
    pub domain: Option<CustomDomain>,
}

/// The cross-origin requests that browsers may make to an HTTP API. The origins are
/// [`Stack::allowed_origins`], the methods those of the routes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CorsOptions {
    /// The headers that pages may send.
    pub allow_headers: Vec<Cow<'static, str>>,
    /// The headers of responses that pages may read.
    pub expose_headers: Vec<Cow<'static, str>>,
    /// Seconds that a browser may cache the response of a preflight request.
    pub max_age_seconds: u32,
}

impl HttpApiOptions {
    /// The options of a public API without a domain and without cross-origin requests.
    pub fn new(description: impl Into<Cow<'static, str>>, throttling: Throttling) -> Self {
        Self {
            construct: "HttpApi",
            name: sub![Pseudo::StackName, "-http"],
            description: description.into(),
            throttling,
            cors: None,
            authorizer: None,
            domain: None,
        }
    }
}

/// An HTTP API with its stage. [`Self::add_routes`] adds the routes of each function.
#[derive(Clone, Debug)]
pub struct HttpApi {
    pub(crate) path: ConstructPath,
    pub(crate) api: Handle<Api>,
    pub(crate) stage: Handle<Stage>,
    pub(crate) authorizer: Option<Handle<Authorizer>>,
    custom_domain: Option<String>,
}

impl HttpApi {
    /// Adds the API, its stage, its access log, its authorizer and its domain.
    pub fn add(stack: &mut Stack, options: HttpApiOptions) -> Result<Self, SynthError> {
        let path = ConstructPath::root(options.construct);
        let origins = stack.allowed_origins();
        let api = Api {
            name: options.name,
            description: options.description,
            protocol: Protocol::Http {
                cors_configuration: options.cors.map(|cors| cors_configuration(cors, origins)),
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
                throttling_rate_limit: options.throttling.requests_per_second,
                throttling_burst_limit: options.throttling.burst,
                execution_logs: None,
            },
            route_settings: IndexMap::new(),
            tags: stack.tags().map(),
        };
        let stage = stack.add(&path.child("Stage"), stage)?;
        let authorizer = match &options.authorizer {
            Some(jwt) => Some(authorizer::add_jwt(stack, &path, &api, jwt)?),
            None => None,
        };
        if let Some(custom_domain) = &options.domain {
            domain::add(stack, &path, custom_domain, &api, &stage)?;
        }
        Ok(Self {
            path,
            api,
            stage,
            authorizer,
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
}

/// The methods are added with the routes.
fn cors_configuration(cors: CorsOptions, origins: Vec<StringValue>) -> Cors {
    Cors {
        allow_origins: if origins.is_empty() {
            vec!["*".into()]
        } else {
            origins
        },
        allow_methods: Vec::new(),
        allow_headers: cors.allow_headers,
        expose_headers: cors.expose_headers,
        max_age: cors.max_age_seconds,
    }
}
