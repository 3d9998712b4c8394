//! The product under test.

use std::fmt;

use stagecast_infra::Project;
use typed_contract::{
    environment::Setting,
    secrets::{Parameter, Secret},
};

/// A product with an input that its pipeline completes.
///
/// [`delivery_scenarios!`](crate::delivery_scenarios) takes one in place of its three arguments, for a product
/// whose settings differ on this machine, or whose stages read secrets:
///
/// ```
/// # mod infra_gen {
/// #     use stagecast_contract::{input::{InputRules, any_parameters, no_check}, product::Product};
/// #     use typed_contract::functions::Function as _;
/// #     stagecast_contract::pipeline_function! {
/// #         /// Imports files.
/// #         PipelineFunction { memory_mib: 1024, timeout_seconds: 900, grants: {}, settings: [MaxRows], }
/// #     }
/// #     typed_contract::settings! {
/// #         /// Maximum number of rows.
/// #         MaxRows = "MAX_ROWS",
/// #     }
/// #     typed_contract::secret! {
/// #         /// The key of the billing service.
/// #         BillingKey = "imports{suffix}/billing-key" in "BILLING_KEY_NAME"
/// #     }
/// #     const INPUT: InputRules = InputRules {
/// #         name: "file", media_types: &[], max_bytes: 1024, check: no_check, check_parameters: any_parameters, example: "",
/// #     };
/// #     const PRODUCT: Product = Product::new("imports", PipelineFunction::SPEC, &INPUT);
/// #     pub fn project() -> stagecast_infra::Project {
/// #         stagecast_infra::Project::new(&PRODUCT, || vec![stagecast_infra::environments::Environment::dev()])
/// #     }
/// # }
/// use infra_gen::{BillingKey, MaxRows};
/// use stagecast_scenarios::TestedProduct;
///
/// let product = TestedProduct::new(infra_gen::project(), b"group,amount\n", "text/csv")
///     .with_setting::<MaxRows>("100")
///     .with_secret::<BillingKey>("a key for tests");
/// ```
#[derive(Clone, Debug)]
pub struct TestedProduct {
    /// The infrastructure. Local stacks run its environment `dev`.
    pub project: Project,
    /// An input that the pipeline completes.
    pub input: Vec<u8>,
    /// The media type of the input, as the header `content-type` of `POST /v1/jobs`.
    pub media_type: String,
    pub(crate) settings: Vec<(&'static str, String)>,
    /// The values of secrets and parameters, by their declared names.
    pub(crate) secrets: Vec<(&'static str, SecretValue)>,
}

/// A value that is not shown.
#[derive(Clone)]
pub(crate) struct SecretValue(pub(crate) String);

impl fmt::Debug for SecretValue {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("[redacted]")
    }
}

impl TestedProduct {
    /// A product with an input of this media type. Its pipeline should complete the input within seconds,
    /// because every scenario runs it.
    pub fn new(project: Project, input: impl AsRef<[u8]>, media_type: impl Into<String>) -> Self {
        Self {
            project,
            input: input.as_ref().to_owned(),
            media_type: media_type.into(),
            settings: Vec::new(),
            secrets: Vec::new(),
        }
    }

    /// Gives a setting another value on local stacks than in the environment `dev`.
    #[must_use]
    pub fn with_setting<S: Setting>(mut self, value: impl Into<String>) -> Self {
        self.settings.push((S::SPEC.variable, value.into()));
        self
    }

    /// Gives a secret a value on local stacks. Stages that read a secret without one fail.
    #[must_use]
    pub fn with_secret<S: Secret>(mut self, value: impl Into<String>) -> Self {
        self.secrets.push((S::SPEC.name, SecretValue(value.into())));
        self
    }

    /// Gives a parameter of SSM Parameter Store a value on local stacks.
    #[must_use]
    pub fn with_parameter<P: Parameter>(mut self, value: impl Into<String>) -> Self {
        self.secrets.push((P::SPEC.name, SecretValue(value.into())));
        self
    }
}
