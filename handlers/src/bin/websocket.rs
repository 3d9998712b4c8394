//! The function that serves every route of the WebSocket API.

fn main() -> Result<(), stagecast::Error> {
    stagecast::websocket::serve()
}
