//! Resources with data but without a removal policy, and alarms without a topic.

use cloudformation::{ParameterName, Template, resources::cloudwatch::Alarm};

use super::finding::Finding;

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

#[cfg(test)]
mod tests {
    use cloudformation::{
        Attributes, ConstructPath, RemovalPolicy,
        resources::{Tags, sqs::Queue},
    };

    use super::*;

    #[test]
    fn queue_without_removal_policy_is_a_problem() {
        for (removal, problems) in [(None, 1), (Some(RemovalPolicy::Delete), 0)] {
            let mut template = Template::new("A queue");
            let queue = Queue {
                queue_name: None,
                visibility_timeout: None,
                message_retention_period: 60,
                redrive_policy: None,
                sqs_managed_sse_enabled: true,
                tags: Tags::default().list(),
            };
            let attributes = Attributes {
                removal,
                ..Attributes::default()
            };
            template
                .add(&ConstructPath::root("jobs"), queue, attributes)
                .expect("a new name");
            assert_eq!(findings(&template).len(), problems, "{removal:?}");
        }
    }
}
