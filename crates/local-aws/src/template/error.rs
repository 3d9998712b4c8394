//! Errors of templates.

/// Why the local stack cannot run a template.
#[derive(Debug, thiserror::Error)]
pub enum TemplateError {
    /// The document is not a template.
    #[error(
        "this is not a CloudFormation template in its long form: {0}; convert short forms such as \
         `!Ref`, and YAML to JSON"
    )]
    NotATemplate(serde_json::Error),
    /// The template has a transform.
    #[error(
        "the template has the transform {0}, which only CloudFormation can expand: use the \
         processed template, from `aws cloudformation get-template --template-stage Processed`"
    )]
    Transform(String),
    /// A reference depends on itself.
    #[error("the references in {value} are circular: break the cycle in the template")]
    CircularReference {
        /// The reference or value at which the evaluation stopped.
        value: String,
    },
    /// An intrinsic function with invalid arguments.
    #[error("{function} does not accept {argument}: see its page in the CloudFormation user guide")]
    Malformed {
        /// The intrinsic function.
        function: String,
        /// Its argument.
        argument: String,
    },
    /// An intrinsic function that the local stack does not support.
    #[error("{function} is not supported by the local stack: replace it by its value")]
    UnknownFunction {
        /// The intrinsic function.
        function: String,
    },
    /// A reference to an undefined name.
    #[error("'{name}' is neither a parameter, a resource nor a condition of the template")]
    UnknownName {
        /// The name.
        name: String,
    },
    /// A parameter without a value and a default.
    #[error("the parameter {parameter} has no default: set it in `Options::parameters`")]
    ParameterWithoutValue {
        /// The parameter.
        parameter: String,
    },
    /// Properties that do not fit the resource type.
    #[error("the properties of {logical_id} are invalid for {kind}: {source}")]
    Properties {
        /// The resource.
        logical_id: String,
        /// The resource type.
        kind: String,
        /// The error of the parser.
        source: serde_json::Error,
    },
    /// Two APIs of the same protocol.
    #[error("{logical_id} is a second {kind} API: the local stack supports only one")]
    SecondApi {
        /// The resource.
        logical_id: String,
        /// `WEBSOCKET` or `HTTP`.
        kind: String,
    },
    /// An API without a stage.
    #[error("the API {api} has no AWS::ApiGatewayV2::Stage: add one to give it an address")]
    NoStage {
        /// The API's id.
        api: String,
    },
    /// A route whose target is not an integration with a function.
    #[error(
        "the route '{route}' has no function: set its target, now '{target}', to an integration \
         with one"
    )]
    RouteWithoutFunction {
        /// The route's key.
        route: String,
        /// The route's `Target`; empty if it has none.
        target: String,
    },
    /// A route selection expression that the local stack does not support.
    #[error(
        "the route selection expression '{0}' is not supported: write it as $request.body.{{field}}"
    )]
    UnsupportedRouteSelection(String),
    /// A function whose executable is not known.
    #[error(
        "the function {logical_id} does not name its binary: set \
         Metadata.BuildProperties.Binary to the name of its executable"
    )]
    NoBinary {
        /// The function.
        logical_id: String,
    },
    /// A reference to a queue or function that the template does not have.
    #[error("{user} refers to {arn}, which is not a resource of the template")]
    NotInTemplate {
        /// The logical id of the referring resource.
        user: String,
        /// The ARN that it refers to.
        arn: String,
    },
}
