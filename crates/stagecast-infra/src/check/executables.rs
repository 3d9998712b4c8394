//! Functions without an executable.

use stagecast_contract::product::Product;

use super::finding::Finding;
use crate::cargo_workspace::{CargoError, CargoWorkspace};

/// The functions of a product that have no executable in the workspace, or several. A note if Cargo cannot
/// describe the workspace.
pub fn missing_executables(
    product: &Product,
    workspace: &Result<CargoWorkspace, CargoError>,
) -> Vec<Finding> {
    let workspace = match workspace {
        Ok(workspace) => workspace,
        Err(error) => {
            return vec![Finding::note(
                "cargo",
                format!("not checked, because {error}"),
            )];
        }
    };
    let functions = product.all_functions();
    let errors = functions.iter().filter_map(|function| {
        let error = workspace.package_of(function.name).err()?;
        Some(Finding::problem(function.name, error.to_string()))
    });
    errors.collect()
}
