//! Answers in XML, and the forms that request them.

use std::{collections::HashMap, fmt::Write as _};

use super::super::http::Answer;

pub(super) fn error(code: &str, message: &str) -> String {
    format!(
        "<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code><Message>{message}</Message>\
         </Error><RequestId>r-1</RequestId></ErrorResponse>"
    )
}

pub(super) fn s3_error(status: u16, code: &str) -> Answer {
    let body = format!("<Error><Code>{code}</Code><Message>{code}</Message></Error>");
    Answer { status, body }
}

pub(super) fn result(operation: &str, content: &str) -> Answer {
    Answer::ok(format!(
        "<{operation}Response><{operation}Result>{content}</{operation}Result></{operation}Response>"
    ))
}

pub(super) fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

pub(super) fn members(list: &str, key: &str, value: &str, items: &[(String, String)]) -> String {
    let mut xml = String::new();
    for (name, text) in items {
        let text = escape(text);
        write!(
            xml,
            "<member><{key}>{name}</{key}><{value}>{text}</{value}></member>"
        )
        .expect("a string");
    }
    format!("<{list}>{xml}</{list}>")
}

/// The pairs of a list in a form: `Parameters.member.1.ParameterKey` and the following.
pub(super) fn pairs(
    form: &HashMap<String, String>,
    list: &str,
    key: &str,
    value: &str,
) -> Vec<(String, String)> {
    (1..)
        .map_while(|index| {
            let name = form.get(&format!("{list}.member.{index}.{key}"))?;
            let text = form.get(&format!("{list}.member.{index}.{value}"));
            Some((name.clone(), text.cloned().unwrap_or_default()))
        })
        .collect()
}
