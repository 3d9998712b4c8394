//! A Lambda function with its role and its log group.

use contract::environment::{AllowedOrigins, MaxSubscriptions, StagePace, WebSocketUrl};
use indexmap::IndexMap;
use typed_contract::{
    environment::{self, Resource as _, SettingSpec},
    functions::FunctionSpec,
};

use super::{
    Grantable, Stack, SynthError,
    permissions::{self, GrantedResource},
};
use crate::{
    environments::Origin,
    resources::{
        iam::{Policy, PolicyDocument, Role, Statement},
        lambda::{
            self, Code, LogFormat, LoggingConfig, Runtime, Tracing, TracingConfig, Variables,
        },
        logs::LogGroup,
        serverless,
    },
    template::{Attributes, ConstructPath, Handle, Parameter, ParameterType, StringValue},
};

/// The workspace, relative to the folder of the templates. `sam build` runs Cargo there.
const WORKSPACE: &str = "..";

/// The file name that Lambda's `provided` runtimes start.
const HANDLER: &str = "bootstrap";

/// A function of the contract. Its permissions and environment variables follow from its declaration.
#[derive(Clone, Debug)]
pub struct Function {
    /// The function as the contract declares it.
    pub spec: &'static FunctionSpec,
    /// The function in the template.
    pub resource: Handle<lambda::Function>,
}

impl Function {
    /// Adds the function, its role and its log group.
    pub fn add(
        stack: &mut Stack,
        spec: &'static FunctionSpec,
        grantable: &Grantable,
    ) -> Result<Self, SynthError> {
        let path = ConstructPath::root(spec.name);
        let environment = stack.environment();
        let logs = LogGroup {
            retention_in_days: environment.log_retention,
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
                    spec, grantable, &logs,
                )?),
            }],
            tags: stack.tags().list(),
        };
        let role = stack.add(&path.child("Role"), role)?;
        let function = lambda::Function {
            description: spec.description.into(),
            architectures: [environment.architecture],
            runtime: Runtime::ProvidedAl2023,
            handler: HANDLER.into(),
            code: add_code(stack, spec)?,
            memory_size: spec.memory_mib,
            timeout: spec.timeout_seconds,
            role: role.arn(),
            environment: Variables {
                variables: variables(stack, spec, grantable)?
                    .into_iter()
                    .map(|(name, value)| (name.into(), value))
                    .collect(),
            },
            logging_config: LoggingConfig {
                log_group: logs.name(),
                log_format: LogFormat::Json,
                application_log_level: environment.log_level,
            },
            tracing_config: TracingConfig {
                mode: Tracing::Active,
            },
            reserved_concurrent_executions: (environment.reserved_concurrency)(spec),
            tags: stack.tags().list(),
        };
        let attributes = Attributes {
            metadata: serverless::build_metadata(spec.name),
            ..Attributes::default()
        };
        let resource = stack.add_with(&path.child("Function"), function, attributes)?;
        Ok(Self { spec, resource })
    }
}

/// Adds the parameters with the location of the function's package.
fn add_code(stack: &mut Stack, spec: &FunctionSpec) -> Result<Code, SynthError> {
    let code = Code::of(spec.name).with_sam_code_uri(WORKSPACE);
    let parameter = |description| Parameter {
        kind: ParameterType::String,
        description,
        default: None,
        allowed_pattern: Some(".+".to_owned()),
        constraint_description: Some("`infra-gen deploy` fills it in".to_owned()),
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
    grantable: &Grantable,
) -> Result<IndexMap<&'static str, StringValue>, SynthError> {
    let mut variables = IndexMap::new();
    for grant in spec.grants {
        match grantable.find(spec, grant.on)? {
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
        }
    }
    for setting in spec.settings {
        let value = value(spec, setting, stack, grantable)?;
        variables.insert(setting.variable, value);
    }
    let log_level = stack.environment().log_level;
    variables.insert(environment::LOG_LEVEL, log_level.to_string().into());
    Ok(variables)
}

/// The value of a setting of the contract.
fn value(
    function: &FunctionSpec,
    setting: &SettingSpec,
    stack: &Stack,
    grantable: &Grantable,
) -> Result<StringValue, SynthError> {
    let environment = stack.environment();
    Ok(match setting.variable {
        WebSocketUrl::VARIABLE => grantable.websocket.url(),
        MaxSubscriptions::VARIABLE => environment.max_subscriptions.to_string().into(),
        // A deployed pipeline never waits; `cargo dev` can slow the stages down.
        StagePace::VARIABLE => "0".to_owned().into(),
        AllowedOrigins::VARIABLE => environment
            .allowed_origins
            .iter()
            .map(Origin::as_str)
            .collect::<Vec<_>>()
            .join(",")
            .into(),
        other => return Err(SynthError::not_in_stack(function, "setting", other)),
    })
}
