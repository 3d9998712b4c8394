//! The function `worker`.

fn main() -> Result<(), stagecast::Error> {
    stagecast::worker::serve()
}
