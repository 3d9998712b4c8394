//! The template and its differences, as a user of the crates gets them.

use cloudformation::{Format, assertions::TemplateAssertions};
use cloudformation_diff::{ChangeAction, Difference, TemplateDocument, compare};
use constructs::NAME_SUFFIX;
use indexmap::IndexMap;
use serde_json::json;
use unrelated_stack::stack::{Settings, template};

fn document(settings: &Settings) -> TemplateDocument {
    let template = template(settings).expect("a template");
    let yaml = template
        .render(Format::CloudFormation)
        .to_yaml()
        .expect("YAML");
    TemplateDocument::parse(&yaml).expect("a template")
}

fn difference(settings: &Settings) -> Difference {
    compare(&document(&Settings::default()), &document(settings))
}

#[test]
fn every_reference_of_the_stack_has_a_target() {
    let template = template(&Settings::default()).expect("a template");
    assert_eq!(template.check_references().expect("serializes"), []);
    assert!(template.resources().len() > 15);
}

#[test]
fn type_of_the_example_and_untyped_resource_are_in_the_template() {
    let template = template(&Settings::default()).expect("a template");
    let assertions = TemplateAssertions::of(&template).expect("a template");
    assertions.has_resource_properties(
        "AWS::Scheduler::Schedule",
        json!({ "Target": { "Arn": { "Fn::GetAtt": ["ShipmentsQueue", "Arn"] } } }),
    );
    assertions.has_resource_properties(
        "AWS::SSM::Parameter",
        json!({ "Value": { "Ref": "ReminderSchedule" } }),
    );
}

#[test]
fn sam_builds_the_functions_and_needs_no_values_of_parameters() {
    let template = template(&Settings::default()).expect("a template");
    let json = template.to_json(Format::Sam).expect("JSON");
    assert_eq!(json["Transform"], "AWS::Serverless-2016-10-31");
    assert_eq!(
        json["Resources"]["IntakeFunction"]["Type"],
        "AWS::Serverless::Function"
    );
    let parameters = json["Parameters"].as_object().expect("parameters");
    let without_default = parameters
        .iter()
        .find(|(_, it)| it.get("Default").is_none());
    assert_eq!(without_default, None);
}

#[test]
fn other_name_suffix_replaces_the_named_resources_and_the_event_source() {
    let with_suffix = |suffix: &str| {
        let values = IndexMap::from([(NAME_SUFFIX.to_owned(), suffix.to_owned())]);
        document(&Settings::default()).with_values(&values)
    };
    let found = compare(&with_suffix(""), &with_suffix("-staging"));
    let replaced: Vec<_> = found
        .resources
        .iter()
        .filter(|change| change.action == ChangeAction::Replaced)
        .map(|change| change.logical_id.as_str())
        .collect();
    assert_eq!(
        replaced,
        [
            "OrdersTable",
            "ShipmentsDeadLetterQueue",
            "ShipmentsQueue",
            "ShipmentsShippingEventSource"
        ]
    );
}

/// The rules for replacements do not depend on the types that the library has.
#[test]
fn other_schedule_name_replaces_the_schedule() {
    let found = difference(&Settings {
        schedule_name: "reminder".to_owned(),
        ..Settings::default()
    });
    let [schedule, parameter] = &found.resources[..] else {
        panic!("{found}");
    };
    assert_eq!(schedule.logical_id, "ReminderSchedule");
    assert_eq!(schedule.action, ChangeAction::Replaced);
    assert_eq!(schedule.causes[0].property, "Name");
    // The untyped parameter has the schedule's name as its value.
    assert_eq!(parameter.logical_id, "ReminderParameter");
    assert_eq!(parameter.action, ChangeAction::Changed);
    let replaced = parameter.changes[0].follows.as_deref();
    assert_eq!(replaced, Some("ReminderSchedule"));
}

#[test]
fn other_carrier_updates_only_the_function_that_has_the_setting() {
    let found = difference(&Settings {
        carrier: "cargo-bike".to_owned(),
        ..Settings::default()
    });
    let text = found.to_string();
    let changed: Vec<_> = found
        .resources
        .iter()
        .map(|change| change.logical_id.as_str())
        .collect();
    assert_eq!(changed, ["ShippingFunction"], "{text}");
    assert!(text.contains("parcel-service -> cargo-bike"), "{text}");
    assert_eq!(found.summary().replaced, 0, "{text}");
}

#[test]
fn same_stack_has_no_difference() {
    assert!(difference(&Settings::default()).is_empty());
}
