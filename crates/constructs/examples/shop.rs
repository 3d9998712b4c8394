//! The stack of a shop, as YAML: `cargo run -p constructs --example shop`.

use std::{
    error::Error,
    io::{self, Write},
};

use cloudformation::{ConstructPath, Format, Template, resources::cloudwatch::Metric};
use constructs::{
    AlarmOptions, Alarms, Bucket, BucketOptions, Dashboard, Function, FunctionOptions, Grantable,
    HttpApi, HttpApiOptions, HttpApiRoute, Queue, SettingValues, Stack, Table,
    settings::{
        JwtAuthorizer, NameSuffix, QueueConcurrency, RetentionDays, StackSettings, Tags, Throttling,
    },
};

/// The shop's contract. In a workspace, it is a crate that the functions depend on.
mod contract {
    use typed_contract::{
        bucket, function,
        functions::{Function as _, FunctionSpec, StackResources, Trigger, check_resources},
        http_routes, queue,
        queues::Queue as _,
        settings, table,
        tables::Table as _,
    };

    table! {
        /// What customers have ordered.
        Orders = "orders" in "ORDERS_TABLE" {
            OrderKey { order_id: String },
            time_to_live: expires_at: Number,
            indexes: {
                /// The orders of a customer, oldest first.
                OrdersOfCustomer = "by_customer" { customer_id: String, ordered_at: Number },
            },
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

    bucket! {
        /// The invoices of orders.
        Invoices = "invoices" in "INVOICES_BUCKET"
    }

    settings! {
        /// The carrier of all parcels.
        Carrier = "CARRIER",
    }

    http_routes! {
        /// A route of the shop's HTTP API.
        pub(crate) enum HttpRoute {
            /// Places an order.
            PlaceOrder = Post "/v1/orders",
            /// Returns an order.
            GetOrder = Get "/v1/orders/{order_id}",
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
                Orders: [GetItem, PutItem],
                OrdersOfCustomer: [QueryIndex],
                Shipments: [SendMessage],
            },
            settings: [],
        }
    }

    function! {
        /// Ships orders and writes their invoices.
        ShippingFunction = "shipping" {
            memory_mib: 512,
            timeout_seconds: 30,
            retry_budget_seconds: 0,
            triggers: [Trigger::Queue { queue: Shipments::SPEC, batch_size: 10 }],
            grants: {
                Orders: [UpdateItem],
                Invoices: [PutObject],
            },
            settings: [Carrier],
        }
    }

    /// All functions.
    pub(crate) const FUNCTIONS: &[&FunctionSpec] = &[OrdersFunction::SPEC, ShippingFunction::SPEC];

    const _: () = check_resources(
        FUNCTIONS,
        &[StackResources {
            tables: &[Orders::SPEC],
            queues: &[Shipments::SPEC],
            buckets: &[<Invoices as typed_contract::buckets::Bucket>::SPEC],
        }],
    );
}

/// The concurrent invocations that the queue makes of its consumer.
const SHIPMENTS_AT_A_TIME: QueueConcurrency = QueueConcurrency::new(10);

/// The suffix of the names of tables and queues.
const STAGING: NameSuffix = NameSuffix::from_static("-staging");

fn template() -> Result<Template, Box<dyn Error>> {
    use typed_contract::{
        buckets::Bucket as _, functions::Trigger, queues::Queue as _, tables::Table as _,
    };

    let settings = StackSettings {
        tags: Tags::new([("Team", "shop")]),
        name_suffix: STAGING,
        log_retention: RetentionDays::TwoWeeks,
        ..StackSettings::default()
    };
    let mut stack = Stack::new("Takes orders and ships them", settings)?;

    let invoices = BucketOptions {
        description: "The name of the bucket with invoices".into(),
        expiration: None,
        readable_by_pages: false,
        writable_by_pages: false,
    };
    let resources = Grantable {
        tables: vec![Table::add(&mut stack, contract::Orders::SPEC)?],
        queues: vec![Queue::add(&mut stack, contract::Shipments::SPEC)?],
        buckets: vec![Bucket::add(&mut stack, contract::Invoices::SPEC, invoices)?],
        websocket: None,
    };

    let stage = Throttling {
        requests_per_second: 100,
        burst: 200,
    };
    let placing = Throttling {
        requests_per_second: 10,
        burst: 20,
    };
    let authorizer = JwtAuthorizer::new("https://login.example.com/", &["shop"])?;
    let options = HttpApiOptions {
        authorizer: Some(authorizer.named("customers")),
        ..HttpApiOptions::new("Takes orders", stage)
    };
    let http = HttpApi::add(&mut stack, options)?;
    stack.add_output("Url", "The URL of the API", http.url())?;

    let options = FunctionOptions {
        resources: &resources,
        values: &SettingValues::default().with::<contract::Carrier>("parcel-service"),
        reserved_concurrency: None,
    };
    let alarms = Alarms::new(&mut stack)?;
    let mut dashboard = Dashboard::default();
    for spec in contract::FUNCTIONS {
        let function = Function::add(&mut stack, spec, options)?;
        for trigger in spec.triggers {
            if let Trigger::Queue { queue, .. } = trigger {
                let queue = resources.queue(spec, queue)?;
                queue.add_event_source(&mut stack, &function, SHIPMENTS_AT_A_TIME)?;
            } else {
                let routes = contract::HttpRoute::ALL.iter().map(|route| {
                    let is_limited = *route == contract::HttpRoute::PlaceOrder;
                    HttpApiRoute {
                        throttling: is_limited.then_some(placing),
                        ..HttpApiRoute::from(route.spec()).with_token()
                    }
                });
                http.add_routes(&mut stack, &function, routes)?;
            }
        }
        alarms.watch_function(&mut stack, &function)?;
        dashboard.add_function(&function);
    }
    for queue in &resources.queues {
        alarms.watch_queue(&mut stack, queue, 5)?;
        dashboard.add_queue(queue);
    }

    // An alarm on a metric that no construct has.
    let refused = Metric {
        namespace: "Shop".into(),
        metric_name: "ParcelsRefused".into(),
        dimensions: Vec::new(),
    };
    alarms.add(
        &mut stack,
        &ConstructPath::root("Parcels").child("RefusedAlarm"),
        AlarmOptions::at_least_one("The carrier refused a parcel: see its status page", refused),
    )?;
    dashboard.add(&mut stack, "Dashboard")?;
    Ok(stack.into_template())
}

fn main() -> Result<(), Box<dyn Error>> {
    let template = template()?;
    if let Some(error) = template.check_references()?.into_iter().next() {
        return Err(error.into());
    }
    let yaml = template.render(Format::CloudFormation).to_yaml()?;
    Ok(io::stdout().write_all(yaml.as_bytes())?)
}
