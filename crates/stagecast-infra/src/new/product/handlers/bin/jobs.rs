//! The function `jobs`.

fn main() -> Result<(), stagecast::Error> {
    stagecast::jobs::serve(&contract::INPUT)
}
