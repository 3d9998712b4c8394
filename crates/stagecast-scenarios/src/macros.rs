//! The macro that declares a product's tests.

/// Declares one test for each of the [`scenarios`](crate::scenarios), on the stack of a product.
///
/// The arguments are the product's [`Project`](stagecast_infra::Project), an input that its pipeline completes
/// within seconds, and the input's media type; or one [`TestedProduct`](crate::TestedProduct).
///
/// ```ignore
/// stagecast_scenarios::delivery_scenarios!(
///     infra_gen::project(),
///     include_bytes!("../sample.csv"),
///     "text/csv"
/// );
/// ```
#[macro_export]
macro_rules! delivery_scenarios {
    ($project:expr, $input:expr, $media_type:expr $(,)?) => {
        $crate::delivery_scenarios!($crate::TestedProduct::new($project, $input, $media_type));
    };
    ($product:expr $(,)?) => {
        $crate::__tests! { $product;
            job_completes_with_results
            snapshot_over_http_equals_the_last_message
            late_subscriber_gets_the_log_from_the_beginning
            returning_subscriber_gets_every_durable_message_once_and_in_order
            two_subscribers_get_the_same_durable_messages
            watcher_over_http_gets_the_durable_messages_of_a_subscriber
            unsubscribed_client_gets_no_more_messages
            job_without_its_key_is_refused
            job_with_a_wrong_key_is_refused
            empty_input_is_refused
            input_of_another_media_type_is_refused
            queued_job_is_cancelled_for_all_subscribers
            cancelled_job_ends_once
            external_worker_runs_a_job_for_all_subscribers
        }
    };
}

/// Declares tests. Only for [`delivery_scenarios!`](crate::delivery_scenarios).
#[doc(hidden)]
#[macro_export]
macro_rules! __tests {
    ($product:expr; $($scenario:ident)+) => {
        $(
            #[test]
            fn $scenario() {
                $crate::run::test(
                    ::core::env!("CARGO_MANIFEST_DIR"),
                    $product,
                    $crate::scenarios::$scenario,
                );
            }
        )+
    };
}

#[cfg(test)]
mod tests {
    /// The names of all scenarios, from the sources.
    fn scenarios() -> Vec<&'static str> {
        const SOURCES: [&str; 5] = [
            include_str!("scenarios/cancellation.rs"),
            include_str!("scenarios/external_workers.rs"),
            include_str!("scenarios/jobs.rs"),
            include_str!("scenarios/refusals.rs"),
            include_str!("scenarios/subscribers.rs"),
        ];
        let lines = SOURCES.iter().flat_map(|source| source.lines());
        let names = lines.filter_map(|line| line.strip_prefix("pub async fn "));
        names.filter_map(|line| line.split('(').next()).collect()
    }

    #[test]
    fn every_scenario_is_a_test_and_is_documented() {
        let source = include_str!("macros.rs");
        let readme = include_str!("../README.md");
        let scenarios = scenarios();
        assert!(scenarios.len() > 10, "{scenarios:?}");
        for name in scenarios {
            let is_listed = source.lines().any(|line| line.trim() == name);
            assert!(is_listed, "delivery_scenarios! does not list {name}");
            let is_documented = readme.contains(&format!("| `{name}` |"));
            assert!(is_documented, "README.md does not list {name}");
        }
    }
}
