//! Why a template cannot be run here.

/// A template that cannot be run here.
#[derive(Debug, thiserror::Error)]
pub enum TemplateError {
    /// The document is not a template.
    #[error(
        "this is not a CloudFormation template in its long form: {0}; synthesize one with \
         `infra-gen synth --format cloudformation`"
    )]
    NotATemplate(serde_json::Error),
    /// The template has a transform.
    #[error(
        "the template has the transform {0}: only CloudFormation can expand it; synthesize one \
         with `infra-gen synth --format cloudformation`"
    )]
    Transform(String),
    /// A reference leads to itself.
    #[error("the references in {value} lead back to themselves: break the circle in the template")]
    Circle {
        /// Where it was noticed.
        value: String,
    },
    /// An intrinsic function with arguments it does not take.
    #[error(
        "{function} does not take {argument}: compare with its page in the CloudFormation guide"
    )]
    Malformed {
        /// The intrinsic function.
        function: String,
        /// Its argument.
        argument: String,
    },
    /// An intrinsic function that is not evaluated here.
    #[error("{function} is not evaluated locally: add it to local/src/template/intrinsics.rs")]
    UnknownFunction {
        /// The intrinsic function.
        function: String,
    },
    /// A name that stands for nothing.
    #[error("'{name}' is neither a parameter, a resource nor a condition of the template")]
    UnknownName {
        /// The name.
        name: String,
    },
    /// A parameter that must be given.
    #[error(
        "the parameter {parameter} has no default: give it a value in the options of the stack"
    )]
    ParameterWithoutValue {
        /// The parameter.
        parameter: String,
    },
    /// Properties that are not what the resource type has.
    #[error("the properties of {logical_id} are not those of {kind}: {source}")]
    Properties {
        /// The resource.
        logical_id: String,
        /// Its type.
        kind: String,
        /// What is wrong.
        source: serde_json::Error,
    },
    /// Two APIs of one kind.
    #[error("{logical_id} is a second {kind} API: the local stack runs one on its port")]
    SecondApi {
        /// The resource.
        logical_id: String,
        /// `WEBSOCKET` or `HTTP`.
        kind: String,
    },
    /// An API without a stage.
    #[error("the API {api} has no AWS::ApiGatewayV2::Stage: add one, or no address leads to it")]
    NoStage {
        /// The API's id.
        api: String,
    },
    /// A route that leads nowhere.
    #[error("the route '{route}' leads to no function: its target is {target}")]
    RouteWithoutFunction {
        /// The route's key.
        route: String,
        /// What it has for a target.
        target: String,
    },
    /// A selection expression that is not evaluated here.
    #[error(
        "the route selection expression '{0}' is not run locally: write it as $request.body.{{field}}"
    )]
    Selection(String),
    /// A function without a known executable.
    #[error(
        "the function {logical_id} does not say which binary it is: set \
         Metadata.BuildProperties.Binary to the name of its crate"
    )]
    NoBinary {
        /// The function.
        logical_id: String,
    },
    /// A reference to a queue or function that the template does not have.
    #[error("{user} refers to {arn}, which is not a resource of the template")]
    NotInTemplate {
        /// Who refers.
        user: String,
        /// To what.
        arn: String,
    },
}
