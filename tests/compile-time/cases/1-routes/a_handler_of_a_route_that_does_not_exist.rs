//! A handler cannot match a route that is not declared.

use stagecast_contract::routes::Route;

fn handle(route: Route) -> &'static str {
    match route {
        Route::PauseJob => "let the job wait",
        _ => "everything else",
    }
}

fn main() {
    handle(Route::Ping);
}
