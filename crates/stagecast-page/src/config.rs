//! The page's configuration.

use serde_json::json;
use stagecast_contract::input::InputRules;

/// The file in which the page finds the service.
pub const CONFIG: &str = "config.json";

/// The content of `config.json`: the addresses of both APIs, and the rules for inputs.
pub fn config(http_api: &str, websocket: &str, input: &InputRules) -> String {
    json!({"http_api": http_api, "websocket": websocket, "input": input}).to_string()
}
