//! The role that API Gateway writes logs with. An account has one per region, for all its APIs, so it
//! belongs to no stack of an application.

use cloudformation_deploy::Attempt as _;

use super::{AwsSession, CallError};

/// The stack that sets up the role, once per account and region.
pub const STACK: &str = "stagecast-api-gateway-logging";

/// The value of the stack's tag `Application`. All products share the stack.
pub const APPLICATION: &str = "stagecast";

/// The description in the stack's template.
pub const DESCRIPTION: &str =
    "The role that API Gateway logs with, for all APIs of this account and region";

/// The template with the role and the account's setting. Both are retained when the stack is deleted,
/// because other APIs may use them.
/// <https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-apigateway-account.html>
pub const TEMPLATE: &str = "\
AWSTemplateFormatVersion: '2010-09-09'
Description: The role that API Gateway logs with, for all APIs of this account and region
Resources:
  Role:
    Type: AWS::IAM::Role
    DeletionPolicy: Retain
    UpdateReplacePolicy: Retain
    Properties:
      AssumeRolePolicyDocument:
        Version: '2012-10-17'
        Statement:
        - Effect: Allow
          Principal:
            Service: apigateway.amazonaws.com
          Action: sts:AssumeRole
      ManagedPolicyArns:
      - !Sub arn:${AWS::Partition}:iam::aws:policy/service-role/AmazonAPIGatewayPushToCloudWatchLogs
  Account:
    Type: AWS::ApiGateway::Account
    DeletionPolicy: Retain
    UpdateReplacePolicy: Retain
    Properties:
      CloudWatchRoleArn: !GetAtt Role.Arn
";

/// The ARN of the role in the account's setting.
pub async fn find(session: &AwsSession) -> Result<Option<String>, CallError> {
    let account = session.apigateway.get_account().send().await;
    let account =
        account.attempt(|| "read the role that API Gateway writes logs with".to_owned())?;
    Ok(account.cloudwatch_role_arn.filter(|arn| !arn.is_empty()))
}
