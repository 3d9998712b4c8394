//! Lambda: runs the functions' executables as processes that poll the Runtime API.

mod function;
mod instance;
mod runtime_api;

pub(crate) use function::{Function, Host, InvokeError};
pub(crate) use instance::Instances;
pub(crate) use runtime_api::{PREFIX as RUNTIME_API_PREFIX, RuntimeApi};

use std::{collections::BTreeMap, sync::Arc};

/// The functions by their physical names.
pub(crate) type Functions = BTreeMap<String, Arc<Function>>;
