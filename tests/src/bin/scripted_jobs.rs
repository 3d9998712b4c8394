//! The function `jobs` for the scripted pipeline: accepts scripts as input.

use lambda_runtime::Error;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    jobs::serve(&end_to_end::script::INPUT).await
}
