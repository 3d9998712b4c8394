//! What a successful deployment prints: the addresses of the APIs and the page, and a command to try.

use stagecast_contract::input::InputRules;

use crate::construct_options::PAGE;

/// The addresses of the HTTP API and of the WebSocket API, if the stack has these outputs.
///
/// The outputs hold addresses at AWS. An emulator, at `endpoint`, serves the APIs below its own
/// address instead.
pub(super) fn addresses<'a>(
    output: &impl Fn(&str) -> Option<&'a str>,
    endpoint: Option<&str>,
) -> [Option<String>; 2] {
    let at_emulator = |api: &str, stage: Option<&str>| {
        let base = format!("{}/_aws/execute-api", endpoint?.trim_end_matches('/'));
        let id = output(api)?;
        Some(match stage {
            None => format!("{base}/{id}"),
            // `https` becomes `wss`.
            Some(stage) => format!("{base}/{id}/{stage}").replacen("http", "ws", 1),
        })
    };
    let at_aws = |name: &str| output(name).map(str::to_owned);
    let websocket = output("StageName").and_then(|it| at_emulator("WebSocketApiId", Some(it)));
    [
        at_emulator("HttpApiId", None).or_else(|| at_aws("HttpApiUrl")),
        websocket.or_else(|| at_aws("WebSocketUrl")),
    ]
}

/// The addresses with that of the hosted page, and a `curl` command that creates a job.
pub(super) fn invitation<'a>(
    input: &InputRules,
    output: &impl Fn(&str) -> Option<&'a str>,
    endpoint: Option<&str>,
) -> String {
    let [http, websocket] = addresses(output, endpoint);
    let page = output(&format!("{PAGE}Url")).map(str::to_owned);
    let urls = [
        ("Progress page", &page),
        ("HTTP API     ", &http),
        ("WebSocket API", &websocket),
    ];
    let urls = urls.into_iter().filter_map(|(title, url)| {
        let url = url.as_ref()?;
        Some(format!("  {title}  {url}\n"))
    });
    let command = http.as_ref().map(|url| {
        let file = if input.example.is_empty() {
            "FILE"
        } else {
            input.example
        };
        format!(
            "\n  Create a job from {} ({}):\n\n    curl --data-binary @{file} -H \
             'content-type: {}' {url}/v1/jobs\n",
            input.name_with_article(),
            input.labels(),
            input.media_types[0].name,
        )
    });
    let urls: String = urls.collect();
    format!("\n{urls}{}", command.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_product::INPUT;

    #[test]
    fn addresses_lead_to_the_emulator_if_there_is_one() {
        let output = |name: &str| match name {
            "HttpApiUrl" => Some("https://a.example"),
            "HttpApiId" => Some("http1"),
            "WebSocketUrl" => Some("wss://b.example/live"),
            "WebSocketApiId" => Some("ws1"),
            "StageName" => Some("live"),
            "PageUrl" => Some("https://d1.cloudfront.net"),
            _ => None,
        };
        let printed = invitation(&INPUT, &output, None);
        assert!(printed.contains("https://a.example/v1/jobs"), "{printed}");
        assert!(printed.contains("wss://b.example/live"), "{printed}");
        let page = "\n  Progress page  https://d1.cloudfront.net\n";
        assert!(printed.starts_with(page), "{printed}");
        let printed = invitation(&INPUT, &output, Some("https://localhost:4566/"));
        for address in [
            "https://localhost:4566/_aws/execute-api/http1/v1/jobs",
            "wss://localhost:4566/_aws/execute-api/ws1/live",
        ] {
            assert!(printed.contains(address), "{printed}");
        }
        assert!(!printed.contains("example"), "{printed}");
    }

    #[test]
    fn stack_without_outputs_has_no_addresses() {
        let printed = invitation(&INPUT, &|_| None, Some("http://localhost"));
        assert_eq!(printed.trim(), "");
    }
}
