//! Runs a scenario as a test.

use std::{path::Path, time::Duration};

use local_aws::{LogLine, Options};
use typed_contract::environment::LOG_LEVEL;

use crate::{
    engine::{Engine, OUTPUTS},
    executables,
    system::{Job, System},
    tested_product::TestedProduct,
    worker::Worker,
};

/// The time between two looks at the functions' logs.
const LOOK: Duration = Duration::from_millis(200);

/// A running scenario: the product's system, and the input for its jobs.
#[derive(Debug)]
pub struct Scenario {
    /// The running system.
    pub system: System,
    /// The product under test.
    pub product: TestedProduct,
}

impl Scenario {
    /// Creates a job from the product's input.
    pub async fn create(&self) -> Job {
        let TestedProduct {
            media_type, input, ..
        } = &self.product;
        self.system.create(media_type, input.clone()).await
    }

    /// Creates a job for an external worker from the product's input.
    pub async fn create_external(&self) -> (Job, Worker) {
        let TestedProduct {
            media_type, input, ..
        } = &self.product;
        self.system.create_external(media_type, input.clone()).await
    }
}

/// Runs a scenario on a stack of the product: on a local stack, or on the deployed stack that
/// [`OUTPUTS`] names. `manifest_folder` is a folder in the product's workspace.
///
/// # Panics
///
/// If the scenario fails, if a function cannot start, or if a function made a call that it is not granted.
pub fn test(
    manifest_folder: impl AsRef<Path>,
    product: TestedProduct,
    scenario: impl AsyncFnOnce(&Scenario),
) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime starts");
    runtime.block_on(async {
        let system = match Engine::chosen() {
            Engine::Local => start_local(manifest_folder.as_ref(), &product).await,
            Engine::Aws | Engine::Ministack => System::deployed(product.project, OUTPUTS).await,
        };
        let running = Scenario { system, product };
        tokio::select! {
            () = scenario(&running) => {}
            reason = function_failure(&running.system) => panic!("{reason}"),
        }
        running.system.finish().await;
    });
}

async fn start_local(manifest_folder: &Path, product: &TestedProduct) -> System {
    let functions = product.project.product.all_functions();
    let names = functions.iter().map(|function| function.name);
    let folder = executables::build(manifest_folder, names);
    System::local_with(product.project, folder, |options| {
        apply_settings(product, options);
        options.names.secrets = "`TestedProduct::with_secret` or `with_parameter`";
        for (name, value) in &product.secrets {
            // The environment `dev` has no suffix.
            options
                .secrets
                .set(name.replace("{suffix}", ""), value.0.clone());
        }
    })
    .await
}

/// Sets the product's settings, and the log level of `cargo dev`.
fn apply_settings(product: &TestedProduct, options: &mut Options) {
    for function in product.project.product.all_functions() {
        let variables = options.environment.entry(function.name.to_owned());
        let variables = variables.or_default();
        variables.insert(LOG_LEVEL.to_owned(), "info".to_owned());
        for (variable, value) in &product.settings {
            let mut settings = function.settings.iter();
            if settings.any(|setting| setting.variable == *variable) {
                variables.insert((*variable).to_owned(), value.clone());
            }
        }
    }
}

/// Waits until a function's process cannot serve. Its jobs would stay queued until the timeout.
async fn function_failure(system: &System) -> String {
    loop {
        if let Some(line) = system.logs().iter().find(|line| ends_a_process(line)) {
            return format!(
                "the function `{}` ended: {}\n\
                 help: a setting or a secret may be missing or invalid; `cargo dev` shows the same error",
                line.function, line.text
            );
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// Whether this is what Rust prints when `main` panics or returns an error.
fn ends_a_process(line: &LogLine) -> bool {
    line.text.starts_with("Error: ") || line.text.starts_with("thread 'main'")
}
