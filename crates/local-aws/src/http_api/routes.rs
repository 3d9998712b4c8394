//! Selects the route of a request.

use std::collections::BTreeMap;

use percent_encoding::percent_decode_str;

use crate::template::RouteTarget;

/// The selected route.
#[derive(Debug)]
pub(super) struct RouteMatch<'a> {
    pub(super) key: &'a str,
    pub(super) target: &'a RouteTarget,
    pub(super) parameters: BTreeMap<String, String>,
}

/// The most specific route for a method and a path. Full matches come before `{proxy+}`, literal
/// segments before parameters, a method before `ANY`, and `$default` comes last.
pub(super) fn find<'a>(
    routes: &'a BTreeMap<String, RouteTarget>,
    method: &str,
    path: &str,
) -> Option<RouteMatch<'a>> {
    let candidates = routes.iter().filter_map(|(key, target)| {
        let (specificity, parameters) = match_route(key, method, path)?;
        let found = RouteMatch {
            key,
            target,
            parameters,
        };
        Some((specificity, found))
    });
    let best = candidates.max_by(|(left, _), (right, _)| left.cmp(right));
    best.map(|(_, found)| found)
}

/// The rank of a matching route; the highest wins.
type Specificity = (bool, bool, usize, bool);

fn match_route(
    key: &str,
    method: &str,
    path: &str,
) -> Option<(Specificity, BTreeMap<String, String>)> {
    if key == "$default" {
        return Some(((false, false, 0, false), BTreeMap::new()));
    }
    let (route_method, route_path) = key.split_once(' ')?;
    if route_method != method && route_method != "ANY" {
        return None;
    }
    let mut parameters = BTreeMap::new();
    let mut literals = 0;
    let mut segments = path.trim_start_matches('/').split('/');
    let mut is_full = true;
    for expected in route_path.trim_start_matches('/').split('/') {
        let segment = segments.next()?;
        let parameter = expected
            .strip_prefix('{')
            .and_then(|rest| rest.strip_suffix('}'));
        match parameter {
            Some(parameter) => {
                let (name, value) = match parameter.strip_suffix('+') {
                    Some(name) => {
                        is_full = false;
                        let rest = segments.by_ref().collect::<Vec<_>>();
                        (name, [&[segment], rest.as_slice()].concat().join("/"))
                    }
                    None => (parameter, segment.to_owned()),
                };
                if value.is_empty() {
                    return None;
                }
                let value = percent_decode_str(&value).decode_utf8_lossy().into_owned();
                parameters.insert(name.to_owned(), value);
            }
            None if expected == segment => literals += 1,
            None => return None,
        }
    }
    if segments.next().is_some() {
        return None;
    }
    Some(((true, is_full, literals, route_method != "ANY"), parameters))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn routes(keys: &[&str]) -> BTreeMap<String, RouteTarget> {
        let target = RouteTarget {
            function: "orders".to_owned(),
            timeout: Duration::from_secs(29),
            authorizer: None,
        };
        keys.iter()
            .map(|key| ((*key).to_owned(), target.clone()))
            .collect()
    }

    #[test]
    fn most_specific_route_wins() {
        let routes = routes(&[
            "$default",
            "ANY /v1/{proxy+}",
            "GET /v1/orders/latest",
            "GET /v1/orders/{order_id}",
        ]);
        let key = |method, path| find(&routes, method, path).map(|found| found.key);
        assert_eq!(
            key("GET", "/v1/orders/latest"),
            Some("GET /v1/orders/latest")
        );
        assert_eq!(
            key("GET", "/v1/orders/o-1"),
            Some("GET /v1/orders/{order_id}")
        );
        assert_eq!(key("POST", "/v1/orders/o-1"), Some("ANY /v1/{proxy+}"));
        assert_eq!(key("GET", "/"), Some("$default"));
    }

    #[test]
    fn path_parameters_are_decoded_and_not_empty() {
        let routes = routes(&["GET /v1/orders/{order_id}"]);
        let found = find(&routes, "GET", "/v1/orders/a%2Fb").expect("a route");
        assert_eq!(found.parameters["order_id"], "a/b");
        assert!(find(&routes, "GET", "/v1/orders/").is_none());
        assert!(find(&routes, "GET", "/v1/orders/a/b").is_none());
    }
}
