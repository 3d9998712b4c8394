//! The custom domain of an API or a website.

use serde::Serialize;

use super::SettingError;

/// The custom domain of an API or a website, with its certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CustomDomain {
    /// The domain name.
    pub name: DomainName,
    /// The certificate, in the stack's account: in us-east-1 for a website, in the stack's region for an API.
    pub certificate: CertificateId,
}

/// A domain name in lower case, with at least one dot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct DomainName(String);

impl DomainName {
    /// Validates a domain name.
    pub fn new(name: &str) -> Result<Self, SettingError> {
        if is_domain_name(name) {
            Ok(Self(name.to_owned()))
        } else {
            Err(SettingError::InvalidDomainName(name.to_owned()))
        }
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

pub(super) fn is_domain_name(name: &str) -> bool {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
    };
    name.len() <= 253
        && name.contains('.')
        && name.split('.').all(label)
        && !name.ends_with(|last: char| last.is_ascii_digit())
}

/// The id of a certificate in ACM, the last part of its ARN.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateId(String);

impl CertificateId {
    /// Validates the id: a UUID.
    pub fn new(id: &str) -> Result<Self, SettingError> {
        let groups: Vec<_> = id.split('-').collect();
        let is_uuid = groups.iter().map(|group| group.len()).eq([8, 4, 4, 4, 12])
            && groups
                .iter()
                .all(|group| group.bytes().all(|byte| byte.is_ascii_hexdigit()));
        if is_uuid {
            Ok(Self(id.to_owned()))
        } else {
            Err(SettingError::InvalidCertificateId(id.to_owned()))
        }
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn domain_names_are_in_lower_case_and_have_a_dot() {
        assert!(DomainName::new("live.example.com").is_ok());
        for name in [
            "https://live.example.com",
            "live",
            "Live.example.com",
            "a..b",
            "10.0.0.1",
        ] {
            let error = DomainName::new(name).expect_err(name).to_string();
            assert!(error.contains(&format!("'{name}'")), "{error}");
        }
    }

    #[test]
    fn certificate_is_an_id_and_not_an_arn() {
        assert!(CertificateId::new("12345678-90ab-cdef-1234-567890abcdef").is_ok());
        assert!(CertificateId::new("arn:aws:acm:eu-west-1:123456789012:certificate/1").is_err());
    }
}
