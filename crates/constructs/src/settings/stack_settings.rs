//! The settings of a whole stack.

use cloudformation::resources::{
    Tags,
    lambda::{Architecture, LogLevel},
    logs::RetentionDays,
};

use super::{NameSuffix, Origin, TopicArn};

/// The settings of a whole stack. What only one construct needs, such as the domain of an API, is among
/// the options of that construct.
///
/// The default keeps all data when the stack is deleted, and runs functions on Graviton.
///
/// ```
/// use constructs::settings::{NameSuffix, RetentionDays, StackSettings, Tags};
///
/// let settings = StackSettings {
///     tags: Tags::new([("Team", "shop")]),
///     name_suffix: NameSuffix::new("-staging")?,
///     log_retention: RetentionDays::TwoWeeks,
///     ..StackSettings::default()
/// };
/// # Ok::<(), constructs::settings::SettingError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StackSettings {
    /// The tags of all resources that support tags.
    pub tags: Tags,
    /// The default of the stack's parameter with the suffix of the names of tables and queues. An account
    /// and region can hold stacks with different suffixes.
    pub name_suffix: NameSuffix,
    /// Precedes the names of all tables and queues.
    pub name_prefix: String,
    /// The retention of all log groups.
    pub log_retention: RetentionDays,
    /// The lowest level that the functions log.
    pub log_level: LogLevel,
    /// What the deletion of the stack does to tables, queues, buckets and logs.
    pub data: DataPolicy,
    /// Point-in-time recovery of the tables: any second of the last 35 days.
    pub point_in_time_recovery: bool,
    /// The owner of the key that encrypts the tables.
    pub table_key: TableKey,
    /// The default of the stack's parameter with the topic for alarms.
    pub alarm_topic: Option<TopicArn>,
    /// The origins whose pages may use HTTP APIs and read from buckets; all if empty. See
    /// [`Stack::allowed_origins`](crate::Stack::allowed_origins).
    pub allowed_origins: Vec<Origin>,
    /// The processor of the functions.
    pub architecture: Architecture,
    /// The Cargo workspace of the functions, relative to the folder of the SAM template. `sam build` runs
    /// Cargo there.
    pub workspace: String,
    /// CloudFormation's message if a deployment does not say where a function's package is: the tool that
    /// uploads packages.
    pub package_constraint: String,
}

/// What the deletion of the stack does to its data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DataPolicy {
    /// The data is deleted.
    Disposable,
    /// The data is retained, and the tables have deletion protection.
    Protected,
}

/// The owner of a table's encryption key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TableKey {
    /// DynamoDB. Free of charge.
    Owned,
    /// The account's KMS, with the alias `aws/dynamodb`: its uses are logged and charged.
    Managed,
}

impl Default for StackSettings {
    fn default() -> Self {
        Self {
            tags: Tags::default(),
            name_suffix: NameSuffix::default(),
            name_prefix: String::new(),
            log_retention: RetentionDays::OneMonth,
            log_level: LogLevel::Info,
            data: DataPolicy::Protected,
            point_in_time_recovery: true,
            table_key: TableKey::Owned,
            alarm_topic: None,
            allowed_origins: Vec::new(),
            architecture: Architecture::Arm64,
            workspace: ".".to_owned(),
            package_constraint: "the bucket and key of a package".to_owned(),
        }
    }
}
