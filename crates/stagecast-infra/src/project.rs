//! The infrastructure of a product: its declarations, its environments, and what it adds to the stack.

use constructs::{Grantable, SettingValues, Stack, SynthError};
use stagecast_contract::product::Product;

use crate::{
    environments::{Environment, EnvironmentError},
    route_bodies::RouteBodies,
};

/// The infrastructure of a product. The command line, the local stack and tests are given one.
///
/// ```
/// use stagecast_infra::{environments::Environment, project::Project};
///
/// # use stagecast_contract::{input::{InputRules, MediaType, any_parameters, no_check}, product::Product};
/// # use typed_contract::functions::Function as _;
/// # stagecast_contract::pipeline_function! {
/// #     /// Imports files.
/// #     PipelineFunction { memory_mib: 1024, timeout_seconds: 900, grants: {}, settings: [], }
/// # }
/// # const INPUT: InputRules = InputRules {
/// #     name: "file",
/// #     media_types: &[MediaType { name: "text/csv", label: "CSV", extensions: &[], signature: b"" }],
/// #     max_bytes: 1024,
/// #     check: no_check,
/// #     check_parameters: any_parameters,
/// #     example: "",
/// # };
/// # const PRODUCT: Product = Product::new("imports", PipelineFunction::SPEC, &INPUT);
/// let project = Project::new(&PRODUCT, || vec![Environment::dev(), Environment::prod()]);
/// assert_eq!(project.environment("prod")?.name, "prod");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Project {
    /// The product's declarations.
    pub product: &'static Product,
    environments: fn() -> Vec<Environment>,
    settings: fn(&Environment, SettingValues) -> SettingValues,
    extend: fn(&mut Stack, &Environment, &Grantable) -> Result<(), SynthError>,
    #[cfg_attr(not(feature = "cli"), expect(dead_code, reason = "for the documents"))]
    bodies: fn(&mut RouteBodies),
}

impl Project {
    /// The infrastructure of `product` in these environments. One of them is `dev`, which `cargo dev` runs and
    /// which is the default of the command line.
    pub fn new(product: &'static Product, environments: fn() -> Vec<Environment>) -> Self {
        Self {
            product,
            environments,
            settings: |_, values| values,
            extend: |_, _, _| Ok(()),
            bodies: |_| {},
        }
    }

    /// Adds the values of the product's own settings: `|environment, values| values.with::<MaxRows>("100")`.
    #[must_use]
    pub fn with_settings(self, settings: fn(&Environment, SettingValues) -> SettingValues) -> Self {
        Self { settings, ..self }
    }

    /// Adds resources to the stack that are not in the product's declarations, such as alarms. The function
    /// gets the stack after all declared resources were added, the environment, and the declared tables,
    /// queues and buckets, for references. A type of resource that the library does not have is a type of
    /// the caller, which implements [`ResourceType`](crate::template::ResourceType); its package needs
    /// `serde` with the feature `derive`, which `infra-gen new` adds.
    ///
    /// ```
    /// use stagecast_infra::{
    ///     Project,
    ///     template::{Attributes, ConstructPath, Untyped},
    /// };
    ///
    /// fn with_news(project: Project) -> Project {
    ///     project.with_resources(|stack, _environment, _resources| {
    ///         let topic = Untyped::parse("AWS::SNS::Topic", "DisplayName: News")?;
    ///         let path = ConstructPath::root("News").child("Topic");
    ///         stack.template_mut().add_untyped(&path, topic, Attributes::default())?;
    ///         Ok(())
    ///     })
    /// }
    /// ```
    #[must_use]
    pub fn with_resources(
        self,
        extend: fn(&mut Stack, &Environment, &Grantable) -> Result<(), SynthError>,
    ) -> Self {
        Self { extend, ..self }
    }

    /// Describes the bodies of the product's own routes in the OpenAPI document. A route that is not described
    /// has a body of any type there.
    ///
    /// ```
    /// use schemars::JsonSchema;
    /// use stagecast_infra::Project;
    ///
    /// # typed_contract::http_routes! {
    /// #     /// The routes of totals.
    /// #     pub enum TotalsRoute {
    /// #         /// Returns the total of an import.
    /// #         GetTotal = Get "/v1/totals/{import_id}",
    /// #     }
    /// # }
    /// /// The total of an import.
    /// #[derive(JsonSchema)]
    /// struct Total {
    ///     /// In cents.
    ///     total: u64,
    /// }
    ///
    /// fn with_total(project: Project) -> Project {
    ///     project.with_bodies(|bodies| {
    ///         bodies.response::<Total>(TotalsRoute::GetTotal.spec(), 200);
    ///     })
    /// }
    /// ```
    #[must_use]
    pub fn with_bodies(self, bodies: fn(&mut RouteBodies)) -> Self {
        Self { bodies, ..self }
    }

    /// All environments.
    pub fn environments(&self) -> Vec<Environment> {
        (self.environments)()
    }

    /// The environment with this name; the error lists the existing ones.
    pub fn environment(&self, name: &str) -> Result<Environment, EnvironmentError> {
        let mut environments = self.environments();
        let Some(index) = environments.iter().position(|it| it.name == name) else {
            let known: Vec<_> = environments.iter().map(|it| it.name).collect();
            return Err(EnvironmentError::UnknownEnvironment {
                name: name.to_owned(),
                known: known.join(", "),
            });
        };
        Ok(environments.swap_remove(index))
    }

    /// The environment that the local stack runs, `dev`.
    pub fn development(&self) -> Result<Environment, EnvironmentError> {
        self.environment("dev")
    }

    /// The name of the stack on a developer's machine. Its bucket is named after it, so a kept data folder is
    /// read under the same name.
    pub fn local_stack_name(&self) -> String {
        format!("{}-local", self.product.name)
    }

    /// The values of the product's settings beside those in `values`.
    pub(crate) fn setting_values(
        &self,
        environment: &Environment,
        values: SettingValues,
    ) -> SettingValues {
        (self.settings)(environment, values)
    }

    /// The bodies of the product's own routes.
    #[cfg(feature = "cli")]
    pub(crate) fn bodies(&self) -> RouteBodies {
        let mut bodies = RouteBodies::default();
        (self.bodies)(&mut bodies);
        bodies
    }

    /// Adds the product's resources that are not in its declarations.
    pub(crate) fn extend(
        &self,
        stack: &mut Stack,
        environment: &Environment,
        resources: &Grantable,
    ) -> Result<(), SynthError> {
        (self.extend)(stack, environment, resources)
    }
}
