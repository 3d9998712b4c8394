//! The function `jobs` where the pipeline is the scripted one: its jobs are made from scripts.

use lambda_runtime::Error;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    jobs::serve(&end_to_end::script::INPUT).await
}
