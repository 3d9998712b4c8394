//! A resource type that the library does not have.

use cloudformation::{Handle, ResourceType, StringValue};
use serde::Serialize;

/// A schedule that sends a message to a queue.
/// <https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-scheduler-schedule.html>
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Schedule {
    /// The schedule's name, unique in its group.
    pub name: String,
    /// `rate(1 day)`, or `cron(0 3 * * ? *)`.
    pub schedule_expression: &'static str,
    /// Whether EventBridge can delay invocations.
    pub flexible_time_window: FlexibleTimeWindow,
    /// The queue and the message.
    pub target: Target,
}

/// Whether EventBridge can delay invocations.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "Mode", rename_all_fields = "PascalCase")]
pub enum FlexibleTimeWindow {
    /// Invocations are on time.
    #[serde(rename = "OFF")]
    Off,
    /// Invocations are within a window.
    #[serde(rename = "FLEXIBLE")]
    Flexible {
        /// The length of the window in minutes, 1 to 1,440.
        maximum_window_in_minutes: u32,
    },
}

/// The target of a schedule.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Target {
    /// The ARN of the queue.
    pub arn: StringValue,
    /// The ARN of the role that may send to the queue.
    pub role_arn: StringValue,
    /// The message.
    pub input: StringValue,
}

impl ResourceType for Schedule {
    const TYPE_NAME: &'static str = "AWS::Scheduler::Schedule";
}

/// What other resources can refer to.
pub trait ScheduleAttributes {
    /// The schedule's name.
    fn name(&self) -> StringValue;
    /// The schedule's ARN.
    fn arn(&self) -> StringValue;
}

impl ScheduleAttributes for Handle<Schedule> {
    fn name(&self) -> StringValue {
        self.reference()
    }

    fn arn(&self) -> StringValue {
        self.attribute("Arn")
    }
}
