//! What a scenario may need of its engine, which engine lacks it, and why: the one list of what is
//! skipped.

use std::{env, fs::OpenOptions, io::Write as _};

use super::Engine;

/// Names a file that skipped scenarios are added to, one a line, with the reason. Without it they
/// are told on standard error.
const SKIPPED: &str = "STAGECAST_SKIPPED";
/// Set while the jobs queue is held: jobs stay queued.
const QUEUE_IS_HELD: &str = "STAGECAST_QUEUE_IS_HELD";

/// What a scenario needs of its engine beyond what the system's users have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ability {
    /// To let calls fail, hang and be throttled.
    InjectFaults,
    /// To count the calls of functions.
    CountCalls,
    /// To count the messages of a queue, those that are being handled included.
    CountMessages,
    /// To end a function's processes while they are busy.
    KillFunctions,
    /// To run with other timeouts and settings than the template's.
    AdjustTheStack,
    /// To read what functions log, as they log it.
    ReadLogs,
    /// To keep a job on its queue.
    HoldJobs,
    /// To refuse requests whose event is larger than Lambda takes.
    LimitEvents,
    /// To refuse frames that API Gateway refuses: binary ones, and ones over 32 KB.
    RefuseFrames,
    /// To keep `$connect` and `$disconnect` from being selected by a message.
    KeepLifecycleRoutes,
}

impl Ability {
    /// Why `engine` has not got it; `None` if it has.
    fn lack(self, engine: Engine) -> Option<&'static str> {
        let deployed = match self {
            Self::InjectFaults => "nothing that is deployed fails on request",
            Self::CountCalls => "what is deployed does not tell which calls its functions make",
            Self::CountMessages => "SQS tells only roughly how many messages a queue has",
            Self::KillFunctions => "Lambda does not let anyone end a busy function's process",
            Self::AdjustTheStack => "what is deployed has the timeouts and settings it has",
            Self::ReadLogs => "what is deployed logs through CloudWatch, late and in its own frame",
            Self::HoldJobs if env::var_os(QUEUE_IS_HELD).is_some() => return None,
            Self::HoldJobs => "a job is taken as soon as it is queued, unless the queue is held",
            Self::LimitEvents | Self::RefuseFrames | Self::KeepLifecycleRoutes
                if engine == Engine::Aws =>
            {
                return None;
            }
            Self::LimitEvents => "ministack invokes functions with events of any size",
            Self::RefuseFrames => "ministack takes binary frames and frames of any size",
            Self::KeepLifecycleRoutes => {
                "ministack routes a message whose type is $connect to the route $connect"
            }
        };
        (engine != Engine::Local).then_some(deployed)
    }
}

/// Whether a scenario has to be skipped, for want of one of these abilities. Says so if it has to.
/// `place` is the full name of something inside of the scenario.
pub fn skips(place: &str, needed: &[Ability]) -> bool {
    let engine = Engine::chosen();
    let Some(reason) = needed.iter().find_map(|ability| ability.lack(engine)) else {
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
        // Past the capture of a test's output: what is skipped is to be seen.
        None => write!(std::io::stderr(), "skipped {line}"),
    };
    noted.expect("what is skipped is noted");
    true
}

/// Ends a scenario that needs what its engine lacks, and says that it was skipped.
#[macro_export]
macro_rules! needs {
    ($($ability:ident),+ $(,)?) => {{
        fn here() {}
        if $crate::skips(::std::any::type_name_of_val(&here), &[$($crate::Ability::$ability),+]) {
            return;
        }
    }};
}
