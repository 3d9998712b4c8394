//! Lists the jobs of an owner.

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use stagecast_contract::{
    http::{CURSOR_PARAMETER, JobsPage, LABEL_PARAMETER_PREFIX, STATUS_PARAMETER},
    messages::JobStatus,
};

use crate::{client::Client, error::Error, http::Request};

/// Which jobs of the owner are listed, and from where.
///
/// ```
/// use stagecast_client::{JobFilter, JobStatus};
///
/// let filter = JobFilter::new().status(JobStatus::Running).label("team", "blue");
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct JobFilter {
    query: Vec<(String, String)>,
}

impl JobFilter {
    /// All jobs of the owner.
    pub fn new() -> Self {
        Self::default()
    }

    /// Those that have this status now.
    #[must_use]
    pub fn status(self, status: JobStatus) -> Self {
        self.with(STATUS_PARAMETER.to_owned(), status.name())
    }

    /// Those with this label. Of several calls, all count.
    #[must_use]
    pub fn label(self, name: &str, value: &str) -> Self {
        self.with(format!("{LABEL_PARAMETER_PREFIX}{name}"), value)
    }

    fn with(mut self, name: String, value: &str) -> Self {
        self.query.push((name, value.to_owned()));
        self
    }

    fn path(&self, cursor: Option<&str>) -> String {
        let filters = self.query.iter();
        let filters = filters.map(|(name, value)| (name.as_str(), value.as_str()));
        let all = filters.chain(cursor.map(|cursor| (CURSOR_PARAMETER, cursor)));
        let encoded = |text| utf8_percent_encode(text, NON_ALPHANUMERIC);
        let query: Vec<_> = all
            .map(|(name, value)| format!("{}={}", encoded(name), encoded(value)))
            .collect();
        if query.is_empty() {
            return "/v1/jobs".to_owned();
        }
        format!("/v1/jobs?{}", query.join("&"))
    }
}

impl Client {
    /// A page of the jobs of the tokens' owner, newest first: at most 25, and perhaps none although more follow.
    /// `cursor` is the [`next_cursor`](JobsPage::next_cursor) of the page before it, with the same filter.
    ///
    /// # Errors
    ///
    /// The code `token_required` without [`with_tokens`](Self::with_tokens); the token does not have the scope `watch`, or
    /// the service cannot be reached.
    pub async fn list(&self, filter: &JobFilter, cursor: Option<&str>) -> Result<JobsPage, Error> {
        let request = Request::get(filter.path(cursor));
        let request = self.with_token(request).await?;
        self.http().send_with_retries(request).await?.json()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_and_cursor_are_encoded() {
        assert_eq!(JobFilter::new().path(None), "/v1/jobs");
        let filter = JobFilter::new()
            .status(JobStatus::Running)
            .label("cost centre", "a&b");
        assert_eq!(
            filter.path(Some("c=")),
            "/v1/jobs?status=running&label%2Ecost%20centre=a%26b&cursor=c%3D"
        );
    }
}
