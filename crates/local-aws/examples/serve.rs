//! Runs a template until Ctrl-C: `cargo run -p local-aws --example serve -- TEMPLATE.json BINARIES [PORT]`.
//!
//! `TEMPLATE.json` is in CloudFormation's long form. `BINARIES` is the folder with the functions'
//! executables, `target/debug` in a Cargo workspace.

use std::{
    env,
    error::Error,
    fs,
    io::{self, Write as _},
};

use local_aws::{LocalStack, Options, ShowLogs};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<_> = env::args().skip(1).collect();
    let (template, binaries, port) = match arguments.as_slice() {
        [template, binaries] => (template, binaries, 0),
        [template, binaries, port] => (template, binaries, port.parse()?),
        _ => {
            return Err(
                "help: give TEMPLATE.json, the folder of the executables, and a port".into(),
            );
        }
    };
    let mut options = Options::new(serde_json::from_slice(&fs::read(template)?)?, binaries);
    options.port = port;
    options.show_logs = ShowLogs::Readable { colour: false };
    options.names.port = "the third argument";
    options.names.binaries = "the second argument";
    let stack = LocalStack::start(options).await?;

    let mut output = io::stdout().lock();
    for warning in stack.warnings() {
        writeln!(output, "note: {warning}")?;
    }
    let urls = stack.urls();
    writeln!(output, "HTTP API: {}", urls.http_api)?;
    writeln!(output, "WebSocket API: {}", urls.websocket)?;
    writeln!(output, "AWS_ENDPOINT_URL={}", urls.endpoint_url)?;
    drop(output);
    tokio::signal::ctrl_c().await?;
    stack.shutdown().await;
    Ok(())
}
