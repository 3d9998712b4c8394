//! A `match` over the routes must be exhaustive.

use stagecast_contract::routes::Route;

fn handle(route: Route) -> &'static str {
    match route {
        Route::Connect => "store the connection",
        Route::Disconnect => "forget the connection",
        Route::Default => "say what is wrong",
        Route::Subscribe | Route::Unsubscribe => "change the subscription",
        Route::CancelJob => "stop the job",
        Route::RequestStatus => "send the status",
    }
}

fn main() {
    handle(Route::Ping);
}
