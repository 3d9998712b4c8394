//! Resources with data but without a removal policy, and alarms without a topic.

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
                "it holds data, but has no removal policy: add it with Stack::add_data",
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
            "alarms are visible in the console only, unless the stack has a topic; set the alarm_topic \
             of the environment",
        ));
    }
    findings
}
