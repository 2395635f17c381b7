//! The queue that a command looks into: by the socket of the service that runs, or by the folder of one that does not.

use super::{Failure, read_config, variable};
use crate::admin::{ClientError, SocketClient};
use crate::args::{Confirm, QueueAt};
use crate::config::Overrides;
use crate::queue;
use crate::queue::control::{Offline, OfflineError, Request, Response};
use anyhow::{Context as _, anyhow};
use rustix::fs::Mode;
use rustix::process::umask;
use std::io::{self, IsTerminal as _, Write as _};
use std::path::PathBuf;
use tokio::runtime::Runtime;

pub(super) struct Access {
    way: Way,
    /// Whether texts that people wrote are shown as they are.
    pub(super) shows_free_text: bool,
}

enum Way {
    /// The connection lives as long as the runtime.
    Running(Runtime, SocketClient),
    Stopped(Box<Offline>),
}

impl Access {
    pub(super) fn open(at: &QueueAt, privacy: Option<&str>) -> Result<Self, Failure> {
        let overrides =
            Overrides { data_dir: at.data_dir.clone(), privacy: privacy.map(str::to_owned), ..Overrides::default() };
        let plan = read_config(at.config.as_deref())?.plan_queue(&overrides, &variable)?;
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().build().context("start the runtime")?;
        let way = match runtime.block_on(SocketClient::connect(&plan.data_dir)) {
            Ok(client) => Way::Running(runtime, client),
            Err(ClientError::Nobody) => {
                // Whatever is written there tells of calls, and belongs to this user alone.
                umask(Mode::RWXG | Mode::RWXO);
                let folder: PathBuf = plan.data_dir.join(queue::FOLDER);
                let opened = Offline::open(&folder, plan.settings).map_err(|error| match error {
                    OfflineError::Open(error) if error.is_in_use() => {
                        anyhow!(
                            "{error}\nno service answers at {}: if one is just starting or stopping, try again in a moment",
                            plan.data_dir.join("admin.sock").display()
                        )
                    }
                    error => anyhow!(error),
                })?;
                let (offline, told) = opened;
                for line in told {
                    // Nothing can be done about a standard error that is closed.
                    let _written = writeln!(io::stderr(), "callspan: {line}");
                }
                Way::Stopped(Box::new(offline))
            }
            Err(error) => return Err(Failure::Runtime(error.into())),
        };
        Ok(Access { way, shows_free_text: plan.shows_free_text })
    }

    pub(super) fn is_running(&self) -> bool {
        matches!(self.way, Way::Running(..))
    }

    pub(super) fn ask(&mut self, request: Request) -> Result<Response, Failure> {
        Ok(match &mut self.way {
            Way::Running(runtime, client) => runtime.block_on(client.ask(&request)).map_err(anyhow::Error::new)?,
            Way::Stopped(offline) => offline.answer(request).map_err(anyhow::Error::new)?,
        })
    }

    /// The consumers of a sink; `TRANSFORM/SINK` is one of them.
    pub(super) fn consumers_of(&mut self, sink: &str) -> Result<Vec<String>, Failure> {
        let Response::Consumers { consumers } = self.ask(Request::Consumers)? else { return Err(unexpected()) };
        let all: Vec<String> = consumers.into_iter().map(|consumer| consumer.name).collect();
        let is_meant = |name: &&String| **name == sink || name.rsplit('/').next() == Some(sink);
        let meant: Vec<String> = all.iter().filter(is_meant).cloned().collect();
        if meant.is_empty() {
            let known =
                if all.is_empty() { "it knows none".to_owned() } else { format!("it knows {}", all.join(", ")) };
            return Err(Failure::Runtime(anyhow!("the queue knows no sink `{sink}`; {known}")));
        }
        Ok(meant)
    }
}

/// Asks whether to go on. Where nobody can be asked, it has to be said on the command line.
pub(super) fn confirm(confirm: Confirm, question: &str) -> Result<bool, Failure> {
    if confirm.yes {
        return Ok(true);
    }
    if !io::stdin().is_terminal() {
        return Err(Failure::Usage(anyhow!("{question} Nobody can be asked here: give --yes")));
    }
    let mut stderr = io::stderr().lock();
    write!(stderr, "{question} [y/N] ").and_then(|()| stderr.flush()).context("ask")?;
    let mut answer = String::new();
    io::stdin().read_line(&mut answer).context("read the answer")?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}

pub(super) fn unexpected() -> Failure {
    Failure::Runtime(anyhow!("the service answered something else, so it may be another version of callspan"))
}
