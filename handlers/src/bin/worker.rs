//! The function that serves external workers.

fn main() -> Result<(), stagecast::Error> {
    stagecast::worker::serve()
}
