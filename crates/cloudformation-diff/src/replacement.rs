//! The properties that CloudFormation cannot update in place, so that their change replaces the resource.
//!
//! The rules are those of CloudFormation's registry (`createOnlyProperties` and
//! `conditionalCreateOnlyProperties` of a type's schema). Comments name the source of the exceptions.

use serde::Serialize;

use crate::path::PropertyPath;

/// The rules of a resource type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct ReplacementRules {
    /// The type, `AWS::SQS::Queue`.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// The URL of AWS's documentation.
    pub source: &'static str,
    /// The properties that replace a resource.
    pub properties: &'static [ReplacementRule],
}

/// A property whose change can replace its resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct ReplacementRule {
    /// The property.
    pub property: &'static str,
    /// Which of its changes do.
    pub when: When,
}

/// Which changes of a property replace its resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum When {
    /// Every change.
    Always,
    /// A change within an item of the list. Items can be added and removed in place.
    ItemChanges,
    /// Some changes, depending on more than the templates.
    Conditional,
}

/// The rules of a type. None if this crate has none for it.
pub fn rules_of(kind: &str) -> Option<&'static ReplacementRules> {
    RULES.iter().find(|rules| rules.kind == kind)
}

impl ReplacementRules {
    /// The rule by which a change at a path replaces the resource.
    pub(crate) fn rule_for(&self, path: &PropertyPath) -> Option<&'static ReplacementRule> {
        self.properties.iter().find(|rule| {
            path.is_in(rule.property)
                && match rule.when {
                    When::Always | When::Conditional => true,
                    When::ItemChanges => path.is_in_item(),
                }
        })
    }
}

const fn always(property: &'static str) -> ReplacementRule {
    let when = When::Always;
    ReplacementRule { property, when }
}

macro_rules! rules {
    ($($kind:literal at $page:literal: [$($rule:expr),* $(,)?],)*) => {
        /// The rules of all types that this crate has.
        pub const RULES: &[ReplacementRules] = &[$(ReplacementRules {
            kind: $kind,
            source: concat!("https://docs.aws.amazon.com/", $page, ".html"),
            properties: &[$($rule),*],
        },)*];
    };
}

rules! {
    "AWS::ApiGatewayV2::Api"
        at "AWSCloudFormation/latest/TemplateReference/aws-resource-apigatewayv2-api":
        [always("ProtocolType")],
    "AWS::ApiGatewayV2::ApiMapping"
        at "AWSCloudFormation/latest/TemplateReference/aws-resource-apigatewayv2-apimapping":
        [always("DomainName")],
    "AWS::ApiGatewayV2::Authorizer"
        at "AWSCloudFormation/latest/TemplateReference/aws-resource-apigatewayv2-authorizer":
        [always("ApiId")],
    "AWS::ApiGatewayV2::DomainName"
        at "AWSCloudFormation/latest/TemplateReference/aws-resource-apigatewayv2-domainname":
        [always("DomainName")],
    "AWS::ApiGatewayV2::Integration"
        at "AWSCloudFormation/latest/TemplateReference/aws-resource-apigatewayv2-integration":
        [always("ApiId")],
    "AWS::ApiGatewayV2::Route"
        at "AWSCloudFormation/latest/TemplateReference/aws-resource-apigatewayv2-route":
        [always("ApiId")],
    "AWS::ApiGatewayV2::Stage"
        at "AWSCloudFormation/latest/TemplateReference/aws-resource-apigatewayv2-stage":
        [always("ApiId"), always("StageName")],
    "AWS::CloudWatch::Alarm"
        at "AWSCloudFormation/latest/TemplateReference/aws-resource-cloudwatch-alarm":
        [always("AlarmName")],
    "AWS::CloudWatch::Dashboard"
        at "AWSCloudFormation/latest/TemplateReference/aws-resource-cloudwatch-dashboard":
        [always("DashboardName")],
    "AWS::DynamoDB::Table"
        at "AWSCloudFormation/latest/TemplateReference/aws-resource-dynamodb-table":
        [
            always("TableName"),
            always("ImportSourceSpecification"),
            // Conditional in the registry; DynamoDB never changes the key of a table.
            always("KeySchema"),
            // From the reference page; not in the registry.
            ReplacementRule { property: "AttributeDefinitions", when: When::ItemChanges },
        ],
    "AWS::IAM::Role"
        at "AWSCloudFormation/latest/TemplateReference/aws-resource-iam-role":
        [always("Path"), always("RoleName")],
    "AWS::Lambda::EventSourceMapping"
        at "AWSCloudFormation/latest/TemplateReference/aws-resource-lambda-eventsourcemapping":
        [
            always("EventSourceArn"),
            always("SelfManagedEventSource"),
            always("StartingPosition"),
            always("StartingPositionTimestamp"),
        ],
    "AWS::Lambda::Function"
        at "AWSCloudFormation/latest/TemplateReference/aws-resource-lambda-function":
        [
            always("FunctionName"),
            always("PackageType"),
            always("TenancyConfig"),
            ReplacementRule { property: "DurableConfig", when: When::Conditional },
        ],
    "AWS::Lambda::Permission"
        at "AWSCloudFormation/latest/TemplateReference/aws-resource-lambda-permission":
        [
            always("Action"),
            always("EventSourceToken"),
            always("FunctionName"),
            always("FunctionUrlAuthType"),
            always("InvokedViaFunctionUrl"),
            always("Principal"),
            always("PrincipalOrgID"),
            always("SourceAccount"),
            always("SourceArn"),
        ],
    "AWS::Logs::LogGroup"
        at "AWSCloudFormation/latest/TemplateReference/aws-resource-logs-loggroup":
        [always("LogGroupName")],
    "AWS::S3::Bucket"
        at "AWSCloudFormation/latest/TemplateReference/aws-resource-s3-bucket":
        [always("BucketName"), always("BucketNamePrefix"), always("BucketNamespace")],
    "AWS::S3::BucketPolicy"
        at "AWSCloudFormation/latest/TemplateReference/aws-resource-s3-bucketpolicy":
        [always("Bucket")],
    "AWS::SQS::Queue"
        at "AWSCloudFormation/latest/TemplateReference/aws-resource-sqs-queue":
        [always("FifoQueue"), always("QueueName")],
    // SAM makes an AWS::Lambda::Function of it, with the same properties.
    "AWS::Serverless::Function"
        at "serverless-application-model/latest/developerguide/sam-resource-function":
        [
            always("FunctionName"),
            always("PackageType"),
            always("TenancyConfig"),
            ReplacementRule { property: "DurableConfig", when: When::Conditional },
        ],
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attribute_definition_is_added_in_place_but_not_changed() {
        let table = rules_of("AWS::DynamoDB::Table").expect("rules");
        let item = PropertyPath::default()
            .name("AttributeDefinitions")
            .item("job_id");
        assert_eq!(table.rule_for(&item), None);
        let rule = table.rule_for(&item.name("AttributeType")).expect("a rule");
        assert_eq!(rule.property, "AttributeDefinitions");
    }
}
