//! The product's templates as `cloudformation-diff` reads them.

use std::collections::BTreeSet;

use cloudformation_diff::{TemplateDocument, replacement::ReplacementRules};
use constructs::NAME_SUFFIX;
use indexmap::IndexMap;
use stagecast_infra::{environments::Environment, stack, template::Format};

#[test]
fn yaml_and_json_of_a_template_read_the_same() {
    let template =
        stack::synthesize(infra_gen::project(), &Environment::prod()).expect("a template");
    for format in Format::ALL {
        let yaml = template.render(format).to_yaml().expect("YAML");
        let json = template.to_json(format).expect("JSON");
        let read = TemplateDocument::parse(&yaml).expect("a template");
        assert_eq!(read.has_transform(), format == Format::Sam);
        assert_eq!(read, TemplateDocument::from_json(json).expect("a template"));
    }
}

#[test]
fn every_resource_type_of_the_stack_has_replacement_rules() {
    for format in Format::ALL {
        let template =
            stack::synthesize(infra_gen::project(), &Environment::prod()).expect("a template");
        let json = template.to_json(format).expect("JSON");
        let resources = json["Resources"].as_object().expect("resources");
        let kinds: BTreeSet<_> = resources
            .values()
            .filter_map(|it| it["Type"].as_str())
            .collect();
        assert!(kinds.len() > 10, "{kinds:?}");
        for kind in kinds {
            assert!(ReplacementRules::of(kind).is_some(), "{kind}");
        }
    }
}

#[test]
fn stack_names_only_its_tables_and_queues() {
    let template =
        stack::synthesize(infra_gen::project(), &Environment::prod()).expect("a template");
    let json = template.to_json(Format::CloudFormation).expect("JSON");
    let document = TemplateDocument::from_json(json).expect("a template");
    let values = IndexMap::from([(NAME_SUFFIX.to_owned(), "-x".to_owned())]);
    let mut chosen: Vec<_> = document
        .with_values(&values)
        .chosen_names()
        .into_iter()
        .map(|it| (it.kind, it.name))
        .collect();
    chosen.sort();
    let expected = [
        ("AWS::DynamoDB::Table", "job_events-x"),
        ("AWS::DynamoDB::Table", "job_subscribers-x"),
        ("AWS::DynamoDB::Table", "jobs-x"),
        ("AWS::DynamoDB::Table", "websocket_connections-x"),
        ("AWS::DynamoDB::Table", "work_queues-x"),
        ("AWS::SQS::Queue", "deliveries-dead-letters-x"),
        ("AWS::SQS::Queue", "deliveries-x"),
        ("AWS::SQS::Queue", "jobs-dead-letters-x"),
        ("AWS::SQS::Queue", "jobs-x"),
        ("AWS::SQS::Queue", "webhooks-dead-letters-x"),
        ("AWS::SQS::Queue", "webhooks-x"),
    ];
    let expected = expected.map(|(kind, name)| (kind.to_owned(), name.to_owned()));
    assert_eq!(chosen, expected);
}
