//! Where alarms go.

use super::EnvironmentError;

/// The ARN of an SNS topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicArn(String);

impl TopicArn {
    /// The ARN of an SNS topic.
    pub fn new(arn: &str) -> Result<Self, EnvironmentError> {
        match arn.split(':').collect::<Vec<_>>()[..] {
            ["arn", partition, "sns", region, account, name]
                if [partition, region, account, name]
                    .iter()
                    .all(|part| !part.is_empty()) =>
            {
                Ok(Self(arn.to_owned()))
            }
            _ => Err(EnvironmentError::InvalidTopicArn(arn.to_owned())),
        }
    }

    /// The ARN.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_is_the_arn_of_an_sns_topic() {
        assert!(TopicArn::new("arn:aws:sns:eu-west-1:123456789012:oncall").is_ok());
        for arn in [
            "arn:aws:sqs:eu-west-1:123456789012:oncall",
            "oncall",
            "arn:aws:sns::1:x",
        ] {
            assert!(TopicArn::new(arn).is_err(), "{arn}");
        }
    }
}
