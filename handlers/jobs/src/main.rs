//! The function that serves the HTTP API for clients.

use contract::input::INPUT;
use lambda_runtime::Error;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    jobs::serve(&INPUT).await
}
