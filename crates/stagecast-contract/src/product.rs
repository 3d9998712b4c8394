//! A product: what a workspace that is built on Stagecast declares beside the job system.

use typed_contract::{
    buckets::BucketSpec,
    const_fmt::{const_panic, equal},
    functions::{FunctionSpec, StackResources, check_resources},
    names::is_alphanumeric_or,
    queues::QueueSpec,
    routes::HttpRouteSpec,
    tables::TableSpec,
};

use crate::{
    functions::{self, PIPELINE},
    input::InputRules,
    routes::HttpRoute,
};

/// A product: its names, its inputs, its pipeline, and its resources beside those of the job system.
///
/// ```
/// use stagecast_contract::{
///     input::{InputRules, MediaType, no_check},
///     product::Product,
/// };
/// use typed_contract::functions::Function as _;
///
/// stagecast_contract::pipeline_function! {
///     /// Imports files.
///     PipelineFunction {
///         memory_mib: 1024,
///         timeout_seconds: 900,
///         grants: {},
///         settings: [],
///     }
/// }
///
/// pub const PRODUCT: Product = Product {
///     description: "Imports: totals of files",
///     ..Product::new("imports", PipelineFunction::SPEC, &INPUT)
/// };
/// const _: () = PRODUCT.check();
///
/// const INPUT: InputRules = InputRules {
///     name: "file",
///     media_types: &[MediaType {
///         name: "text/csv",
///         label: "CSV",
///         extensions: &[".csv"],
///         signature: b"",
///     }],
///     max_bytes: 1024 * 1024,
///     check: no_check,
///     example: "",
/// };
///
/// assert_eq!(PRODUCT.all_functions().len(), 5);
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Product {
    /// The product's name in the names of its stacks: 1 to 20 lower-case letters, digits and hyphens, the
    /// first one a letter.
    pub name: &'static str,
    /// Precedes the names of all tables and queues, so that an account can hold several products. Empty, or
    /// up to 21 letters, digits, `_` and `-`, enough for the product's name and a hyphen.
    pub name_prefix: &'static str,
    /// The description of the template, up to 1,024 bytes.
    pub description: &'static str,
    /// The inputs that the pipeline accepts.
    pub input: &'static InputRules,
    /// The function that runs jobs, declared with [`pipeline_function!`](crate::pipeline_function).
    pub pipeline: &'static FunctionSpec,
    /// The product's own tables.
    pub tables: &'static [&'static TableSpec],
    /// The product's own queues.
    pub queues: &'static [&'static QueueSpec],
    /// The product's own buckets.
    pub buckets: &'static [&'static BucketSpec],
    /// The product's own functions.
    pub functions: &'static [&'static FunctionSpec],
    /// The product's own routes of the HTTP API.
    pub http_routes: &'static [ProductRoute],
}

/// A route of the HTTP API that a product adds, declared with `http_routes!`, and the function that serves it.
#[derive(Clone, Copy, Debug)]
pub struct ProductRoute {
    /// The route's name, method and path.
    pub route: HttpRouteSpec,
    /// One of [`Product::functions`], with the trigger `HttpRoutes`.
    pub function: &'static FunctionSpec,
}

/// Whether a product can have this name: 1 to 20 lower-case letters, digits and hyphens, the first one a letter.
///
/// ```
/// use stagecast_contract::product::is_valid_name;
///
/// assert!(is_valid_name("csv-totals"));
/// assert!(!is_valid_name("CSV totals"));
/// ```
pub const fn is_valid_name(name: &str) -> bool {
    let name = name.as_bytes();
    if name.is_empty() || name.len() > 20 || !name[0].is_ascii_lowercase() {
        return false;
    }
    let mut index = 0;
    while index < name.len() {
        let byte = name[index];
        if !(byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-') {
            return false;
        }
        index += 1;
    }
    true
}

impl Product {
    /// A product without resources beside those of the job system, whose tables and queues have no prefix.
    pub const fn new(
        name: &'static str,
        pipeline: &'static FunctionSpec,
        input: &'static InputRules,
    ) -> Self {
        Self {
            name,
            name_prefix: "",
            description: "Streams live progress of long-running jobs",
            input,
            pipeline,
            tables: &[],
            queues: &[],
            buckets: &[],
            functions: &[],
            http_routes: &[],
        }
    }

    /// All functions of the product, in the order of the template.
    pub fn all_functions(&self) -> Vec<&'static FunctionSpec> {
        let mut all = functions::ALL.to_vec();
        // Before the delivery function, as in the templates of earlier versions.
        all.insert(all.len() - 1, self.pipeline);
        all.extend(self.functions);
        all
    }

    /// All tables of the product, in the order of the template.
    pub fn all_tables(&self) -> Vec<&'static TableSpec> {
        let system = functions::RESOURCES.tables.iter();
        system.chain(self.tables).copied().collect()
    }

    /// All queues of the product, in the order of the template.
    pub fn all_queues(&self) -> Vec<&'static QueueSpec> {
        let system = functions::RESOURCES.queues.iter();
        system.chain(self.queues).copied().collect()
    }

    /// All buckets of the product, in the order of the template.
    pub fn all_buckets(&self) -> Vec<&'static BucketSpec> {
        let system = functions::RESOURCES.buckets.iter();
        system.chain(self.buckets).copied().collect()
    }

    /// Rejects a declaration that cannot be deployed: invalid or duplicate names, resources that are used but
    /// not declared, routes without a function. For a `const` item, where it panics at compile time.
    ///
    /// ```compile_fail,E0080
    /// # use stagecast_contract::{input::{InputRules, MediaType, no_check}, product::Product};
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
    /// #     example: "",
    /// # };
    /// const PRODUCT: Product = Product::new("Imports of files", PipelineFunction::SPEC, &INPUT);
    /// const _: () = PRODUCT.check();
    /// ```
    #[track_caller]
    pub const fn check(&self) {
        self.check_names();
        self.input.check();
        let resources = [
            functions::RESOURCES,
            StackResources {
                tables: self.tables,
                queues: self.queues,
                buckets: self.buckets,
            },
        ];
        check_resources(&[self.pipeline], &resources);
        check_resources(self.functions, &resources);
        self.check_resource_names();
        self.check_functions();
        self.check_routes();
    }

    #[track_caller]
    const fn check_names(&self) {
        if !is_valid_name(self.name) {
            const_panic(&[
                "the product's name is `",
                self.name,
                "`: use 1 to 20 lower-case letters, digits and hyphens, the first one a letter",
            ]);
        }
        if self.name_prefix.len() > 21 || !is_alphanumeric_or(self.name_prefix, b"_-") {
            const_panic(&[
                "the product's name_prefix is `",
                self.name_prefix,
                "`: use up to 21 letters, digits, '_' and '-'",
            ]);
        }
        if self.description.len() > 1024 {
            const_panic(&["the product's description has more than 1,024 bytes"]);
        }
        if !equal(self.pipeline.name, PIPELINE) {
            const_panic(&[
                "the pipeline of the product is the function `",
                self.pipeline.name,
                "`: declare it with pipeline_function!",
            ]);
        }
    }

    #[track_caller]
    const fn check_resource_names(&self) {
        macro_rules! check_unique {
            ($kind:literal, $list:ident) => {{
                let mut index = 0;
                while index < self.$list.len() {
                    let name = self.$list[index].name;
                    let mut found = 0;
                    let mut other = 0;
                    while other < functions::RESOURCES.$list.len() {
                        found += equal(functions::RESOURCES.$list[other].name, name) as usize;
                        other += 1;
                    }
                    other = 0;
                    while other < index {
                        found += equal(self.$list[other].name, name) as usize;
                        other += 1;
                    }
                    if found > 0 {
                        const_panic(&["there are two ", $kind, "s `", name, "`: rename one"]);
                    }
                    index += 1;
                }
            }};
        }
        check_unique!("table", tables);
        check_unique!("queue", queues);
        check_unique!("bucket", buckets);
    }

    #[track_caller]
    const fn check_functions(&self) {
        let mut index = 0;
        while index < self.functions.len() {
            let name = self.functions[index].name;
            let mut is_taken = equal(name, PIPELINE);
            let mut other = 0;
            while other < functions::ALL.len() {
                is_taken = is_taken || equal(functions::ALL[other].name, name);
                other += 1;
            }
            other = 0;
            while other < index {
                is_taken = is_taken || equal(self.functions[other].name, name);
                other += 1;
            }
            if is_taken {
                const_panic(&["there are two functions `", name, "`: rename one"]);
            }
            index += 1;
        }
    }

    #[track_caller]
    const fn check_routes(&self) {
        let mut index = 0;
        while index < self.http_routes.len() {
            let ProductRoute { route, function } = &self.http_routes[index];
            let mut is_known = false;
            let mut other = 0;
            while other < self.functions.len() {
                is_known = is_known || equal(self.functions[other].name, function.name);
                other += 1;
            }
            if !is_known {
                const_panic(&[
                    "the route `",
                    route.path,
                    "` is served by the function `",
                    function.name,
                    "`, which is not among the product's functions",
                ]);
            }
            typed_contract::functions::check_serves_http_route(function, route.path);
            let mut taken = false;
            other = 0;
            while other < HttpRoute::ALL.len() {
                let system = HttpRoute::ALL[other];
                taken = taken
                    || (equal(system.path(), route.path)
                        && equal(system.method().name(), route.method.name()));
                other += 1;
            }
            other = 0;
            while other < index {
                let earlier = &self.http_routes[other].route;
                taken = taken
                    || (equal(earlier.path, route.path)
                        && equal(earlier.method.name(), route.method.name()));
                other += 1;
            }
            if taken {
                const_panic(&[
                    "there are two routes `",
                    route.method.name(),
                    " ",
                    route.path,
                    "`: change the method or the path of one",
                ]);
            }
            index += 1;
        }
    }
}
