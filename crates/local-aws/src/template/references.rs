//! Evaluates `Ref` and `Fn::GetAtt` for the local stack.

use super::{
    document::Resource,
    error::TemplateError,
    intrinsics::{MAX_REFERENCE_DEPTH, Scope, scalar},
};

impl Scope<'_> {
    /// The value of `Ref` for a resource.
    pub(super) fn reference(&self, logical_id: &str) -> Result<String, TemplateError> {
        self.resource_reference(logical_id, 0)
    }

    /// The value of `Fn::GetAtt`.
    pub(super) fn attribute(
        &self,
        logical_id: &str,
        attribute: &str,
    ) -> Result<String, TemplateError> {
        self.resource_attribute(logical_id, attribute, 0)
    }

    /// The value of `Ref` for a pseudo parameter, a parameter or a resource.
    pub(super) fn named(&self, name: &str, depth: usize) -> Result<String, TemplateError> {
        let location = self.location;
        let pseudo = match name {
            "AWS::Region" => Some(location.region.clone()),
            "AWS::AccountId" => Some(location.account.clone()),
            "AWS::Partition" => Some("aws".to_owned()),
            "AWS::URLSuffix" => Some("amazonaws.com".to_owned()),
            "AWS::StackName" => Some(location.stack_name.clone()),
            "AWS::StackId" => Some(format!(
                "arn:aws:cloudformation:{}:{}:stack/{}/local",
                location.region, location.account, location.stack_name
            )),
            _ => None,
        };
        if let Some(pseudo) = pseudo {
            return Ok(pseudo);
        }
        if let Some(parameter) = self.document.parameters.get(name) {
            let given = self.parameters.get(name).cloned();
            return given
                .or_else(|| parameter.default.as_ref().and_then(scalar))
                .ok_or_else(|| TemplateError::ParameterWithoutValue {
                    parameter: name.to_owned(),
                });
        }
        self.resource_reference(name, depth)
    }

    /// Replaces a public address of an API with its local address.
    pub(super) fn localize(&self, text: String, depth: usize) -> Result<String, TemplateError> {
        let domain = format!(".execute-api.{}.amazonaws.com", self.location.region);
        let Some(end) = text.find(&domain) else {
            return Ok(text);
        };
        let Some((scheme, api)) = text[..end].split_once("://") else {
            return Ok(text);
        };
        let resource = self
            .document
            .resources
            .iter()
            .find(|(logical_id, _)| logical_id.to_ascii_lowercase() == api);
        let Some((_, resource)) = resource else {
            return Ok(text);
        };
        let protocol = self.property(resource, "ProtocolType", depth)?;
        let base = match (scheme, protocol.as_deref()) {
            ("wss", Some("WEBSOCKET")) => self.location.websocket_base(),
            (_, Some("WEBSOCKET")) => {
                format!("{}/_aws/execute-api/{api}", self.location.http_base())
            }
            _ => self.location.http_base(),
        };
        Ok(base + &text[end + domain.len()..])
    }

    fn property(
        &self,
        resource: &Resource,
        name: &str,
        depth: usize,
    ) -> Result<Option<String>, TemplateError> {
        match resource.properties.get(name) {
            Some(value) => Ok(self.value(value, depth)?.as_ref().and_then(scalar)),
            None => Ok(None),
        }
    }

    fn resource(&self, logical_id: &str) -> Result<&Resource, TemplateError> {
        let resource = self.document.resources.get(logical_id);
        resource.ok_or_else(|| TemplateError::UnknownName {
            name: logical_id.to_owned(),
        })
    }

    /// The physical name: from the template, or else made of the stack's name and the logical id.
    fn physical_name(&self, logical_id: &str, depth: usize) -> Result<String, TemplateError> {
        let resource = self.resource(logical_id)?;
        let property = match resource.r#type.as_str() {
            "AWS::DynamoDB::Table" => "TableName",
            "AWS::SQS::Queue" => "QueueName",
            "AWS::S3::Bucket" => "BucketName",
            "AWS::Lambda::Function" => "FunctionName",
            // API Gateway generates the ids of its APIs.
            "AWS::ApiGatewayV2::Api" => return Ok(logical_id.to_ascii_lowercase()),
            "AWS::ApiGatewayV2::Stage" => "StageName",
            _ => return Ok(format!("{}-{logical_id}", self.location.stack_name)),
        };
        let given = self.property(resource, property, depth + 1)?;
        Ok(given.unwrap_or_else(|| {
            format!("{}-{logical_id}", self.location.stack_name).to_ascii_lowercase()
        }))
    }

    fn resource_reference(&self, logical_id: &str, depth: usize) -> Result<String, TemplateError> {
        if depth > MAX_REFERENCE_DEPTH {
            return Err(TemplateError::CircularReference {
                value: logical_id.to_owned(),
            });
        }
        let name = self.physical_name(logical_id, depth)?;
        Ok(match self.resource(logical_id)?.r#type.as_str() {
            "AWS::SQS::Queue" => self.location.queue_url(&name),
            _ => name,
        })
    }

    pub(super) fn resource_attribute(
        &self,
        logical_id: &str,
        attribute: &str,
        depth: usize,
    ) -> Result<String, TemplateError> {
        let location = self.location;
        let name = self.physical_name(logical_id, depth)?;
        let kind = self.resource(logical_id)?.r#type.as_str();
        Ok(match (kind, attribute) {
            ("AWS::DynamoDB::Table", "Arn") => location.arn("dynamodb", &format!("table/{name}")),
            ("AWS::SQS::Queue", "Arn") => location.arn("sqs", &name),
            ("AWS::SQS::Queue", "QueueName") | ("AWS::ApiGatewayV2::Api", "ApiId") => name,
            ("AWS::SQS::Queue", "QueueUrl") => location.queue_url(&name),
            ("AWS::S3::Bucket", "Arn") => format!("arn:aws:s3:::{name}"),
            ("AWS::Lambda::Function", "Arn") => location.arn("lambda", &format!("function:{name}")),
            ("AWS::ApiGatewayV2::Api", "ApiEndpoint") => {
                let resource = self.resource(logical_id)?;
                let protocol = self.property(resource, "ProtocolType", depth)?;
                if protocol.as_deref() == Some("WEBSOCKET") {
                    location.websocket_base()
                } else {
                    location.http_base()
                }
            }
            // A placeholder for a resource that does not run locally.
            _ => location.arn("local", &format!("{logical_id}/{attribute}")),
        })
    }
}
