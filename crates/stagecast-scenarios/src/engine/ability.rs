//! The abilities that scenarios need of their engine. This is the only list of what an engine lacks, and
//! so of the scenarios that are skipped.

use std::{env, fs::OpenOptions, io::Write as _};

use super::Engine;

/// Names the variable with the path of a file. Each skipped scenario is appended to it as one line with
/// the reason. Without the variable, the line goes to standard error.
const SKIPPED: &str = "STAGECAST_SKIPPED";
/// Names the variable that is set while jobs stay queued.
const QUEUE_IS_HELD: &str = "STAGECAST_QUEUE_IS_HELD";

/// An ability of the engine, beyond the system's public interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ability {
    /// Makes calls fail, hang or be throttled.
    InjectFaults,
    /// Counts the calls of functions.
    CountCalls,
    /// Counts the messages of a queue exactly, in-flight ones included.
    CountMessages,
    /// Kills a function's busy processes.
    KillFunctions,
    /// Overrides timeouts and settings of the template.
    AdjustStack,
    /// Reads the functions' logs without delay.
    ReadLogs,
    /// Keeps jobs queued.
    HoldJobs,
    /// Rejects requests with an event over Lambda's limit.
    LimitEvents,
    /// Rejects the frames that API Gateway rejects: binary ones, and ones over 32 KB.
    RefuseFrames,
    /// Does not let messages select `$connect` and `$disconnect`.
    KeepLifecycleRoutes,
}

impl Ability {
    /// Why `engine` lacks the ability; `None` if it has it.
    fn missing_reason(self, engine: Engine) -> Option<&'static str> {
        let deployed = match self {
            Self::InjectFaults => "a deployed stack has no fault injection",
            Self::CountCalls => "a deployed stack does not record its functions' calls",
            Self::CountMessages => "SQS reports only the approximate number of messages",
            Self::KillFunctions => "Lambda cannot kill a busy function's process",
            Self::AdjustStack => "a deployed stack has the settings of its template",
            Self::ReadLogs => "a deployed stack logs to CloudWatch, late and in another format",
            Self::HoldJobs if env::var_os(QUEUE_IS_HELD).is_some() => return None,
            Self::HoldJobs => "a queued job is claimed at once, unless the queue is held",
            Self::LimitEvents | Self::RefuseFrames | Self::KeepLifecycleRoutes
                if engine == Engine::Aws =>
            {
                return None;
            }
            Self::LimitEvents => "ministack invokes functions with events of any size",
            Self::RefuseFrames => "ministack accepts binary frames and frames of any size",
            Self::KeepLifecycleRoutes => {
                "ministack routes a message whose type is $connect to the route $connect"
            }
        };
        (engine != Engine::Local).then_some(deployed)
    }
}

/// Whether the engine lacks one of these abilities, so that the scenario must be skipped. Reports the
/// skipped scenario. `place` is the full name of an item inside the scenario.
pub fn skips(place: &str, needed: &[Ability]) -> bool {
    let engine = Engine::chosen();
    let Some(reason) = needed
        .iter()
        .find_map(|ability| ability.missing_reason(engine))
    else {
        return false;
    };
    let scenario = place.split_once("::").map_or(place, |(_, path)| path);
    let scenario = scenario.split("::{{").next().unwrap_or(scenario);
    let line = format!("{scenario}: {reason}\n");
    let noted = match env::var_os(SKIPPED) {
        Some(file) => OpenOptions::new()
            .create(true)
            .append(true)
            .open(file)
            .and_then(|mut file| file.write_all(line.as_bytes())),
        // Bypasses the test harness's capture, so that skipped scenarios are visible.
        None => write!(std::io::stderr(), "skipped {line}"),
    };
    noted.expect("the skipped scenario is reported");
    true
}

/// Returns from a scenario if its engine lacks one of these abilities, and reports it as skipped.
#[macro_export]
macro_rules! needs {
    ($($ability:ident),+ $(,)?) => {{
        fn here() {}
        if $crate::skips(::std::any::type_name_of_val(&here), &[$($crate::Ability::$ability),+]) {
            return;
        }
    }};
}
