//! The function that posts webhooks.

fn main() -> Result<(), stagecast::Error> {
    stagecast::webhooks::serve()
}
