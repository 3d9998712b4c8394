//! The function that serves the HTTP API for clients.

fn main() -> Result<(), stagecast::Error> {
    stagecast::jobs::serve(&contract::INPUT)
}
