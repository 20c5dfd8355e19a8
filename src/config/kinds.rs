//! What a setting can be, where it is one of a few.

use serde::Deserialize;

/// Where state is kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum StoreKind {
    /// In the data directory.
    #[default]
    Embedded,
    /// In a DynamoDB table.
    Dynamodb,
}

/// Where bytes are kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum ObjectsKind {
    /// In the data directory.
    #[default]
    Embedded,
    /// In an S3 bucket.
    S3,
}

/// What to do where the object storage does not enforce what its URLs say. The
/// embedded storage is not asked: its code is ours, and tested.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Unenforced {
    /// Do not start.
    #[default]
    Refuse,
    /// Start without the method concerned, where there are others; else do not start.
    Downgrade,
    /// Say so and start: for emulators.
    Accept,
}

/// What is done about paths that must not leave a machine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum PathPolicy {
    /// Uploads to them are refused.
    #[default]
    Protect,
    /// Nothing.
    Off,
}

/// How logs are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// For machines, a JSON object a line.
    Json,
}

/// What is logged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "the usual levels")]
pub enum LogLevel {
    Error,
    Warn,
    #[default]
    Info,
    Debug,
    Trace,
}

/// The state backend with all it needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoreConfig {
    /// In the data directory.
    Embedded,
    /// In a DynamoDB table.
    Dynamodb {
        /// Its name.
        table: String,
        /// Another endpoint than AWS's own.
        endpoint: Option<String>,
    },
}

/// The object backend with all it needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ObjectsConfig {
    /// In the data directory.
    Embedded,
    /// In an S3 bucket.
    S3 {
        /// Its name.
        bucket: String,
        /// Another endpoint than AWS's own.
        endpoint: Option<String>,
        /// The endpoint that clients see.
        public_endpoint: Option<String>,
        /// Whether the bucket is named in the path.
        path_style: bool,
    },
}
