//! The function `delivery`.

fn main() -> Result<(), stagecast::Error> {
    stagecast::delivery::serve()
}
