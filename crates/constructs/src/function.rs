//! A Lambda function with its role and its log group.

use cloudformation::{
    Attributes, ConstructPath, Handle, Parameter, ParameterType, StringValue,
    resources::{
        iam::{Policy, PolicyDocument, Role, Statement},
        lambda::{
            self, Code, EphemeralStorage, LogFormat, LoggingConfig, Runtime, Tracing,
            TracingConfig, Variables,
        },
        logs::LogGroup,
        serverless,
    },
};
use indexmap::IndexMap;
use typed_contract::{
    environment,
    functions::{DEFAULT_EPHEMERAL_STORAGE_MIB, FunctionSpec},
};

use crate::{
    error::SynthError,
    pattern::resolve,
    permissions::{self, Grantable, GrantedResource},
    setting_values::SettingValues,
    stack::Stack,
};

/// The file name that Lambda's `provided` runtimes start.
const HANDLER: &str = "bootstrap";

/// The options of a [`Function`].
#[derive(Clone, Copy, Debug)]
pub struct FunctionOptions<'a> {
    /// The resources among which the function's grants and triggers are found.
    pub resources: &'a Grantable,
    /// The values of the function's settings.
    pub values: &'a SettingValues,
    /// The reserved concurrency, which is the maximum of concurrent invocations as well. Lambda requires
    /// that 100 of the account's remain unreserved. None: the account's unreserved concurrency.
    pub reserved_concurrency: Option<u32>,
}

/// A function with its role and its log group. Its permissions and environment variables follow from its
/// declaration.
///
/// ```
/// use constructs::{Function, FunctionOptions, Grantable, SettingValues, Stack, Table};
/// use constructs::settings::StackSettings;
/// use typed_contract::{functions::{Function as _, Trigger}, tables::Table as _};
///
/// typed_contract::table! {
///     /// What customers have ordered.
///     Orders = "orders" in "ORDERS_TABLE" {
///         OrderKey { order_id: String },
///         time_to_live: expires_at: Number,
///     }
/// }
///
/// typed_contract::function! {
///     /// Serves the orders.
///     OrdersFunction = "orders" {
///         memory_mib: 256,
///         timeout_seconds: 10,
///         retry_budget_seconds: 0,
///         triggers: [Trigger::HttpRoutes],
///         grants: {
///             Orders: [GetItem, PutItem],
///         },
///         settings: [],
///     }
/// }
///
/// let mut stack = Stack::new("A function", StackSettings::default())?;
/// let resources = Grantable {
///     tables: vec![Table::add(&mut stack, Orders::SPEC)?],
///     ..Grantable::default()
/// };
/// let options = FunctionOptions {
///     resources: &resources,
///     values: &SettingValues::default(),
///     reserved_concurrency: None,
/// };
/// Function::add(&mut stack, OrdersFunction::SPEC, options)?;
///
/// let template = stack.into_template().to_json(cloudformation::Format::CloudFormation)?;
/// let policy = &template["Resources"]["OrdersRole"]["Properties"]["Policies"][0]["PolicyDocument"];
/// assert_eq!(policy["Statement"][0]["Action"][0], "dynamodb:GetItem");
/// let variables = &template["Resources"]["OrdersFunction"]["Properties"]["Environment"]["Variables"];
/// assert_eq!(variables["ORDERS_TABLE"]["Ref"], "OrdersTable");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Function {
    /// The function as it is declared.
    pub spec: &'static FunctionSpec,
    /// The function in the template.
    pub resource: Handle<lambda::Function>,
    /// The reserved concurrency, which limits the function's queues as well.
    pub reserved_concurrency: Option<u32>,
}

impl Function {
    /// Adds the function, its role and its log group.
    ///
    /// The parameters `ArtifactBucket` and, for the function `orders`, `OrdersCodeKey` say where its
    /// package is. The package has the executable `bootstrap`, as Lambda's `provided` runtimes expect it.
    ///
    /// Fails with [`SynthError::NotInStack`] or [`SynthError::NoWebSocketApi`] if the function uses a
    /// resource that is not among the options, and with [`SynthError::NoSettingValue`] if a setting has no
    /// value.
    pub fn add(
        stack: &mut Stack,
        spec: &'static FunctionSpec,
        options: FunctionOptions<'_>,
    ) -> Result<Self, SynthError> {
        let path = ConstructPath::root(spec.name);
        let settings = stack.settings();
        let (architecture, log_level) = (settings.architecture, settings.log_level);
        let logs = LogGroup {
            retention_in_days: settings.log_retention,
            tags: stack.tags().list(),
        };
        let logs = stack.add_data(&path.child("LogGroup"), logs)?;
        let role = Role {
            assume_role_policy_document: PolicyDocument::new(vec![Statement::trust(
                "lambda.amazonaws.com",
            )]),
            policies: vec![Policy {
                policy_name: "grants".into(),
                policy_document: PolicyDocument::new(permissions::statements(
                    spec,
                    options.resources,
                    &logs,
                )?),
            }],
            tags: stack.tags().list(),
        };
        let role = stack.add(&path.child("Role"), role)?;
        let function = lambda::Function {
            description: spec.description.into(),
            architectures: [architecture],
            runtime: Runtime::ProvidedAl2023,
            handler: HANDLER.into(),
            code: add_code(stack, spec)?,
            memory_size: spec.memory_mib,
            ephemeral_storage: (spec.ephemeral_storage_mib != DEFAULT_EPHEMERAL_STORAGE_MIB)
                .then_some(EphemeralStorage {
                    size: spec.ephemeral_storage_mib,
                }),
            timeout: spec.timeout_seconds,
            role: role.arn(),
            environment: Variables {
                variables: variables(stack, spec, options)?
                    .into_iter()
                    .map(|(name, value)| (name.into(), value))
                    .collect(),
            },
            logging_config: LoggingConfig {
                log_group: logs.name(),
                log_format: LogFormat::Json,
                application_log_level: log_level,
            },
            tracing_config: TracingConfig {
                mode: Tracing::Active,
            },
            reserved_concurrent_executions: options.reserved_concurrency,
            tags: stack.tags().list(),
        };
        let attributes = Attributes {
            metadata: serverless::build_metadata(spec.name),
            ..Attributes::default()
        };
        let resource = stack.add_with(&path.child("Function"), function, attributes)?;
        Ok(Self {
            spec,
            resource,
            reserved_concurrency: options.reserved_concurrency,
        })
    }
}

/// Adds the parameters with the location of the function's package.
fn add_code(stack: &mut Stack, spec: &FunctionSpec) -> Result<Code, SynthError> {
    let settings = stack.settings();
    let code = Code::of(spec.name).with_sam_code_uri(settings.workspace.clone());
    let constraint = settings.package_constraint.clone();
    let parameter = |description| Parameter {
        kind: ParameterType::String,
        description,
        default: None,
        allowed_pattern: Some(".+".to_owned()),
        constraint_description: Some(constraint.clone()),
    };
    stack.add_parameter(
        &code.s3_bucket,
        parameter("The bucket with the functions' packages".to_owned()),
    )?;
    stack.add_parameter(
        &code.s3_key,
        parameter(format!(
            "The key of the package of the function {}",
            spec.name
        )),
    )?;
    Ok(code)
}

/// The function's environment variables: the names of the resources in its grants, its settings, and
/// its log level.
fn variables(
    stack: &Stack,
    spec: &FunctionSpec,
    options: FunctionOptions<'_>,
) -> Result<IndexMap<&'static str, StringValue>, SynthError> {
    let mut variables = IndexMap::new();
    for grant in spec.grants {
        match options.resources.find(spec, grant.on)? {
            GrantedResource::Table(table) | GrantedResource::Index(table, _) => {
                variables.insert(table.spec.variable, table.resource.name());
            }
            GrantedResource::Queue(queue) => {
                variables.insert(queue.spec.variable, queue.resource.url());
            }
            GrantedResource::Bucket(bucket) => {
                variables.insert(bucket.spec.variable, bucket.resource.name());
            }
            GrantedResource::Connections(websocket, _) => {
                variables.extend([
                    (environment::WEBSOCKET_API_ID, websocket.id()),
                    (environment::WEBSOCKET_STAGE, websocket.literal_stage_name()),
                    (environment::WEBSOCKET_ENDPOINT, websocket.endpoint()),
                ]);
            }
            GrantedResource::Secret(secret) => {
                variables.insert(secret.variable, resolve(secret.name));
            }
            GrantedResource::Parameter(parameter) => {
                variables.insert(parameter.variable, resolve(parameter.name));
            }
            GrantedResource::External(external) => {
                let value = external.value.unwrap_or(external.arn);
                variables.insert(external.variable, resolve(value));
            }
        }
    }
    for setting in spec.settings {
        let value = options.values.value(spec, setting)?;
        variables.insert(setting.variable, value);
    }
    let log_level = stack.settings().log_level;
    variables.insert(environment::LOG_LEVEL, log_level.to_string().into());
    Ok(variables)
}
