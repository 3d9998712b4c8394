//! The environment variables that a function is given.

use std::{collections::BTreeMap, marker::PhantomData};

use contract::{
    environment::{self, HasEnvVar, Resource},
    functions::Function,
    grants::GrantedOn,
};

/// A variable that the template gives the function is not there.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error(
    "the environment variable {0} is not set; the function was not started by the template that \
     infra-gen writes (run `infra-gen synth` and deploy again)"
)]
pub struct MissingVariable(pub &'static str);

/// The environment variables that the function `F` is given, read once.
#[derive(Debug)]
pub struct Environment<F> {
    values: BTreeMap<&'static str, String>,
    function: PhantomData<fn() -> F>,
}

impl<F> Clone for Environment<F> {
    fn clone(&self) -> Self {
        Self {
            values: self.values.clone(),
            function: PhantomData,
        }
    }
}

impl<F: Function> Environment<F> {
    /// Reads the variables from the process's environment.
    pub fn load() -> Result<Self, MissingVariable> {
        Self::read(|name| std::env::var(name).ok())
    }

    /// Reads the variables from wherever `read` finds them.
    pub fn read(read: impl Fn(&'static str) -> Option<String>) -> Result<Self, MissingVariable> {
        let mut values = BTreeMap::new();
        let mut names: Vec<&'static str> = Vec::new();
        for grant in F::SPEC.grants {
            match grant.on {
                GrantedOn::Table(table) | GrantedOn::Index(table, _) => names.push(table.variable),
                GrantedOn::Queue(queue) => names.push(queue.variable),
                GrantedOn::Bucket(bucket) => names.push(bucket.variable),
                GrantedOn::Connections(_) => names.extend([
                    environment::WEBSOCKET_API_ID,
                    environment::WEBSOCKET_STAGE,
                    environment::WEBSOCKET_ENDPOINT,
                ]),
            }
        }
        names.extend(F::SPEC.settings.iter().map(|setting| setting.variable()));
        for name in names {
            values.insert(name, read(name).ok_or(MissingVariable(name))?);
        }
        Ok(Self {
            values,
            function: PhantomData,
        })
    }

    /// The value of the variable of `R`.
    pub fn get<R: Resource>(&self) -> &str
    where
        F: HasEnvVar<R>,
    {
        self.value(R::VARIABLE)
    }

    /// The value of a variable that [`Self::read`] has found, by construction: every resource of a
    /// grant or a setting is among the values.
    pub(super) fn value(&self, name: &str) -> &str {
        self.values.get(name).map_or("", String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use contract::{environment::WebSocketUrl, functions::JobsFunction, tables::Jobs};

    use super::*;

    #[test]
    fn a_function_reads_the_variables_of_its_grants_and_settings() {
        let environment =
            Environment::<JobsFunction>::read(|name| Some(format!("value of {name}"))).unwrap();
        assert_eq!(environment.get::<Jobs>(), "value of JOBS_TABLE");
        assert_eq!(environment.get::<WebSocketUrl>(), "value of WEBSOCKET_URL");
    }

    #[test]
    fn a_missing_variable_is_named() {
        let error =
            Environment::<JobsFunction>::read(|name| (name != "JOBS_TABLE").then(String::new))
                .unwrap_err();
        assert_eq!(error, MissingVariable("JOBS_TABLE"));
    }
}
