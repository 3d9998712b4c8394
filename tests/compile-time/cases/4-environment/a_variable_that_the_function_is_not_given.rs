//! Where clients connect is what the jobs function tells them, and nobody else.

use contract::{environment::WebSocketUrl, functions::PipelineFunction};
use handlers_core::aws::Environment;

fn address(environment: &Environment<PipelineFunction>) -> &str {
    environment.get::<WebSocketUrl>()
}

fn main() {}
