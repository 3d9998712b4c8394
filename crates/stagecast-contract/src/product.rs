//! A product: what a workspace that is built on Stagecast declares beside the job system.

use typed_contract::{
    buckets::BucketSpec,
    const_fmt::{const_panic, equal},
    functions::{FunctionSpec, StackResources, Trigger, check_resources, check_serves_http_route},
    names::{
        DEAD_LETTERS, MAX_QUEUE_NAME_LENGTH, MAX_SUFFIX_LENGTH, MAX_TABLE_NAME_LENGTH,
        is_alphanumeric_or,
    },
    queues::QueueSpec,
    routes::{HttpRouteSpec, HttpRoutes, match_same_requests},
    tables::TableSpec,
};

use crate::{
    functions::{self, PIPELINE},
    input::InputRules,
    routes::HttpRoute,
    time_limits::LimitRules,
    worker_queues,
};

/// A product: its names, its inputs, its pipeline, and its resources beside those of the job system.
///
/// ```
/// use stagecast_contract::{
///     input::{InputRules, MediaType, any_parameters, no_check},
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
///     check_parameters: any_parameters,
///     example: "",
/// };
///
/// assert_eq!(PRODUCT.all_functions().len(), 6);
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
    /// The defaults and maxima of the time limits of jobs. [`Self::new`] sets none.
    pub limits: LimitRules,
    /// The queues of external workers, beside the pipeline: each name has 1 to 32 lower-case letters, digits,
    /// `_` and `-`, the first one a letter, and is not `default`, which is the pipeline.
    pub worker_queues: &'static [&'static str],
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
    /// The product's own routes of the HTTP API. Each function with the trigger `HttpRoutes` has one entry.
    pub http_routes: &'static [ProductRoutes],
}

/// The routes of the HTTP API that one of the product's functions serves: all those of an enum that is declared
/// with `http_routes!`, so that none can be forgotten.
///
/// ```
/// use stagecast_contract::product::ProductRoutes;
/// use typed_contract::functions::{Function as _, Trigger};
///
/// typed_contract::http_routes! {
///     /// The routes of totals.
///     pub enum TotalsRoute {
///         /// Returns the total of an import.
///         GetTotal = Get "/v1/totals/{import_id}",
///     }
/// }
///
/// typed_contract::function! {
///     /// Serves totals.
///     TotalsFunction = "totals" {
///         memory_mib: 256,
///         timeout_seconds: 10,
///         retry_budget_seconds: 0,
///         triggers: [Trigger::HttpRoutes],
///         grants: {},
///         settings: [],
///     }
/// }
///
/// const ROUTES: ProductRoutes = ProductRoutes::of::<TotalsRoute>(TotalsFunction::SPEC);
/// assert_eq!(ROUTES.specs()[0].key(), "GET /v1/totals/{import_id}");
/// ```
#[derive(Clone, Copy, Debug)]
pub struct ProductRoutes {
    specs: &'static [HttpRouteSpec],
    function: &'static FunctionSpec,
}

impl ProductRoutes {
    /// All routes of `R`. `function` is one of [`Product::functions`], with the trigger `HttpRoutes`.
    pub const fn of<R: HttpRoutes>(function: &'static FunctionSpec) -> Self {
        Self {
            specs: R::SPECS,
            function,
        }
    }

    /// The routes, in the order of declaration.
    pub const fn specs(&self) -> &'static [HttpRouteSpec] {
        self.specs
    }

    /// The function that serves them.
    pub const fn function(&self) -> &'static FunctionSpec {
        self.function
    }
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
            limits: LimitRules::NONE,
            worker_queues: &[],
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
        all.insert(all.len() - 2, self.pipeline);
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

    /// Rejects a declaration that cannot be deployed: invalid or duplicate names, time limits that no job can
    /// have, resources that are used but not declared, routes without a function. For a `const` item, where it
    /// panics at compile time.
    ///
    /// ```compile_fail,E0080
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
    /// const PRODUCT: Product = Product::new("Imports of files", PipelineFunction::SPEC, &INPUT);
    /// const _: () = PRODUCT.check();
    /// ```
    #[track_caller]
    pub const fn check(&self) {
        self.check_names();
        self.input.check();
        self.limits.check();
        worker_queues::check(self.worker_queues);
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
        macro_rules! check_length {
            ($kind:literal, $list:ident, $room:expr) => {{
                let mut index = 0;
                while index < self.$list.len() {
                    let name = self.$list[index].name;
                    if self.name_prefix.len() + name.len() > $room {
                        const_panic(&[
                            "the name of the ",
                            $kind,
                            " `",
                            name,
                            "` is too long: AWS limits it, with the product's name_prefix and 40 \
                             characters for the stack's suffix; shorten it",
                        ]);
                    }
                    index += 1;
                }
            }};
        }
        check_length!("table", tables, MAX_TABLE_NAME_LENGTH - MAX_SUFFIX_LENGTH);
        check_length!(
            "queue",
            queues,
            MAX_QUEUE_NAME_LENGTH - MAX_SUFFIX_LENGTH - DEAD_LETTERS.len()
        );
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
            self.check_route_function(index);
            let specs = self.http_routes[index].specs;
            let mut route = 0;
            while route < specs.len() {
                self.check_route(index, &specs[route]);
                route += 1;
            }
            index += 1;
        }
        index = 0;
        while index < self.functions.len() {
            self.check_has_routes(self.functions[index]);
            index += 1;
        }
    }

    /// Rejects routes of a function that the product does not have, that is not invoked for them, or that has
    /// other routes: an executable serves one enum.
    #[track_caller]
    const fn check_route_function(&self, index: usize) {
        let ProductRoutes { specs, function } = self.http_routes[index];
        if specs.is_empty() {
            const_panic(&[
                "an entry of the product's http_routes for the function `",
                function.name,
                "` has no route: declare one, or remove the entry",
            ]);
        }
        let mut is_known = false;
        let mut other = 0;
        while other < self.functions.len() {
            is_known = is_known || equal(self.functions[other].name, function.name);
            other += 1;
        }
        if !is_known {
            const_panic(&[
                "the route `",
                specs[0].path,
                "` is served by the function `",
                function.name,
                "`, which is not among the product's functions",
            ]);
        }
        check_serves_http_route(function, specs[0].path);
        other = 0;
        while other < index {
            if equal(self.http_routes[other].function.name, function.name) {
                const_panic(&[
                    "the route `",
                    specs[0].path,
                    "` is in another enum than `",
                    self.http_routes[other].specs[0].path,
                    "`, but the function `",
                    function.name,
                    "` serves both: declare them in one http_routes!, or give each enum its own function",
                ]);
            }
            other += 1;
        }
    }

    /// Rejects a route of the entry `index` with the method and path of a route of the job system or of an
    /// earlier entry. Those of one entry differ, because `http_routes!` checks them.
    #[track_caller]
    const fn check_route(&self, index: usize, route: &HttpRouteSpec) {
        let mut taken = false;
        let mut other = 0;
        while other < HttpRoute::ALL.len() {
            taken = taken || is_same_route(&HttpRoute::ALL[other].spec(), route);
            other += 1;
        }
        let mut entry = 0;
        while entry < index {
            let specs = self.http_routes[entry].specs;
            other = 0;
            while other < specs.len() {
                taken = taken || is_same_route(&specs[other], route);
                other += 1;
            }
            entry += 1;
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
    }

    /// Rejects a function that is invoked for routes of which the product lists none.
    #[track_caller]
    const fn check_has_routes(&self, function: &FunctionSpec) {
        let mut is_expected = false;
        let mut index = 0;
        while index < function.triggers.len() {
            is_expected = is_expected || matches!(function.triggers[index], Trigger::HttpRoutes);
            index += 1;
        }
        let mut is_listed = false;
        index = 0;
        while index < self.http_routes.len() {
            is_listed = is_listed || equal(self.http_routes[index].function.name, function.name);
            index += 1;
        }
        if is_expected && !is_listed {
            const_panic(&[
                "the function `",
                function.name,
                "` has the trigger HttpRoutes, but the product's http_routes have no route of it: add \
                 ProductRoutes::of::<its enum>(its SPEC), or remove the trigger",
            ]);
        }
    }
}

const fn is_same_route(one: &HttpRouteSpec, other: &HttpRouteSpec) -> bool {
    match_same_requests(one.path, other.path) && equal(one.method.name(), other.method.name())
}

#[cfg(test)]
mod tests {
    use typed_contract::{functions::Function as _, queues::Queue as _, tables::Table as _};

    use super::*;
    use crate::input::{MediaType, any_parameters, no_check};

    crate::pipeline_function! {
        /// Imports files.
        PipelineFunction { memory_mib: 1024, timeout_seconds: 900, grants: {}, settings: [], }
    }

    typed_contract::queue! {
        /// The longest name of a queue: 27 characters.
        LongQueue = "orders-that-wait-for-custom" in "LONG_QUEUE_URL" {
            message: u32,
            visibility_timeout_seconds: 60,
            max_receives: 5,
        }
    }

    typed_contract::table! {
        /// The longest name of a table: 215 characters.
        LongTable = "ttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttt" in "LONG_TABLE" {
            LongKey { id: String },
            time_to_live: expires_at: Number,
        }
    }

    const INPUT: InputRules = InputRules {
        name: "file",
        media_types: &[MediaType {
            name: "text/csv",
            label: "CSV",
            extensions: &[],
            signature: b"",
        }],
        max_bytes: 1024,
        check: no_check,
        check_parameters: any_parameters,
        example: "",
    };
    const PRODUCT: Product = Product::new("imports", PipelineFunction::SPEC, &INPUT);

    #[test]
    fn longest_names_leave_room_for_the_suffix() {
        let names = (LongQueue::SPEC.name.len(), LongTable::SPEC.name.len());
        assert_eq!(names, (27, 215));
        let product = Product {
            queues: &[LongQueue::SPEC],
            tables: &[LongTable::SPEC],
            ..PRODUCT
        };
        product.check();
    }

    #[test]
    #[should_panic(expected = "the name of the queue `orders-that-wait-for-custom")]
    fn queue_whose_dead_letter_queue_has_too_long_a_name_is_refused() {
        let product = Product {
            queues: &[LongQueue::SPEC],
            name_prefix: "-",
            ..PRODUCT
        };
        product.check();
    }

    #[test]
    #[should_panic(expected = "the name of the table `ttt")]
    fn table_with_too_long_a_name_is_refused() {
        let product = Product {
            tables: &[LongTable::SPEC],
            name_prefix: "-",
            ..PRODUCT
        };
        product.check();
    }
}
