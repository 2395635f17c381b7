//! The file source against files that change, and a queue that settles on cue.

mod many;
mod moved;

use super::follower::Mark;
use super::*;
use crate::intake::stage::{Cue, Stage};
use crate::record::Record;
use crate::telemetry::metric;
use std::collections::BTreeSet;
use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::time::SystemTime;
use tempfile::TempDir;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

const LINE_BYTES_MAX: usize = 100;

/// A folder with files, and what follows them.
struct Scene {
    folder: TempDir,
    settings: Settings,
}

/// A source that runs.
struct Running {
    task: JoinHandle<Result<(), FileError>>,
    stop: oneshot::Sender<()>,
}

impl Scene {
    fn new() -> Self {
        let folder = TempDir::new().expect("a folder");
        let path = |name: &str| folder.path().join(name).display().to_string();
        let settings = Settings {
            include: vec![path("*.log"), path("old*.log.1")],
            exclude: vec![path("secret*")],
            read_from: ReadFrom::Beginning,
            ignore_checkpoints: false,
            line_bytes_max: LINE_BYTES_MAX,
            poll_interval: Duration::from_millis(5),
            checkpoints: folder.path().join("state/files.json"),
        };
        Self { folder, settings }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn append(&self, name: &str, text: impl AsRef<[u8]>) {
        let mut file = OpenOptions::new().create(true).append(true).open(self.path(name)).expect("opened");
        file.write_all(text.as_ref()).expect("written");
    }

    fn rename(&self, from: &str, to: &str) {
        fs::rename(self.path(from), self.path(to)).expect("renamed");
    }

    fn start(&self, stage: &Arc<Stage>) -> Running {
        self.start_counted(stage, Component::default())
    }

    fn start_counted(&self, stage: &Arc<Stage>, component: Component) -> Running {
        let (stop, stopped) = oneshot::channel();
        let shutdown = async { drop(stopped.await) };
        let queue = Arc::new(Arc::clone(stage));
        Running { task: tokio::spawn(run(self.settings.clone(), queue, component, shutdown)), stop }
    }

    /// What reads, without what it feeds.
    fn follower(&self) -> Follower {
        self.follower_counted(&Component::default())
    }

    fn follower_counted(&self, component: &Component) -> Follower {
        Follower::new(self.settings.clone(), component).expect("settings in order")
    }

    /// Runs until so many records are settled.
    async fn run_until_settled(&self, stage: &Arc<Stage>, count: usize) -> Vec<String> {
        let running = self.start(stage);
        stage.has_settled(count).await;
        running.stop().await;
        stage.appended()
    }
}

/// What is read by one call.
fn read(follower: &mut Follower) -> VecDeque<(Mark, Record)> {
    let mut records = VecDeque::new();
    follower.read(&mut records);
    records
}

fn bodies(records: &VecDeque<(Mark, Record)>) -> Vec<String> {
    records.iter().map(|(_, record)| String::from_utf8_lossy(&record.body).into_owned()).collect()
}

impl Running {
    async fn stop(self) {
        drop(self.stop);
        self.task.await.expect("no panic").expect("stopped in order");
    }

    /// As if the process were killed.
    async fn kill(self) {
        self.task.abort();
        assert!(self.task.await.expect_err("killed").is_cancelled());
    }
}

#[tokio::test]
async fn lines_are_read_as_they_are_appended_and_a_partial_one_waits() {
    let (scene, stage) = (Scene::new(), Stage::new([]));
    scene.append("a.log", "\u{feff}one\r\n\n   \ntwo\nthr");
    let running = scene.start(&stage);
    stage.has_settled(2).await;
    scene.append("a.log", "ee\nfo");
    stage.has_settled(3).await;
    scene.append("later.log", "five\n");
    stage.has_settled(4).await;
    running.stop().await;
    assert_eq!(stage.appended(), ["one", "two", "three", "five"]);
}

#[tokio::test]
async fn a_restart_goes_on_where_the_last_run_has_ended() {
    let scene = Scene::new();
    scene.append("a.log", "one\ntwo\n");
    assert_eq!(scene.run_until_settled(&Stage::new([]), 2).await, ["one", "two"]);
    scene.append("a.log", "three\n");
    assert_eq!(scene.run_until_settled(&Stage::new([]), 1).await, ["three"]);
}

#[tokio::test]
async fn what_was_settled_but_not_remembered_is_read_again_after_a_kill() {
    let scene = Scene::new();
    scene.append("a.log", "one\n");
    scene.run_until_settled(&Stage::new([]), 1).await;
    let checkpoints = fs::read(&scene.settings.checkpoints).expect("saved");
    scene.append("a.log", "two\n");
    scene.run_until_settled(&Stage::new([]), 1).await;
    // The disk as a process has left it that was killed before it could save.
    fs::write(&scene.settings.checkpoints, checkpoints).expect("written");
    assert_eq!(scene.run_until_settled(&Stage::new([]), 1).await, ["two"]);
}

#[tokio::test]
async fn a_line_that_is_not_settled_holds_up_the_position() {
    let (scene, stage) = (Scene::new(), Stage::new([Cue::Hold]));
    scene.append("a.log", "one\ntwo\n");
    let running = scene.start(&stage);
    stage.has_settled(1).await;
    running.kill().await;
    assert_eq!(scene.run_until_settled(&Stage::new([]), 2).await, ["one", "two"]);
}

#[tokio::test]
async fn a_shutdown_waits_for_what_is_under_way() {
    let (scene, stage) = (Scene::new(), Stage::new([Cue::Hold]));
    scene.append("a.log", "one\n");
    let running = scene.start(&stage);
    stage.has_appended(1).await;
    let stopped = tokio::spawn(running.stop());
    stage.release();
    stopped.await.expect("stopped");
    scene.append("a.log", "two\n");
    assert_eq!(scene.run_until_settled(&Stage::new([]), 1).await, ["two"]);
}

#[tokio::test]
async fn a_record_is_tried_until_it_is_settled_and_a_rejected_one_is_passed() {
    let metrics = crate::telemetry::Metrics::new().expect("a registry");
    let component = metrics.component("source", "file", "calls");
    let (scene, stage) = (Scene::new(), Stage::new([Cue::Full, Cue::Full, Cue::Retry, Cue::Reject, Cue::Full]));
    scene.append("a.log", "one\ntwo\nthree\n");
    let running = scene.start_counted(&stage, component.clone());
    stage.has_settled(3).await;
    running.stop().await;
    let mut seen = stage.appended();
    seen.sort();
    assert_eq!(seen, ["one", "one", "three", "two"]);
    let settled = |how| component.counter(metric::SETTLED_EVENTS, &[("settlement", how)]).value();
    assert_eq!(["acknowledged", "rejected", "to_be_retried"].map(settled), [2, 1, 1]);
    assert_eq!(component.counter(metric::RECEIVED_EVENTS, &[]).value(), 3);
    assert_eq!(component.counter(metric::RECEIVED_BYTES, &[]).value(), 11);
    scene.append("a.log", "four\n");
    assert_eq!(scene.run_until_settled(&Stage::new([]), 1).await, ["four"]);
}

#[tokio::test]
async fn a_line_that_is_too_long_is_passed_over_and_costs_no_other() {
    let metrics = crate::telemetry::Metrics::new().expect("a registry");
    let component = metrics.component("source", "file", "calls");
    let (scene, stage) = (Scene::new(), Stage::new([]));
    let [just, over, far] = [LINE_BYTES_MAX, LINE_BYTES_MAX + 1, 300_000].map(|length| "x".repeat(length));
    scene.append("a.log", format!("{just}\r\n{over}\n{far}\nlast\n"));
    let running = scene.start_counted(&stage, component.clone());
    stage.has_settled(2).await;
    running.stop().await;
    assert_eq!(stage.appended(), [just.as_str(), "last"]);
    let labels = [("error_code", "line_too_long"), ("error_type", "condition_failed"), metric::RECEIVING];
    assert_eq!(component.counter(metric::ERRORS, &labels).value(), 2);
}

#[tokio::test]
async fn only_files_that_are_wanted_are_read() {
    let (scene, stage) = (Scene::new(), Stage::new([]));
    scene.append("secret.log", "excluded\n");
    scene.append("other.txt", "not included\n");
    fs::create_dir(scene.path("folder.log")).expect("made");
    rustix::fs::mkfifoat(rustix::fs::CWD, scene.path("pipe.log"), rustix::fs::Mode::from_raw_mode(0o600))
        .expect("made");
    std::os::unix::fs::symlink(scene.path("other.txt"), scene.path("link.log")).expect("made");
    std::os::unix::fs::symlink(scene.path("nothing"), scene.path("broken.log")).expect("made");
    scene.append("z.log", "last\n");
    let mut seen = scene.run_until_settled(&stage, 2).await;
    seen.sort();
    assert_eq!(seen, ["last", "not included"]);
}

#[tokio::test]
async fn what_cannot_be_read_is_told_once_and_tried_again() {
    let metrics = crate::telemetry::Metrics::new().expect("a registry");
    let component = metrics.component("source", "file", "calls");
    let (scene, stage) = (Scene::new(), Stage::new([]));
    // A link to itself cannot be opened, not even by root.
    std::os::unix::fs::symlink(scene.path("loop.log"), scene.path("loop.log")).expect("made");
    scene.append("a.log", "one\n");
    let running = scene.start_counted(&stage, component.clone());
    for count in 1..10 {
        stage.has_settled(count).await;
        scene.append("a.log", "more\n");
    }
    let labels = [("error_code", "file_unreadable"), ("error_type", "reader_failed"), metric::RECEIVING];
    assert_eq!(component.counter(metric::ERRORS, &labels).value(), 1);
    fs::remove_file(scene.path("loop.log")).expect("removed");
    scene.append("loop.log", "last\n");
    stage.has_settled(11).await;
    running.stop().await;
    assert!(stage.appended().contains(&"last".to_owned()));
}

#[tokio::test]
async fn what_was_there_is_passed_over_if_that_is_wanted_but_not_what_appears() {
    let (mut scene, stage) = (Scene::new(), Stage::new([]));
    scene.settings.read_from = ReadFrom::End;
    scene.append("a.log", "there already\nhalf ");
    let running = scene.start(&stage);
    // The first look is over once it is remembered.
    let checkpoints_name_it = async {
        while !fs::read_to_string(&scene.settings.checkpoints).is_ok_and(|text| text.contains("a.log")) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), checkpoints_name_it).await.expect("saved");
    scene.append("a.log", "a line\n");
    scene.append("b.log", "new\n");
    stage.has_settled(2).await;
    running.stop().await;
    let mut seen = stage.appended();
    seen.sort();
    assert_eq!(seen, ["half a line", "new"]);
    // Positions count for more than where to begin.
    scene.append("a.log", "while nobody looked\n");
    assert_eq!(scene.run_until_settled(&Stage::new([]), 1).await, ["while nobody looked"]);
}

#[tokio::test]
async fn checkpoints_are_refused_if_they_are_broken_and_ignored_if_that_is_wanted() {
    let mut scene = Scene::new();
    scene.append("a.log", "one\n");
    scene.run_until_settled(&Stage::new([]), 1).await;
    scene.settings.ignore_checkpoints = true;
    assert_eq!(scene.run_until_settled(&Stage::new([]), 1).await, ["one"]);
    fs::write(&scene.settings.checkpoints, "no JSON").expect("written");
    scene.settings.ignore_checkpoints = false;
    let refused = scene.start(&Stage::new([])).task.await.expect("no panic").expect_err("refused").to_string();
    assert!(refused.contains("files.json") && refused.contains("move the file away"), "{refused}");
}

#[tokio::test]
async fn a_pattern_that_is_none_is_refused() {
    let mut scene = Scene::new();
    scene.settings.include = vec!["/tmp/a**b".to_owned()];
    let refused = scene.start(&Stage::new([])).task.await.expect("no panic").expect_err("refused");
    assert!(matches!(refused, FileError::Pattern { .. }), "{refused}");
}
