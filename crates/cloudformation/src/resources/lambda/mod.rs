//! Lambda: functions, permissions to invoke them, and event source mappings.

mod function;
mod invocation;
mod settings;

pub use function::{Code, EphemeralStorage, Function};
pub use invocation::{
    EventSourceMapping, FunctionResponseType, Permission, PermittedAction, ScalingConfig,
    invocation_uri,
};
pub use settings::{
    Architecture, LogFormat, LogLevel, LoggingConfig, Runtime, Tracing, TracingConfig,
    UnknownArchitecture, Variables,
};
