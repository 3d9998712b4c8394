//! The stack of an order intake.

use cloudformation::{
    Attributes, ConstructPath, NameCollision, Template, Untyped, UntypedError,
    resources::iam::{Policy, PolicyDocument, Role, Statement, Target as Resources},
    sub,
};
use constructs::{
    Function, FunctionOptions, Grantable, HttpApi, HttpApiOptions, Queue, SettingValues, Stack,
    SynthError, Table,
    settings::{Origin, QueueConcurrency, StackSettings, Tags, Throttling},
};
use serde_json::json;
use typed_contract::{functions::Trigger, queues::Queue as _, tables::Table as _};

use crate::{
    contract::{Carrier, FUNCTIONS, HttpRoute, Orders, Shipments},
    schedule::{FlexibleTimeWindow, Schedule, ScheduleAttributes as _, Target},
};

/// What differs between stacks.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The name of the schedule.
    pub schedule_name: String,
    /// The carrier of all parcels.
    pub carrier: String,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            schedule_name: "nightly-reminder".to_owned(),
            carrier: "parcel-service".to_owned(),
        }
    }
}

/// Why there is no template.
#[derive(Debug, thiserror::Error)]
pub enum StackError {
    /// A setting has an invalid value.
    #[error(transparent)]
    Setting(#[from] constructs::settings::SettingError),
    /// The constructs do not fit together.
    #[error(transparent)]
    Synth(#[from] SynthError),
    /// Two parts of the stack have the same name.
    #[error(transparent)]
    Name(#[from] NameCollision),
    /// The untyped resource is not one.
    #[error(transparent)]
    Untyped(#[from] UntypedError),
}

/// The template of the order intake.
pub fn template(settings: &Settings) -> Result<Template, StackError> {
    let mut stack = Stack::new(
        "Takes orders and ships them",
        StackSettings {
            tags: Tags::new([("Team", "shop")]),
            allowed_origins: vec![Origin::new("https://shop.example.com")?],
            ..StackSettings::default()
        },
    )?;
    let resources = Grantable {
        tables: vec![Table::add(&mut stack, Orders::SPEC)?],
        queues: vec![Queue::add(&mut stack, Shipments::SPEC)?],
        ..Grantable::default()
    };
    let throttling = Throttling {
        requests_per_second: 50,
        burst: 100,
    };
    let http = HttpApi::add(&mut stack, HttpApiOptions::new("Takes orders", throttling))?;
    stack.add_output("OrdersUrl", "Where orders go", http.url())?;

    let options = FunctionOptions {
        resources: &resources,
        values: &SettingValues::default().with::<Carrier>(settings.carrier.clone()),
        reserved_concurrency: None,
    };
    for spec in FUNCTIONS {
        let function = Function::add(&mut stack, spec, options)?;
        for trigger in spec.triggers {
            match trigger {
                Trigger::HttpRoutes => {
                    let routes = HttpRoute::ALL.iter().map(|route| route.spec());
                    http.add_routes(&mut stack, &function, routes)?;
                }
                Trigger::Queue { queue, .. } => {
                    let queue = resources.queue(spec, queue)?;
                    queue.add_event_source(&mut stack, &function, QueueConcurrency::new(10))?;
                }
                Trigger::WebSocketRoutes => {}
            }
        }
    }
    for queue in &resources.queues {
        add_schedule(&mut stack, queue, settings)?;
    }
    Ok(stack.into_template())
}

/// Two resources that no construct covers: a type that this crate declares, and one without a type that
/// stores the schedule's name for other stacks.
fn add_schedule(stack: &mut Stack, queue: &Queue, settings: &Settings) -> Result<(), StackError> {
    let path = ConstructPath::root("reminder");
    let arns = Resources::Arns(vec![queue.resource.arn()]);
    let role = Role {
        assume_role_policy_document: PolicyDocument::new(vec![Statement::trust(
            "scheduler.amazonaws.com",
        )]),
        policies: vec![Policy {
            policy_name: "grants".into(),
            policy_document: PolicyDocument::new(vec![Statement::allow(
                "Send",
                ["sqs:SendMessage"],
                arns,
            )]),
        }],
        tags: stack.tags().list(),
    };
    let role = stack.add(&path.child("Role"), role)?;
    let schedule = Schedule {
        name: settings.schedule_name.clone(),
        schedule_expression: "cron(0 3 * * ? *)",
        flexible_time_window: FlexibleTimeWindow::Flexible {
            maximum_window_in_minutes: 15,
        },
        target: Target {
            arn: queue.resource.arn(),
            role_arn: role.arn(),
            input: r#"{"type":"reminder"}"#.into(),
        },
    };
    let schedule = stack.add(&path.child("Schedule"), schedule)?;
    let parameter = Untyped::new(
        "AWS::SSM::Parameter",
        json!({
            "Type": "String",
            "Name": "/shop/reminder",
            "Value": schedule.name(),
            "Description": sub!["The schedule ", schedule.arn()],
        }),
    )?;
    let path = path.child("Parameter");
    stack
        .template_mut()
        .add_untyped(&path, parameter, Attributes::default())?;
    Ok(())
}
