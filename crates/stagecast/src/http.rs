//! A product's own routes of the HTTP API.

pub use aws_lambda_events::apigw::{
    ApiGatewayV2httpRequest as Request, ApiGatewayV2httpResponse as Response,
};
use aws_lambda_events::encodings::Body;
use granted_aws::{Aws, Environment, telemetry};
use lambda_runtime::{Error, LambdaEvent, service_fn};
use serde::Serialize;
use serde_json::json;
use typed_contract::{
    functions::{Function, check_serves_http_route},
    routes::HttpRoutes,
};

/// Serves the routes `R` in the product's own function `F`, until Lambda ends the process. `build` creates
/// what all requests share, such as a [`Database`](granted_aws::Database).
///
/// An error of `handle` is logged and answered with status 500.
///
/// ```no_run
/// use stagecast::{Error, granted_aws::Database, http};
/// # use typed_contract::functions::Trigger;
///
/// # typed_contract::table! {
/// #     /// The totals of each import.
/// #     Totals = "totals" in "TOTALS_TABLE" {
/// #         TotalsKey { import_id: String },
/// #         time_to_live: expires_at: Number,
/// #     }
/// # }
/// # typed_contract::http_routes! {
/// #     /// The routes of totals.
/// #     pub enum TotalsRoute {
/// #         /// Returns the total of an import.
/// #         GetTotal = Get "/v1/totals/{import_id}",
/// #     }
/// # }
/// # typed_contract::function! {
/// #     /// Serves totals.
/// #     TotalsFunction = "totals" {
/// #         memory_mib: 256,
/// #         timeout_seconds: 10,
/// #         retry_budget_seconds: 0,
/// #         triggers: [Trigger::HttpRoutes],
/// #         grants: {
/// #             Totals: [GetItem],
/// #         },
/// #         settings: [],
/// #     }
/// # }
/// fn main() -> Result<(), Error> {
///     http::serve::<TotalsFunction, _, _>(
///         |aws, environment| Ok(Database::new(aws, environment)),
///         async |database, route, request| match route {
///             TotalsRoute::GetTotal => get_total(database, &request).await,
///         },
///     )
/// }
///
/// async fn get_total(
///     database: &Database<TotalsFunction>,
///     request: &http::Request,
/// ) -> Result<http::Response, Error> {
///     let import_id = http::path_parameter(request, "import_id");
///     let item = database.get_item(&TotalsKey { import_id }).send().await?.item;
///     match item.as_ref().and_then(|item| item.get("total")?.as_n().ok()) {
///         Some(total) => Ok(http::json(200, &total)?),
///         None => Ok(http::error(404, "not_found", "there is no such import")),
///     }
/// }
/// ```
#[expect(
    clippy::needless_pass_by_value,
    reason = "a closure is written at the call"
)]
pub fn serve<F: Function, R: HttpRoutes, S>(
    build: impl FnOnce(&Aws, &Environment<F>) -> Result<S, Error>,
    handle: impl AsyncFn(&S, R, Request) -> Result<Response, Error>,
) -> Result<(), Error> {
    const { check_serves_http_route(F::SPEC, R::SPECS[0].path) };
    crate::runtime()?.block_on(async {
        telemetry::init();
        let environment = Environment::load()?;
        let aws = granted_aws::load().await;
        let state = build(&aws, &environment)?;
        aws.warm(&environment).await;
        lambda_runtime::run(service_fn(async |event: LambdaEvent<Request>| {
            Ok::<_, Error>(Box::pin(respond(&state, event.payload, &handle)).await)
        }))
        .await
    })
}

/// The response to a request. Its route key is one of `R`, unless the deployed template is of other code.
async fn respond<R: HttpRoutes, S>(
    state: &S,
    request: Request,
    handle: &impl AsyncFn(&S, R, Request) -> Result<Response, Error>,
) -> Response {
    let key = request.route_key.clone().unwrap_or_default();
    let result = match R::from_key(&key) {
        Some(route) => handle(state, route, request).await,
        None => Err(format!("this function does not serve the route '{key}'").into()),
    };
    result.unwrap_or_else(|error| {
        tracing::error!(route = key, %error, "a request failed");
        self::error(500, "internal", "the request failed; try again")
    })
}

/// A part of the path: `id` of a route `/v1/orders/{id}`. Empty if the route has no such part.
pub fn path_parameter<'a>(request: &'a Request, name: &str) -> &'a str {
    let value = request.path_parameters.get(name);
    value.map_or("", String::as_str)
}

/// A response with a JSON body.
pub fn json(status: u16, body: &impl Serialize) -> Result<Response, serde_json::Error> {
    let mut response = Response::default();
    response.status_code = i64::from(status);
    response.body = Some(Body::Text(serde_json::to_string(body)?));
    let json = const { http::HeaderValue::from_static("application/json") };
    response.headers.insert(http::header::CONTENT_TYPE, json);
    Ok(response)
}

/// An error in the form of the job system's: `{"error": {"code": …, "message": …}}`.
pub fn error(status: u16, code: &str, message: &str) -> Response {
    let body = json!({ "error": { "code": code, "message": message } });
    json(status, &body).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    typed_contract::http_routes! {
        /// The routes of totals.
        enum TotalsRoute {
            /// Returns the total of an import.
            GetTotal = Get "/v1/totals/{import_id}",
        }
    }

    async fn response(route_key: &str, total: i64) -> Response {
        let mut request = Request::default();
        request.route_key = Some(route_key.to_owned());
        request.path_parameters = [("import_id".to_owned(), "import-1".to_owned())].into();
        let handle = async |total: &i64, route: TotalsRoute, request: Request| match route {
            TotalsRoute::GetTotal if *total < 0 => Err("the total is negative".into()),
            TotalsRoute::GetTotal => {
                let parameters = ["import_id", "other"].map(|name| path_parameter(&request, name));
                Ok(json(
                    200,
                    &json!({ "total": total, "parameters": parameters }),
                )?)
            }
        };
        respond(&total, request, &handle).await
    }

    fn body(response: &Response) -> serde_json::Value {
        let Some(Body::Text(text)) = &response.body else {
            panic!("{response:?}");
        };
        serde_json::from_str(text).expect("JSON")
    }

    #[tokio::test]
    async fn request_is_handled_by_its_route() {
        let response = response(&TotalsRoute::GetTotal.key(), 55).await;
        assert_eq!(response.status_code, 200);
        assert_eq!(response.headers["content-type"], "application/json");
        let expected = json!({ "total": 55, "parameters": ["import-1", ""] });
        assert_eq!(body(&response), expected);
    }

    #[tokio::test]
    async fn error_and_unknown_route_are_answered_without_their_cause() {
        let responses = [
            response(&TotalsRoute::GetTotal.key(), -1).await,
            response("GET /v2/totals", 55).await,
        ];
        for response in responses {
            assert_eq!(response.status_code, 500);
            let error = &body(&response)["error"];
            assert_eq!(error["code"], "internal");
            assert_eq!(error["message"], "the request failed; try again");
        }
    }
}
