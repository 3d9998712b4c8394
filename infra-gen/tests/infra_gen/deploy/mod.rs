//! `infra-gen deploy`, `destroy`, `outputs`, and `diff` with a deployed stack, run as processes with
//! the real SDK against a fake of AWS that fails on demand.

mod account;
mod building;
mod changes;
mod fake;
mod hosted_page;
mod http;
mod names;
mod program;
mod removal;
mod states;
mod watching;
