//! The stack of the whole system.

use cloudformation::{
    ConstructPath, Template,
    resources::cloudwatch::{Dimension, Metric},
};
use constructs::{
    AlarmOptions, Alarms, Bucket, Dashboard, Function, FunctionOptions, Grantable, HttpApi, Queue,
    Stack, StageName, SynthError, Table, WebSocketApi, Website,
};
use stagecast_contract::{
    functions::DeliveryFunction,
    metrics::{DELIVERIES_GIVEN_UP, FUNCTION_DIMENSION, NAMESPACE},
    routes::Route,
};
use typed_contract::functions::{Function as _, Trigger};

use crate::{
    construct_options::{self, stack_settings},
    environments::Environment,
    project::Project,
};

/// The stage of the WebSocket API.
pub const WEBSOCKET_STAGE: StageName = StageName::new("live");

/// The number of attempts at a message, each of the longest duration, after which its age raises an
/// alarm. Together they take longer than the watchdog's longest delay.
const ATTEMPTS_BEFORE_ALARM: u32 = 6;

/// Synthesizes the template of the system for an environment.
pub fn synthesize(project: Project, environment: &Environment) -> Result<Template, SynthError> {
    let product = project.product;
    let mut stack = Stack::new(product.description, stack_settings(product, environment))?;

    // The APIs and buckets that follow allow the page's origin.
    if environment.page {
        let page = Website::add(&mut stack, construct_options::page(environment))?;
        stack.allow_origin(page.url());
    }

    // The resources that grants refer to.
    let tables = add_all(&mut stack, &product.all_tables(), Table::add)?;
    let queues = add_all(&mut stack, &product.all_queues(), Queue::add)?;
    let buckets = add_all(&mut stack, &product.all_buckets(), |stack, spec| {
        Bucket::add(stack, spec, construct_options::bucket(environment))
    })?;
    let options = construct_options::websocket_api(environment, WEBSOCKET_STAGE);
    let websocket = WebSocketApi::add(&mut stack, options)?;
    stack.add_output("WebSocketUrl", "Where clients connect", websocket.url())?;
    stack.add_output(
        "WebSocketApiId",
        "The id of the WebSocket API",
        websocket.id(),
    )?;
    stack.add_output(
        "StageName",
        "The stage of the WebSocket API",
        websocket.stage_name(),
    )?;
    let http = HttpApi::add(&mut stack, construct_options::http_api(environment))?;
    stack.add_output("HttpApiUrl", "Where jobs are created", http.url())?;
    stack.add_output("HttpApiId", "The id of the HTTP API", http.id())?;
    let values = construct_options::setting_values(
        product,
        environment,
        &websocket,
        &stack.allowed_origins(),
    );
    let values = project.setting_values(environment, values);
    let resources = Grantable {
        tables,
        queues,
        buckets,
        websocket: Some(websocket.clone()),
    };

    // The functions with their triggers.
    let mut functions = Vec::new();
    for spec in product.all_functions() {
        let options = FunctionOptions {
            resources: &resources,
            values: &values,
            reserved_concurrency: (environment.reserved_concurrency)(spec),
        };
        let function = Function::add(&mut stack, spec, options)?;
        for trigger in spec.triggers {
            match trigger {
                Trigger::WebSocketRoutes => {
                    let routes = Route::ALL.iter().map(|route| route.spec());
                    websocket.add_routes(&mut stack, &function, routes)?;
                }
                Trigger::HttpRoutes => {
                    let routes = construct_options::http_routes(product, spec, environment);
                    http.add_routes(&mut stack, &function, routes)?;
                }
                Trigger::Queue { queue, .. } => {
                    let concurrency = (environment.queue_concurrency)(spec);
                    let queue = resources.queue(spec, queue)?;
                    queue.add_event_source(&mut stack, &function, concurrency)?;
                }
            }
        }
        functions.push(function);
    }

    project.extend(&mut stack, environment, &resources)?;
    if environment.alarms {
        add_alarms(&mut stack, &functions, &resources, &websocket, &http)?;
        add_dashboard(&mut stack, &functions, &resources, &websocket, &http)?;
    }
    Ok(stack.into_template())
}

fn add_alarms(
    stack: &mut Stack,
    functions: &[Function],
    resources: &Grantable,
    websocket: &WebSocketApi,
    http: &HttpApi,
) -> Result<(), SynthError> {
    let alarms = Alarms::new(stack)?;
    for function in functions {
        alarms.watch_function(stack, function)?;
    }
    for queue in &resources.queues {
        alarms.watch_queue(stack, queue, ATTEMPTS_BEFORE_ALARM)?;
    }
    for table in &resources.tables {
        alarms.watch_table(stack, table)?;
    }
    alarms.watch_websocket_api(stack, websocket)?;
    alarms.watch_http_api(stack, http)?;
    let delivery = DeliveryFunction::SPEC.name;
    alarms.add(
        stack,
        &ConstructPath::root(delivery).child("GivenUpAlarm"),
        AlarmOptions::at_least_one(
            "Deliveries to a connection were given up after 10 attempts: see the errors in the log of \
             delivery. Clients get the messages when they reconnect",
            given_up_metric(delivery),
        ),
    )
}

/// The metric of deliveries that the delivery function has given up.
fn given_up_metric(function: &'static str) -> Metric {
    Metric {
        namespace: NAMESPACE.into(),
        metric_name: DELIVERIES_GIVEN_UP.into(),
        dimensions: vec![Dimension {
            name: FUNCTION_DIMENSION.into(),
            value: function.into(),
        }],
    }
}

fn add_dashboard(
    stack: &mut Stack,
    functions: &[Function],
    resources: &Grantable,
    websocket: &WebSocketApi,
    http: &HttpApi,
) -> Result<(), SynthError> {
    let mut dashboard = Dashboard::default();
    dashboard.add_websocket_api(websocket);
    dashboard.add_http_api(http);
    for function in functions {
        dashboard.add_function(function);
    }
    for queue in &resources.queues {
        dashboard.add_queue(queue);
    }
    dashboard.add_tables(&resources.tables);
    dashboard.add(stack, "Dashboard")
}

/// Adds a construct for each of the contract's declarations.
fn add_all<S, C>(
    stack: &mut Stack,
    specs: &[&'static S],
    add: impl Fn(&mut Stack, &'static S) -> Result<C, SynthError>,
) -> Result<Vec<C>, SynthError> {
    specs.iter().map(|spec| add(stack, spec)).collect()
}

#[cfg(test)]
mod tests {
    use cloudformation::Format;
    use constructs::settings::JwtAuthorizer;
    use serde_json::{Value, json};

    use super::*;
    use crate::{
        environments::JobRetention,
        test_product::{PRODUCT_WITH_ROUTES, project},
    };

    fn resources(project: Project, environment: &Environment) -> Value {
        let template = synthesize(project, environment).expect("a template");
        let mut template = template.to_json(Format::CloudFormation).expect("JSON");
        template["Resources"].take()
    }

    #[test]
    fn product_route_has_the_authorizer_of_the_environment_if_it_declares_one() {
        let project = Project::new(&PRODUCT_WITH_ROUTES, || vec![Environment::dev()]);
        let authorization = |environment: &Environment| {
            let resources = resources(project, environment);
            ["HttpApiGetShelfRoute", "HttpApiPutShelfRoute"]
                .map(|id| resources[id]["Properties"]["AuthorizationType"].clone())
        };
        let mut environment = Environment::dev();
        assert_eq!(authorization(&environment), ["NONE", "NONE"]);
        let jwt = JwtAuthorizer::new("https://login.example.com", &["shelves"]);
        environment.job_authorizer = Some(jwt.expect("an authorizer"));
        assert_eq!(authorization(&environment), ["NONE", "JWT"]);
    }

    #[test]
    fn retention_of_an_environment_is_that_of_its_jobs_and_objects() {
        let retention = |environment: &Environment| {
            let resources = resources(project(), environment);
            let rules =
                &resources["ObjectsBucket"]["Properties"]["LifecycleConfiguration"]["Rules"];
            let days: Vec<_> = rules
                .as_array()
                .expect("rules")
                .iter()
                .filter_map(|rule| rule["ExpirationInDays"].as_u64())
                .collect();
            let variables = &resources["JobsFunction"]["Properties"]["Environment"]["Variables"];
            (days, variables["JOB_RETENTION_DAYS"].clone())
        };
        for environment in [Environment::dev(), Environment::prod()] {
            assert_eq!(retention(&environment), (vec![7], json!("7")));
        }
        let month = Environment {
            job_retention: JobRetention::new(30),
            ..Environment::dev()
        };
        assert_eq!(retention(&month), (vec![30], json!("30")));
    }

    #[test]
    fn given_up_deliveries_raise_an_alarm() {
        let resources = resources(project(), &Environment::prod());
        let alarm = &resources["DeliveryGivenUpAlarm"]["Properties"];
        assert_eq!(alarm["Namespace"], "Stagecast");
        assert_eq!(alarm["MetricName"], "DeliveriesGivenUp");
        let dimensions = json!([{ "Name": "function", "Value": "delivery" }]);
        assert_eq!(alarm["Dimensions"], dimensions);
        assert_eq!(alarm["Threshold"], 1);
    }
}
