//! What `Ref` and `Fn::GetAtt` give for a stack that runs here.

use super::{
    document::Resource,
    error::TemplateError,
    intrinsics::{DEEPEST, Scope, scalar},
};

impl Scope<'_> {
    /// What `Ref` gives for a resource.
    pub(super) fn reference(&self, logical_id: &str) -> Result<String, TemplateError> {
        self.resource_reference(logical_id, 0)
    }

    /// What `Fn::GetAtt` gives.
    pub(super) fn attribute(
        &self,
        logical_id: &str,
        attribute: &str,
    ) -> Result<String, TemplateError> {
        self.resource_attribute(logical_id, attribute, 0)
    }

    /// A pseudo parameter, a parameter or a resource.
    pub(super) fn named(&self, name: &str, depth: usize) -> Result<String, TemplateError> {
        let place = self.place;
        let pseudo = match name {
            "AWS::Region" => Some(place.region.clone()),
            "AWS::AccountId" => Some(place.account.clone()),
            "AWS::Partition" => Some("aws".to_owned()),
            "AWS::URLSuffix" => Some("amazonaws.com".to_owned()),
            "AWS::StackName" => Some(place.stack_name.clone()),
            "AWS::StackId" => Some(format!(
                "arn:aws:cloudformation:{}:{}:stack/{}/local",
                place.region, place.account, place.stack_name
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

    /// Public addresses of the APIs become the addresses that they have here.
    pub(super) fn localize(&self, text: String, depth: usize) -> Result<String, TemplateError> {
        let domain = format!(".execute-api.{}.amazonaws.com", self.place.region);
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
            ("wss", Some("WEBSOCKET")) => self.place.websocket_base(),
            (_, Some("WEBSOCKET")) => format!("{}/_aws/execute-api/{api}", self.place.http_base()),
            _ => self.place.http_base(),
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

    /// The physical name: the one that the template gives, or one made of the logical id.
    fn physical_name(&self, logical_id: &str, depth: usize) -> Result<String, TemplateError> {
        let resource = self.resource(logical_id)?;
        let property = match resource.r#type.as_str() {
            "AWS::DynamoDB::Table" => "TableName",
            "AWS::SQS::Queue" => "QueueName",
            "AWS::S3::Bucket" => "BucketName",
            "AWS::Lambda::Function" => "FunctionName",
            // API Gateway makes up the ids of its APIs.
            "AWS::ApiGatewayV2::Api" => return Ok(logical_id.to_ascii_lowercase()),
            "AWS::ApiGatewayV2::Stage" => "StageName",
            _ => return Ok(format!("{}-{logical_id}", self.place.stack_name)),
        };
        let given = self.property(resource, property, depth + 1)?;
        Ok(given.unwrap_or_else(|| {
            format!("{}-{logical_id}", self.place.stack_name).to_ascii_lowercase()
        }))
    }

    fn resource_reference(&self, logical_id: &str, depth: usize) -> Result<String, TemplateError> {
        if depth > DEEPEST {
            return Err(TemplateError::Circle {
                value: logical_id.to_owned(),
            });
        }
        let name = self.physical_name(logical_id, depth)?;
        Ok(match self.resource(logical_id)?.r#type.as_str() {
            "AWS::SQS::Queue" => self.place.queue_url(&name),
            _ => name,
        })
    }

    pub(super) fn resource_attribute(
        &self,
        logical_id: &str,
        attribute: &str,
        depth: usize,
    ) -> Result<String, TemplateError> {
        let place = self.place;
        let name = self.physical_name(logical_id, depth)?;
        let kind = self.resource(logical_id)?.r#type.as_str();
        Ok(match (kind, attribute) {
            ("AWS::DynamoDB::Table", "Arn") => place.arn("dynamodb", &format!("table/{name}")),
            ("AWS::SQS::Queue", "Arn") => place.arn("sqs", &name),
            ("AWS::SQS::Queue", "QueueName") | ("AWS::ApiGatewayV2::Api", "ApiId") => name,
            ("AWS::SQS::Queue", "QueueUrl") => place.queue_url(&name),
            ("AWS::S3::Bucket", "Arn") => format!("arn:aws:s3:::{name}"),
            ("AWS::Lambda::Function", "Arn") => place.arn("lambda", &format!("function:{name}")),
            ("AWS::ApiGatewayV2::Api", "ApiEndpoint") => {
                let resource = self.resource(logical_id)?;
                let protocol = self.property(resource, "ProtocolType", depth)?;
                if protocol.as_deref() == Some("WEBSOCKET") {
                    place.websocket_base()
                } else {
                    place.http_base()
                }
            }
            // Of a resource that is not run: a name that says which it is.
            _ => place.arn("local", &format!("{logical_id}/{attribute}")),
        })
    }
}
