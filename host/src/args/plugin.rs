//! Arguments of the commands that exchange plugins.

use super::QueueAt;
use clap::{Args, Subcommand};
use std::path::PathBuf;

#[derive(Args, Debug)]
pub struct Plugin {
    #[command(flatten)]
    pub at: QueueAt,
    #[command(subcommand)]
    pub command: PluginCommand,
}

#[derive(Debug, Subcommand)]
pub enum PluginCommand {
    /// Show what each transform maps with.
    Status,
    /// Load the configured plugin, and put it into service if it is another one.
    ///
    /// The one in service stays if the new one cannot be loaded, refuses its options, or fails its trial: the exit code is
    /// then 1.
    Reload {
        /// The transform; without it, each whose plugin is a file.
        #[arg(value_name = "TRANSFORM")]
        transform: Option<String>,
    },
    /// Have a candidate map the same records beside the plugin in service, for comparison.
    ///
    /// `callspan plugin status` tells what is different: attributes and spans by their declared names, never a value. What
    /// the candidate makes goes nowhere. It gets only what the service leaves of the processor, so under load part of the
    /// records is not compared.
    Shadow {
        /// The transform.
        #[arg(value_name = "TRANSFORM")]
        transform: String,
        /// The component.
        #[arg(value_name = "FILE", required_unless_present = "stop")]
        file: Option<PathBuf>,
        /// Compare no more.
        #[arg(long, conflicts_with = "file")]
        stop: bool,
    },
    /// Put the candidate into service.
    Promote {
        /// The transform.
        #[arg(value_name = "TRANSFORM")]
        transform: String,
    },
    /// Put the plugin before into service again, at once.
    ///
    /// It was kept since it was replaced, so nothing is loaded for it. A file that changed before stays as it is, and is not
    /// loaded again until it changes anew or somebody asks for it.
    Rollback {
        /// The transform.
        #[arg(value_name = "TRANSFORM")]
        transform: String,
    },
}
