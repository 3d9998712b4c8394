//! Only the handshake carries credentials.

use contract::routes::Route;
use infra_gen::constructs::AuthorizableRoute;

const GUARDED: AuthorizableRoute = AuthorizableRoute::new(Route::Subscribe);

fn main() {
    assert!(GUARDED.is(Route::Subscribe));
}
