//! A separate limit for one route of a stage, so that anonymous requests do not use up the limit of all
//! others.

use cloudformation::{
    Handle,
    resources::apigatewayv2::{Route, RouteSettings, Stage},
};

use crate::{settings::Throttling, stack::Stack};

/// Limits a route. The other settings are copied from the stage's defaults, because the settings of a
/// route replace them as a whole.
pub(crate) fn add(
    stack: &mut Stack,
    stage: &Handle<Stage>,
    route: &Handle<Route>,
    route_key: &str,
    throttling: Throttling,
) {
    if let Some((stage, attributes)) = stack.resource_mut(stage) {
        let settings = RouteSettings {
            throttling_rate_limit: throttling.requests_per_second,
            throttling_burst_limit: throttling.burst,
            ..stage.default_route_settings
        };
        stage.route_settings.insert(route_key.to_owned(), settings);
        // API Gateway refuses settings of a route that does not exist yet.
        attributes.depends_on.push(route.logical_id().clone());
    }
}
