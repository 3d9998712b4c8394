//! `infra-gen deploy`, `destroy`, `outputs` and the deployed side of `diff`, run as people run them,
//! through the real SDK, against a fake of AWS that fails on demand.

mod account;
mod building;
mod changes;
mod fake;
mod http;
mod names;
mod program;
mod removal;
mod states;
mod watching;
