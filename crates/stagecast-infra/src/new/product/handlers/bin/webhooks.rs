//! The function `webhooks`.

fn main() -> Result<(), stagecast::Error> {
    stagecast::webhooks::serve()
}
