//! The types of the bodies of a product's own routes, for the OpenAPI document.

use std::collections::BTreeMap;

use schemars::{JsonSchema, SchemaGenerator, generate::SchemaSettings};
use serde_json::Value;
use typed_contract::routes::HttpRouteSpec;

/// Where schemas refer to each other in an OpenAPI document.
const SCHEMAS: &str = "/components/schemas";

/// The types of the bodies of a product's own routes. [`Project::with_bodies`](crate::Project::with_bodies)
/// describes them.
///
/// ```
/// use schemars::JsonSchema;
/// use stagecast_infra::RouteBodies;
///
/// typed_contract::http_routes! {
///     /// The routes of totals.
///     pub enum TotalsRoute {
///         /// Returns the total of an import.
///         GetTotal = Get "/v1/totals/{import_id}",
///     }
/// }
///
/// /// The total of an import.
/// #[derive(JsonSchema)]
/// struct Total {
///     /// In cents.
///     total: u64,
/// }
///
/// let mut bodies = RouteBodies::default();
/// bodies.response::<Total>(TotalsRoute::GetTotal.spec(), 200);
/// ```
#[derive(Debug)]
pub struct RouteBodies {
    schemas: SchemaGenerator,
    routes: BTreeMap<String, RouteBody>,
}

/// The schemas of the bodies of one route.
#[derive(Clone, Debug, Default)]
pub(crate) struct RouteBody {
    pub(crate) request: Option<Value>,
    pub(crate) responses: BTreeMap<u16, Value>,
}

impl Default for RouteBodies {
    fn default() -> Self {
        let mut settings = SchemaSettings::draft2020_12().for_serialize();
        settings.definitions_path = SCHEMAS.into();
        Self {
            schemas: settings.into_generator(),
            routes: BTreeMap::new(),
        }
    }
}

impl RouteBodies {
    /// The route requires a body, which is a `T` as JSON. Replaces the type of an earlier call.
    pub fn request<T: JsonSchema>(&mut self, route: HttpRouteSpec) -> &mut Self {
        let schema = self.schemas.subschema_for::<T>().to_value();
        self.routes.entry(route.key()).or_default().request = Some(schema);
        self
    }

    /// The route's response with this HTTP status has a `T` as JSON. Replaces the type of an earlier call with
    /// the same status.
    pub fn response<T: JsonSchema>(&mut self, route: HttpRouteSpec, status: u16) -> &mut Self {
        let schema = self.schemas.subschema_for::<T>().to_value();
        let route = self.routes.entry(route.key()).or_default();
        route.responses.insert(status, schema);
        self
    }

    /// The bodies by the keys of their routes, and the generator with the schemas that they refer to.
    #[cfg(feature = "cli")]
    pub(crate) fn into_parts(self) -> (SchemaGenerator, BTreeMap<String, RouteBody>) {
        (self.schemas, self.routes)
    }
}
