//! The diagram of the stack, and the permissions of its functions.

use std::fmt::Write;

use indexmap::{IndexMap, IndexSet};
use stagecast_contract::product::Product;
use typed_contract::{
    functions::{FunctionSpec, Trigger},
    grants::GrantedOn,
};

use crate::{
    resources::iam::{Role, Target},
    template::Template,
};

/// Writes the diagram and the permissions as Markdown. `header` is a comment.
pub fn diagram(product: &Product, template: &Template, header: &str) -> String {
    format!(
        "{header}\n# The stack\n\nArrows lead from caller to callee.\n\n{}\n## Permissions of the \
         functions\n\n{}\n## Permissions on all resources\n\n{}",
        flowchart(product),
        permissions(product),
        exceptions(template)
    )
}

/// A node of the diagram: its id, and its text with the shape.
type Node = (String, String);

fn function_node(function: &FunctionSpec) -> Node {
    let id = format!("function_{}", function.name);
    let shape = format!("[{} function]", function.name);
    (id, shape)
}

fn granted_node(on: GrantedOn) -> Node {
    match on {
        GrantedOn::Table(table) | GrantedOn::Index(table, _) => (
            format!("table_{}", table.name),
            format!("[({} table)]", table.name),
        ),
        GrantedOn::Queue(queue) => (
            format!("queue_{}", queue.name),
            format!("[/{} queue/]", queue.name),
        ),
        GrantedOn::Bucket(bucket) => (
            format!("bucket_{}", bucket.name),
            format!("[({} bucket)]", bucket.name),
        ),
        GrantedOn::Connections(_) => websocket_node(),
        GrantedOn::Secret(secret) => (
            format!("secret_{}", node_id(secret.name)),
            format!("[(\"{} secret\")]", node_text(secret.name)),
        ),
        GrantedOn::Parameter(parameter) => (
            format!("parameter_{}", node_id(parameter.name)),
            format!("[(\"{} parameter\")]", node_text(parameter.name)),
        ),
        GrantedOn::External(external) => (
            format!("external_{}", external.name),
            format!("([{}])", external.name),
        ),
    }
}

/// The characters of `name` that ids of Mermaid can have; others are underscores.
fn node_id(name: &str) -> String {
    name.replace(|character: char| !character.is_ascii_alphanumeric(), "_")
}

/// `name` without its placeholder, whose braces are syntax of Mermaid.
fn node_text(name: &str) -> String {
    name.replace("{suffix}", "")
}

fn websocket_node() -> Node {
    ("websocket_api".to_owned(), "{{WebSocket API}}".to_owned())
}

fn http_node() -> Node {
    ("http_api".to_owned(), "{{HTTP API}}".to_owned())
}

fn flowchart(product: &Product) -> String {
    let clients = ("clients".to_owned(), "([Clients])".to_owned());
    let mut nodes = IndexMap::from([clients.clone(), websocket_node(), http_node()]);
    let mut arrows = IndexSet::from([
        (clients.0.clone(), websocket_node().0),
        (clients.0, http_node().0),
    ]);
    for function in product.all_functions() {
        let (id, shape) = function_node(function);
        nodes.insert(id.clone(), shape);
        for trigger in function.triggers {
            let (from, shape) = match trigger {
                Trigger::WebSocketRoutes => websocket_node(),
                Trigger::HttpRoutes => http_node(),
                Trigger::Queue { queue, .. } => granted_node(GrantedOn::Queue(queue)),
            };
            nodes.insert(from.clone(), shape);
            arrows.insert((from, id.clone()));
        }
        for grant in function.grants {
            let (to, shape) = granted_node(grant.on);
            nodes.insert(to.clone(), shape);
            arrows.insert((id.clone(), to));
        }
    }
    let mut flowchart = "```mermaid\nflowchart LR\n".to_owned();
    for (id, shape) in nodes {
        let _ = writeln!(flowchart, "  {id}{shape}");
    }
    for (from, to) in arrows {
        let _ = writeln!(flowchart, "  {from} --> {to}");
    }
    flowchart.push_str("```\n");
    flowchart
}

fn permissions(product: &Product) -> String {
    let mut table = "| function | resource | actions |\n| --- | --- | --- |\n".to_owned();
    for function in product.all_functions() {
        let mut by_resource: IndexMap<String, Vec<&str>> = IndexMap::new();
        for grant in function.grants {
            let on = match grant.on {
                GrantedOn::Table(table) => format!("table `{}`", table.name),
                GrantedOn::Index(table, index) => format!("index `{index}` of `{}`", table.name),
                GrantedOn::Queue(queue) => format!("queue `{}`", queue.name),
                GrantedOn::Bucket(bucket) => format!("bucket `{}`", bucket.name),
                GrantedOn::Connections(method) => format!("connections, by {method}"),
                GrantedOn::Secret(secret) => format!("secret `{}`", secret.name),
                GrantedOn::Parameter(parameter) => format!("parameter `{}`", parameter.name),
                GrantedOn::External(external) => format!("`{}`", external.arn),
            };
            by_resource.entry(on).or_default().push(grant.action);
        }
        for (on, actions) in by_resource {
            let actions = actions.join("`, `");
            let _ = writeln!(table, "| `{}` | {on} | `{actions}` |", function.name);
        }
    }
    table
}

/// The statements with the resource `*`, each with its reason.
fn exceptions(template: &Template) -> String {
    let mut reasons: IndexMap<(String, &str), Vec<String>> = IndexMap::new();
    for (id, role) in template.resources_of::<Role>() {
        for policy in &role.policies {
            for statement in policy.policy_document.statements() {
                if let Some(Target::Everything { reason }) = &statement.resource {
                    let actions = statement.action.join("`, `");
                    let roles = reasons.entry((actions, reason)).or_default();
                    roles.push(format!("`{id}`"));
                }
            }
        }
    }
    let mut table = "| actions | roles | reason |\n| --- | --- | --- |\n".to_owned();
    for ((actions, reason), roles) in reasons {
        let _ = writeln!(table, "| `{actions}` | {} | {reason} |", roles.join(", "));
    }
    table
}
