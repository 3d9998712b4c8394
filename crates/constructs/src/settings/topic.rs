//! The SNS topic for alarms.

use super::SettingError;

/// The ARN of an SNS topic, in any partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicArn(String);

impl TopicArn {
    /// Validates an ARN.
    pub fn new(arn: &str) -> Result<Self, SettingError> {
        match arn.split(':').collect::<Vec<_>>()[..] {
            ["arn", partition, "sns", region, account, name]
                if [partition, region, account, name]
                    .iter()
                    .all(|part| !part.is_empty()) =>
            {
                Ok(Self(arn.to_owned()))
            }
            _ => Err(SettingError::InvalidTopicArn(arn.to_owned())),
        }
    }

    /// The ARN as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn topic_arn_has_the_service_sns_and_no_empty_part() {
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
