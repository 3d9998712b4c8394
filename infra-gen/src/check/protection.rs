//! Whether what holds data says what becomes of it, and whether someone hears of alarms.

use super::Finding;
use crate::{
    resources::cloudwatch::Alarm,
    template::{ParameterName, Template},
};

pub(super) fn findings(template: &Template) -> Vec<Finding> {
    let mut findings: Vec<_> = template
        .resources()
        .values()
        .filter(|resource| resource.properties.holds_data())
        .filter(|resource| resource.attributes.removal.is_none())
        .map(|resource| {
            Finding::problem(
                &resource.path,
                "it holds data, but does not say what becomes of it when it leaves the stack: add \
                 it with Stack::add_data",
            )
        })
        .collect();
    let topic = template
        .parameters()
        .get(&ParameterName::new("AlarmTopicArn"))
        .and_then(|topic| topic.default.as_deref());
    if template.resources_of::<Alarm>().next().is_some() && topic == Some("") {
        findings.push(Finding::note(
            "AlarmTopicArn",
            "alarms ring in the console only, unless the stack is given a topic; the environment \
             can name one as its alarm_topic",
        ));
    }
    findings
}
