//! The routes of an API, each with its function and authorizer.

use std::{collections::BTreeMap, time::Duration};

use super::{
    error::TemplateError,
    properties::{AuthorizerProperties, IntegrationProperties, RouteProperties, StageProperties},
    reader::Reader,
    system::{Authorizer, RouteTarget},
};

/// API Gateway's maximum timeout for an integration of a WebSocket route.
const INTEGRATION_TIMEOUT: Duration = Duration::from_secs(29);

impl Reader<'_> {
    pub(super) fn stage(&self, api: &str) -> Result<String, TemplateError> {
        let stages = self.all::<StageProperties>("AWS::ApiGatewayV2::Stage")?;
        let stage = stages.into_iter().find(|(_, stage)| stage.api_id == api);
        stage
            .map(|(_, stage)| stage.stage_name)
            .ok_or_else(|| TemplateError::NoStage {
                api: api.to_owned(),
            })
    }

    pub(super) fn routes(
        &mut self,
        api: &str,
        protocol: &str,
    ) -> Result<BTreeMap<String, RouteTarget>, TemplateError> {
        let integrations = self.all::<IntegrationProperties>("AWS::ApiGatewayV2::Integration")?;
        let mut routes = BTreeMap::new();
        for (logical_id, route) in self.all::<RouteProperties>("AWS::ApiGatewayV2::Route")? {
            if route.api_id != api {
                continue;
            }
            let authorizer = self.authorizer(logical_id, &route, protocol)?;
            let target = route.target.unwrap_or_default();
            // `Ref` of an integration is its id. The local id is made of the logical id.
            let integration = target.strip_prefix("integrations/").and_then(|id| {
                integrations.iter().find(|(logical_id, _)| {
                    self.scope
                        .reference(logical_id)
                        .is_ok_and(|reference| reference == id)
                })
            });
            let function = integration
                .and_then(|(_, integration)| function_of_uri(&integration.integration_uri));
            let (Some((_, integration)), Some(function)) = (integration, function) else {
                return Err(TemplateError::RouteWithoutFunction {
                    route: route.key,
                    target,
                });
            };
            let timeout = integration.timeout_in_millis.map(Duration::from_millis);
            let timeout = timeout.unwrap_or(INTEGRATION_TIMEOUT);
            let target = RouteTarget {
                function,
                timeout,
                authorizer,
            };
            routes.insert(route.key, target);
        }
        Ok(routes)
    }

    /// The route's authorizer; `None`, with a warning if the template has one that is not supported.
    fn authorizer(
        &mut self,
        logical_id: &str,
        route: &RouteProperties,
        protocol: &str,
    ) -> Result<Option<Authorizer>, TemplateError> {
        let kind = route.authorization_type.as_deref().unwrap_or("NONE");
        if kind == "NONE" {
            return Ok(None);
        }
        let authorizers = self.all::<AuthorizerProperties>("AWS::ApiGatewayV2::Authorizer")?;
        // `Ref` of an authorizer is its id. The local id is made of the logical id.
        let authorizer = authorizers.into_iter().find(|(logical_id, _)| {
            self.scope
                .reference(logical_id)
                .is_ok_and(|id| route.authorizer_id.as_deref() == Some(&*id))
        });
        let authorizer = authorizer.and_then(|(_, authorizer)| {
            let function = authorizer.uri.as_deref().and_then(function_of_uri);
            match (protocol, kind, authorizer.kind.as_str()) {
                ("HTTP", "JWT", "JWT") => Some(Authorizer::Jwt(authorizer.jwt_configuration?)),
                ("WEBSOCKET", "CUSTOM", "REQUEST") => Some(Authorizer::Request {
                    identity_sources: authorizer.identity_source,
                    function: function?,
                }),
                _ => None,
            }
        });
        if authorizer.is_none() {
            self.warnings.push(format!(
                "the authorizer of {logical_id} ({kind}) does not run locally: '{}' is open",
                route.key
            ));
        }
        Ok(authorizer)
    }
}

/// The function's name in `arn:...:lambda:path/2015-03-31/functions/{arn}/invocations`, or in the
/// function's plain ARN.
fn function_of_uri(uri: &str) -> Option<String> {
    let arn = match uri.split_once("/functions/") {
        Some((_, rest)) => rest.strip_suffix("/invocations")?,
        None => uri,
    };
    let name = arn.split_once(":function:")?.1;
    Some(name.split(':').next().unwrap_or(name).to_owned())
}
