//! The function `websocket`.

fn main() -> Result<(), stagecast::Error> {
    stagecast::websocket::serve()
}
