//! Only the handshake carries credentials.

use constructs::AuthorizableRoute;
use stagecast_contract::routes::Route;

const GUARDED: AuthorizableRoute = AuthorizableRoute::new(Route::Subscribe.spec());

fn main() {
    assert!(GUARDED.has_key("subscribe"));
}
