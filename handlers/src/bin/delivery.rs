//! The function that sends messages to large audiences, and those that could not be sent.

fn main() -> Result<(), stagecast::Error> {
    stagecast::delivery::serve()
}
