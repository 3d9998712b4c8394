//! Stacks with the constructs, and what the synthesis refuses.

use cloudformation::{Format, assertions::TemplateAssertions};
use constructs::{
    Function, FunctionOptions, Grantable, HttpApi, HttpApiOptions, HttpApiRoute, Queue, RouteKey,
    SettingValues, Stack, StageName, SynthError, Table, WebSocketApi, WebSocketApiOptions,
    settings::{
        ConnectAuthorizer, DataPolicy, JwtAuthorizer, Origin, QueueConcurrency, StackSettings,
        Throttling,
    },
};
use serde_json::{Value, json};
use typed_contract::{
    environment::WebSocketApi as WebSocketApiResource,
    external, function,
    functions::{Function as _, Trigger},
    http_routes, parameter, queue,
    queues::Queue as _,
    secret, settings, table,
    tables::Table as _,
};

table! {
    /// What customers have ordered.
    Orders = "orders" in "ORDERS_TABLE" {
        OrderKey { order_id: String },
        time_to_live: expires_at: Number,
    }
}

queue! {
    /// Orders that wait for their shipment, by their ids.
    Shipments = "shipments" in "SHIPMENTS_QUEUE_URL" {
        message: String,
        visibility_timeout_seconds: 60,
        max_receives: 5,
    }
}

settings! {
    /// The carrier of all parcels.
    Carrier = "CARRIER",
}

http_routes! {
    /// A route of the HTTP API.
    pub enum HttpRoute {
        /// Places an order.
        PlaceOrder = Post "/v1/orders",
        /// Returns an order.
        GetOrder = Get "/v1/orders/{order_id}",
        /// Imports an order.
        ImportOrder = Post "/v1/imports",
    }
}

http_routes! {
    /// A route that another part of the stack declares.
    pub enum OtherRoute {
        /// Returns an order as well.
        ReadOrder = Get "/v1/orders/{order_id}",
    }
}

function! {
    /// Serves the orders.
    OrdersFunction = "orders" {
        memory_mib: 256,
        timeout_seconds: 10,
        retry_budget_seconds: 0,
        triggers: [Trigger::HttpRoutes],
        grants: {
            Orders: [PutItem],
        },
        settings: [],
    }
}

function! {
    /// Ships orders.
    ShippingFunction = "shipping" {
        memory_mib: 256,
        ephemeral_storage_mib: 2048,
        timeout_seconds: 30,
        retry_budget_seconds: 0,
        triggers: [Trigger::Queue { queue: Shipments::SPEC, batch_size: 10 }],
        grants: {},
        settings: [Carrier],
    }
}

function! {
    /// Serves the routes of the WebSocket API.
    TrackingFunction = "tracking" {
        memory_mib: 256,
        timeout_seconds: 10,
        retry_budget_seconds: 5,
        triggers: [Trigger::WebSocketRoutes],
        grants: {
            WebSocketApiResource: [PostToConnection],
        },
        settings: [],
    }
}

secret! {
    /// The key of the billing service.
    ApiKey = "billing/api-key{suffix}" in "BILLING_API_KEY_SECRET"
}

parameter! {
    /// The password of the carrier's portal.
    Password = "/carrier/password" in "CARRIER_PASSWORD_PARAMETER" {
        key: "arn:{partition}:kms:{region}:{account}:key/0d3e5ab4",
    }
}

external! {
    /// The topic of the support team.
    Alerts = "arn:{partition}:sns:{region}:{account}:alerts{suffix}" in "ALERTS_TOPIC_ARN" {
        /// Send a message to the topic's subscribers.
        Publish = "sns:Publish",
        /// Read the topic's settings.
        GetTopicAttributes = "sns:GetTopicAttributes",
    }
}

external! {
    /// The bucket with the partner's prices, in the partner's account.
    Prices = "arn:aws:s3:::partner-prices/*" in "PRICES_BUCKET" as "partner-prices" {
        /// Read a price list.
        ReadPriceList = "s3:GetObject",
    }
}

function! {
    /// Bills orders.
    BillingFunction = "billing" {
        memory_mib: 256,
        timeout_seconds: 10,
        retry_budget_seconds: 0,
        triggers: [Trigger::HttpRoutes],
        grants: {
            ApiKey: [GetSecretValue],
            Password: [GetParameter],
            Alerts: [Publish, GetTopicAttributes],
            Prices: [ReadPriceList],
        },
        settings: [],
    }
}

const LIMIT: Throttling = Throttling {
    requests_per_second: 50,
    burst: 100,
};
const LOWER_LIMIT: Throttling = Throttling {
    requests_per_second: 5,
    burst: 10,
};

fn stack(settings: StackSettings) -> Stack {
    Stack::new("A shop", settings).expect("a stack")
}

fn function(
    stack: &mut Stack,
    spec: &'static typed_contract::functions::FunctionSpec,
    resources: &Grantable,
) -> Result<Function, SynthError> {
    let options = FunctionOptions {
        resources,
        values: &SettingValues::default(),
        reserved_concurrency: None,
    };
    Function::add(stack, spec, options)
}

fn with_table(stack: &mut Stack) -> Grantable {
    Grantable {
        tables: vec![Table::add(stack, Orders::SPEC).expect("a table")],
        ..Grantable::default()
    }
}

/// The stack as JSON, with references that all have a target.
fn json(stack: Stack) -> Value {
    let template = stack.into_template();
    assert_eq!(template.check_references().expect("serializes"), []);
    template.to_json(Format::CloudFormation).expect("JSON")
}

#[test]
fn http_routes_decide_the_methods_of_cross_origin_requests() {
    let mut stack = stack(StackSettings {
        allowed_origins: vec![Origin::new("https://shop.example.com").expect("an origin")],
        ..StackSettings::default()
    });
    let resources = with_table(&mut stack);
    let options = HttpApiOptions {
        cors: Some(constructs::CorsOptions::default()),
        ..HttpApiOptions::new("Orders", LIMIT)
    };
    let http = HttpApi::add(&mut stack, options).expect("an API");
    let orders = function(&mut stack, OrdersFunction::SPEC, &resources).expect("a function");
    let routes = HttpRoute::ALL.iter().map(|route| route.spec());
    http.add_routes(&mut stack, &orders, routes)
        .expect("routes");
    let template = json(stack);
    let cors = &template["Resources"]["HttpApi"]["Properties"]["CorsConfiguration"];
    assert_eq!(cors["AllowMethods"], json!(["GET", "POST"]));
    assert_eq!(cors["AllowOrigins"], json!(["https://shop.example.com"]));
}

#[test]
fn http_route_with_token_and_limit_differs_from_the_others() {
    let mut stack = stack(StackSettings::default());
    let resources = with_table(&mut stack);
    let authorizer = JwtAuthorizer::new("https://login.example.com/", &["shop"]);
    let options = HttpApiOptions {
        authorizer: Some(authorizer.expect("an authorizer")),
        ..HttpApiOptions::new("Orders", LIMIT)
    };
    let http = HttpApi::add(&mut stack, options).expect("an API");
    let orders = function(&mut stack, OrdersFunction::SPEC, &resources).expect("a function");
    let routes = [
        HttpApiRoute::from(HttpRoute::PlaceOrder.spec())
            .with_token()
            .with_throttling(LOWER_LIMIT),
        HttpApiRoute::from(HttpRoute::GetOrder.spec()),
    ];
    http.add_routes(&mut stack, &orders, routes)
        .expect("routes");
    let template = json(stack);
    let properties = |id: &str| &template["Resources"][id]["Properties"];
    assert_eq!(
        properties("HttpApiPlaceOrderRoute")["AuthorizationType"],
        "JWT"
    );
    assert_eq!(
        properties("HttpApiGetOrderRoute")["AuthorizationType"],
        "NONE"
    );
    let limits = properties("HttpApiStage")["RouteSettings"]
        .as_object()
        .expect("settings");
    assert_eq!(limits.keys().collect::<Vec<_>>(), ["POST /v1/orders"]);
}

#[test]
fn http_route_with_token_needs_an_authorizer() {
    let mut stack = stack(StackSettings::default());
    let resources = with_table(&mut stack);
    let http = HttpApi::add(&mut stack, HttpApiOptions::new("Orders", LIMIT)).expect("an API");
    let orders = function(&mut stack, OrdersFunction::SPEC, &resources).expect("a function");
    let route = HttpApiRoute::from(HttpRoute::PlaceOrder.spec()).with_token();
    let error = http
        .add_routes(&mut stack, &orders, [route])
        .expect_err("no authorizer");
    assert!(error.to_string().contains("'POST /v1/orders' requires"));
}

#[test]
fn http_route_of_another_enum_cannot_have_the_same_key() {
    let mut stack = stack(StackSettings::default());
    let resources = with_table(&mut stack);
    let http = HttpApi::add(&mut stack, HttpApiOptions::new("Orders", LIMIT)).expect("an API");
    let orders = function(&mut stack, OrdersFunction::SPEC, &resources).expect("a function");
    let error = http
        .add_routes(
            &mut stack,
            &orders,
            [HttpRoute::GetOrder.spec(), OtherRoute::ReadOrder.spec()],
        )
        .expect_err("two routes with one key");
    assert_eq!(
        error,
        SynthError::DuplicateRoute {
            api: "HttpApi".to_owned(),
            key: "GET /v1/orders/{order_id}".to_owned(),
        }
    );
}

#[test]
fn second_http_api_is_independent_of_the_first() {
    let mut stack = stack(StackSettings::default());
    let resources = with_table(&mut stack);
    let orders = function(&mut stack, OrdersFunction::SPEC, &resources).expect("a function");
    for construct in ["PublicApi", "AdminApi"] {
        let options = HttpApiOptions {
            construct,
            ..HttpApiOptions::new("Orders", LIMIT)
        };
        let http = HttpApi::add(&mut stack, options).expect("an API");
        http.add_routes(&mut stack, &orders, [HttpRoute::GetOrder.spec()])
            .expect("routes");
    }
    let template = json(stack);
    for id in ["PublicApiGetOrderRoute", "AdminApiGetOrderRoute"] {
        assert!(template["Resources"].get(id).is_some(), "{id}");
    }
}

#[test]
fn function_without_the_trigger_is_not_invoked() {
    let mut stack = stack(StackSettings::default());
    let resources = with_table(&mut stack);
    let queue = Queue::add(&mut stack, Shipments::SPEC).expect("a queue");
    let orders = function(&mut stack, OrdersFunction::SPEC, &resources).expect("a function");
    let error = queue
        .add_event_source(&mut stack, &orders, QueueConcurrency::new(5))
        .expect_err("no trigger");
    assert!(
        error
            .to_string()
            .starts_with("the queue 'shipments' cannot invoke the function 'orders'"),
        "{error}"
    );
    let options = WebSocketApiOptions::new("Tracking", StageName::new("live"), LIMIT);
    let websocket = WebSocketApi::add(&mut stack, options).expect("an API");
    let key = RouteKey::new("track").expect("a key");
    let error = websocket
        .add_routes(&mut stack, &orders, [key])
        .expect_err("no trigger");
    assert!(matches!(error, SynthError::NotATrigger { .. }), "{error}");
}

#[test]
fn event_source_has_the_batch_size_of_the_trigger() {
    let mut stack = stack(StackSettings::default());
    let resources = Grantable {
        queues: vec![Queue::add(&mut stack, Shipments::SPEC).expect("a queue")],
        ..Grantable::default()
    };
    let options = FunctionOptions {
        resources: &resources,
        values: &SettingValues::default().with::<Carrier>("parcel-service"),
        reserved_concurrency: Some(4),
    };
    let shipping = Function::add(&mut stack, ShippingFunction::SPEC, options).expect("a function");
    resources.queues[0]
        .add_event_source(&mut stack, &shipping, QueueConcurrency::new(10))
        .expect("an event source");
    let template = stack.into_template();
    let assertions = TemplateAssertions::of(&template).expect("a template");
    assertions.has_resource_properties(
        "AWS::Lambda::EventSourceMapping",
        json!({ "BatchSize": 10, "ScalingConfig": { "MaximumConcurrency": 4 } }),
    );
}

#[test]
fn ephemeral_storage_is_in_both_templates_only_where_it_is_declared() {
    let mut stack = stack(StackSettings::default());
    let resources = Grantable {
        queues: vec![Queue::add(&mut stack, Shipments::SPEC).expect("a queue")],
        ..with_table(&mut stack)
    };
    let options = FunctionOptions {
        resources: &resources,
        values: &SettingValues::default().with::<Carrier>("parcel-service"),
        reserved_concurrency: None,
    };
    for spec in [OrdersFunction::SPEC, ShippingFunction::SPEC] {
        Function::add(&mut stack, spec, options).expect("a function");
    }
    let template = stack.into_template();
    for format in [Format::CloudFormation, Format::Sam] {
        let json = template.to_json(format).expect("JSON");
        let storage = |name: &str| {
            let properties = &json["Resources"][name]["Properties"];
            properties.get("EphemeralStorage").cloned()
        };
        assert_eq!(storage("ShippingFunction"), Some(json!({ "Size": 2048 })));
        assert_eq!(storage("OrdersFunction"), None);
    }
}

#[test]
fn function_cannot_use_what_the_stack_does_not_have() {
    let mut stack = stack(StackSettings::default());
    let nothing = Grantable::default();
    let table = function(&mut stack, OrdersFunction::SPEC, &nothing).expect_err("no table");
    assert!(table.to_string().contains("the table 'orders'"), "{table}");
    let api = function(&mut stack, TrackingFunction::SPEC, &nothing).expect_err("no API");
    assert_eq!(
        api,
        SynthError::NoWebSocketApi {
            function: "tracking"
        }
    );
    let queues = Grantable {
        queues: vec![Queue::add(&mut stack, Shipments::SPEC).expect("a queue")],
        ..nothing
    };
    let setting = function(&mut stack, ShippingFunction::SPEC, &queues).expect_err("no value");
    assert_eq!(
        setting,
        SynthError::NoSettingValue {
            function: "shipping",
            setting: "CARRIER"
        }
    );
}

#[test]
fn authorizer_and_connection_limit_apply_to_connect_however_it_is_given() {
    let mut stack = stack(StackSettings::default());
    let authorizer = ConnectAuthorizer::new("auth", &["route.request.querystring.token"]);
    let options = WebSocketApiOptions {
        authorizer: Some(authorizer.expect("an authorizer")),
        connection_throttling: Some(LOWER_LIMIT),
        ..WebSocketApiOptions::new("Tracking", StageName::new("live"), LIMIT)
    };
    let websocket = WebSocketApi::add(&mut stack, options).expect("an API");
    let resources = Grantable {
        websocket: Some(websocket.clone()),
        ..Grantable::default()
    };
    let tracking = function(&mut stack, TrackingFunction::SPEC, &resources).expect("a function");
    let keys = ["$connect", "track"].map(|key| RouteKey::new(key).expect("a key"));
    websocket
        .add_routes(&mut stack, &tracking, keys)
        .expect("routes");
    let template = json(stack);
    let properties = |id: &str| &template["Resources"][id]["Properties"];
    let connect = properties("WebSocketApiDollarConnectRoute");
    assert_eq!(connect["AuthorizationType"], "CUSTOM");
    let track = properties("WebSocketApiTrackRoute");
    assert_eq!(track["AuthorizationType"], "NONE");
    let limits = properties("WebSocketApiStage")["RouteSettings"]
        .as_object()
        .expect("settings");
    assert_eq!(limits.keys().collect::<Vec<_>>(), ["$connect"]);
}

#[test]
fn data_policy_decides_what_a_deleted_stack_leaves() {
    for (data, policy, is_protected) in [
        (DataPolicy::Disposable, "Delete", false),
        (DataPolicy::Protected, "Retain", true),
    ] {
        let mut stack = stack(StackSettings {
            data,
            ..StackSettings::default()
        });
        with_table(&mut stack);
        let template = json(stack);
        let table = &template["Resources"]["OrdersTable"];
        assert_eq!(table["DeletionPolicy"], policy);
        assert_eq!(
            table["Properties"]["DeletionProtectionEnabled"],
            is_protected
        );
    }
}

#[test]
fn grants_on_resources_outside_of_the_stack_name_exact_actions_and_arns() {
    let mut stack = stack(StackSettings::default());
    function(&mut stack, BillingFunction::SPEC, &Grantable::default()).expect("a function");
    let template = json(stack);
    let policies = &template["Resources"]["BillingRole"]["Properties"]["Policies"];
    let statements = policies[0]["PolicyDocument"]["Statement"].as_array();
    let statements: Vec<_> = statements.expect("statements").iter().collect();
    let account = "${AWS::Region}:${AWS::AccountId}";
    let expected = |sid: &str, actions: &[&str], arn: Value| json!({ "Sid": sid, "Effect": "Allow", "Action": actions, "Resource": [arn] });
    let sub = |service: &str, resource: &str| json!({ "Fn::Sub": format!("arn:${{AWS::Partition}}:{service}:{account}:{resource}") });
    let outside = [
        expected(
            "BillingApiKeySecret",
            &["secretsmanager:GetSecretValue"],
            sub(
                "secretsmanager",
                "secret:billing/api-key${NameSuffix}-??????",
            ),
        ),
        expected(
            "CarrierPasswordParameter",
            &["ssm:GetParameter"],
            sub("ssm", "parameter/carrier/password"),
        ),
        expected(
            "CarrierPasswordParameterKey",
            &["kms:Decrypt"],
            sub("kms", "key/0d3e5ab4"),
        ),
        expected(
            "AlertsExternal",
            &["sns:GetTopicAttributes", "sns:Publish"],
            sub("sns", "alerts${NameSuffix}"),
        ),
        expected(
            "PricesExternal",
            &["s3:GetObject"],
            json!("arn:aws:s3:::partner-prices/*"),
        ),
    ];
    assert_eq!(statements[..5], outside.iter().collect::<Vec<_>>());
    assert_eq!(statements.len(), 7, "with logs and traces: {statements:#?}");

    let function = &template["Resources"]["BillingFunction"]["Properties"];
    let variables = &function["Environment"]["Variables"];
    let names = json!({
        "BILLING_API_KEY_SECRET": { "Fn::Sub": "billing/api-key${NameSuffix}" },
        "CARRIER_PASSWORD_PARAMETER": "/carrier/password",
        "ALERTS_TOPIC_ARN": sub("sns", "alerts${NameSuffix}"),
        "PRICES_BUCKET": "partner-prices",
        "LOG_LEVEL": "info",
    });
    assert_eq!(*variables, names);
}
