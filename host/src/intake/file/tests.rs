//! The file source against files that change, and a queue that settles on cue.

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
async fn a_renamed_file_is_read_to_its_end_and_not_again() {
    let (scene, stage) = (Scene::new(), Stage::new([]));
    scene.append("old.log", "one\n");
    let running = scene.start(&stage);
    stage.has_settled(1).await;
    // Both names match.
    scene.rename("old.log", "old.log.1");
    scene.append("old.log.1", "two\n");
    scene.append("old.log", "three\n");
    stage.has_settled(3).await;
    // This one matches no more.
    scene.rename("old.log", "gone");
    scene.append("gone", "four\n");
    stage.has_settled(4).await;
    running.stop().await;
    let mut seen = stage.appended();
    seen.sort();
    assert_eq!(seen, ["four", "one", "three", "two"]);
}

#[tokio::test]
async fn a_deleted_file_is_forgotten_once_it_is_read() {
    let metrics = crate::telemetry::Metrics::new().expect("a registry");
    let component = metrics.component("source", "file", "calls");
    let (scene, stage) = (Scene::new(), Stage::new([]));
    scene.append("a.log", "one\n");
    scene.run_until_settled(&stage, 1).await;
    assert!(fs::read_to_string(&scene.settings.checkpoints).expect("saved").contains("a.log"));
    scene.append("a.log", "two\n");
    let running = scene.start_counted(&stage, component.clone());
    stage.has_settled(2).await;
    let open = component.gauge(metric::FILES_OPEN, &[]);
    assert_eq!(open.value(), 1);
    fs::remove_file(scene.path("a.log")).expect("removed");
    let forgotten = async {
        while open.value() > 0 {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), forgotten).await.expect("forgotten");
    running.stop().await;
    let checkpoints = fs::read_to_string(&scene.settings.checkpoints).expect("saved");
    assert_eq!(checkpoints, r#"{"version":1,"files":[]}"#);
}

#[tokio::test]
async fn a_file_that_was_cut_off_begins_again() {
    let (scene, stage) = (Scene::new(), Stage::new([]));
    scene.append("a.log", "one\ntwo\n");
    let running = scene.start(&stage);
    stage.has_settled(2).await;
    fs::write(scene.path("a.log"), "x\n").expect("written");
    stage.has_settled(3).await;
    // Longer than what was read, but another content.
    fs::write(scene.path("a.log"), "longer\nthan before\n").expect("written");
    stage.has_settled(5).await;
    running.stop().await;
    assert_eq!(stage.appended(), ["one", "two", "x", "longer", "than before"]);
}

#[tokio::test]
async fn another_file_in_the_place_of_a_remembered_one_is_read_from_its_start() {
    let scene = Scene::new();
    scene.append("a.log", "one\n");
    scene.run_until_settled(&Stage::new([]), 1).await;
    // The same inode.
    fs::write(scene.path("a.log"), "1st\n2nd\n").expect("written");
    assert_eq!(scene.run_until_settled(&Stage::new([]), 2).await, ["1st", "2nd"]);
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

/// More lines than may be under way, of which the first are to be retried.
#[tokio::test]
async fn a_long_file_is_read_whole_and_each_line_settled_once() {
    let (scene, stage) = (Scene::new(), Stage::new([Cue::Retry; 700]));
    let lines: String = (0..5000).map(|number| format!("{number}\n")).collect();
    scene.append("a.log", &lines);
    let mut seen = scene.run_until_settled(&stage, 5000).await;
    seen.sort_by_key(|line| line.parse::<u32>().expect("a number"));
    seen.dedup();
    assert_eq!(seen.join("\n") + "\n", lines);
    assert_eq!(stage.settled(), 5000);
}

/// Each could fill its own window, and all of them no more than the budget.
#[tokio::test]
async fn all_files_together_have_a_limit_and_take_turns_at_it() {
    let scene = Scene::new();
    for name in 0..20 {
        scene.append(&format!("{name}.log"), "line\n".repeat(2000));
    }
    let mut follower = scene.follower();
    follower.look();
    let mut seen = BTreeSet::new();
    for _ in 0..5 {
        let records = read(&mut follower);
        assert!((1..=budget::RECORDS_MAX).contains(&records.len()));
        assert!(read(&mut follower).is_empty() && !follower.has_more());
        for (mark, _) in records {
            seen.insert(mark.file);
            follower.settle(mark, None);
        }
        assert!(follower.has_more());
    }
    assert_eq!(seen.len(), 20);
}

#[tokio::test]
async fn what_was_forgotten_with_a_file_that_was_cut_off_still_counts_until_it_is_settled() {
    let scene = Scene::new();
    scene.append("a.log", "line\n".repeat(300));
    let mut follower = scene.follower();
    follower.look();
    let mut under_way = read(&mut follower).len();
    for length in (1..100).rev() {
        fs::write(scene.path("a.log"), format!("{}\n", "x".repeat(length)).repeat(260)).expect("written");
        under_way += read(&mut follower).len();
    }
    assert!(under_way <= budget::RECORDS_MAX, "{under_way}");
}

#[tokio::test]
async fn a_file_that_was_written_anew_at_the_same_length_begins_again() {
    let scene = Scene::new();
    scene.append("a.log", "one\n");
    let mut follower = scene.follower();
    follower.look();
    assert_eq!(bodies(&read(&mut follower)), ["one"]);
    fs::write(scene.path("a.log"), "two\n").expect("written");
    let file = OpenOptions::new().write(true).open(scene.path("a.log")).expect("opened");
    // However coarse the clock of the file system is.
    file.set_modified(SystemTime::now() + Duration::from_secs(10)).expect("set");
    assert_eq!(bodies(&read(&mut follower)), ["two"]);
    // Another time alone makes no other file.
    file.set_modified(SystemTime::now() + Duration::from_secs(20)).expect("set");
    assert!(read(&mut follower).is_empty());
}

/// More files than may be open: all are read, the others stay open, and a closed one is opened when it has grown.
#[tokio::test]
async fn more_files_than_may_be_open_are_followed_all_the_same() {
    let metrics = crate::telemetry::Metrics::new().expect("a registry");
    let component = metrics.component("source", "file", "calls");
    let open = component.gauge(metric::FILES_OPEN, &[]);
    let files = follower::FILES_OPEN_MAX + 50;
    let scene = Scene::new();
    let name = |number: usize| format!("{number}.log");
    for number in 0..files {
        scene.append(&name(number), format!("{number}\n"));
    }
    let mut follower = scene.follower_counted(&component);
    follower.look();
    // Nothing is settled yet, so none can be closed.
    let mut records = read(&mut follower);
    assert_eq!((records.len(), open.value()), (follower::FILES_OPEN_MAX, follower::FILES_OPEN_MAX as u64));
    let mut seen = BTreeSet::new();
    while !records.is_empty() {
        seen.extend(bodies(&records));
        records.iter().for_each(|(mark, _)| follower.settle(*mark, None));
        records = read(&mut follower);
    }
    assert_eq!((seen.len(), open.value()), (files, follower::FILES_OPEN_MAX as u64));
    assert!(!follower.has_more());
    for number in 0..files {
        scene.append(&name(number), "more\n");
    }
    follower.look();
    let mut count = 0;
    while follower.has_more() {
        records = read(&mut follower);
        count += records.len();
        records.iter().for_each(|(mark, _)| follower.settle(*mark, None));
    }
    assert_eq!((count, open.value()), (files, follower::FILES_OPEN_MAX as u64));
    follower.save().expect("saved");
    // Positions of closed files are remembered too.
    let mut follower = scene.follower_counted(&component);
    follower.look();
    assert!(read(&mut follower).is_empty() && !follower.has_more());
}

#[tokio::test]
async fn long_files_take_turns_at_being_open() {
    let files = follower::FILES_OPEN_MAX + 50;
    let scene = Scene::new();
    for number in 0..files {
        scene.append(&format!("{number}.log"), "line\n".repeat(1000));
    }
    let mut follower = scene.follower();
    follower.look();
    let (mut seen, mut count) = (BTreeSet::new(), 0);
    while seen.len() < files {
        assert!(follower.has_more());
        for (mark, _) in read(&mut follower) {
            seen.insert(mark.file);
            count += 1;
            follower.settle(mark, None);
        }
    }
    // The first to be opened have not ended yet.
    assert!(count < files * 500, "{count}");
    while follower.has_more() {
        for (mark, _) in read(&mut follower) {
            count += 1;
            follower.settle(mark, None);
        }
    }
    assert_eq!(count, files * 1000);
}

#[tokio::test]
async fn what_is_passed_over_at_the_start_is_passed_over_in_closed_files_too() {
    let files = follower::FILES_OPEN_MAX + 10;
    let mut scene = Scene::new();
    scene.settings.read_from = ReadFrom::End;
    for number in 0..files {
        scene.append(&format!("{number}.log"), "there already\n");
    }
    let mut follower = scene.follower();
    follower.look();
    assert!(read(&mut follower).is_empty());
    for number in 0..files {
        scene.append(&format!("{number}.log"), "new\n");
    }
    follower.look();
    let mut seen = Vec::new();
    while follower.has_more() || seen.is_empty() {
        let records = read(&mut follower);
        seen.extend(bodies(&records));
        records.iter().for_each(|(mark, _)| follower.settle(*mark, None));
    }
    assert_eq!(seen, vec!["new"; files]);
}

#[tokio::test]
async fn the_last_line_of_a_deleted_file_needs_no_line_break() {
    let scene = Scene::new();
    let long = "x".repeat(LINE_BYTES_MAX + 1);
    for (name, text) in [("a.log", "one\ntwo"), ("b.log", "three\n  "), ("c.log", "four\n"), ("d.log", &long)] {
        scene.append(name, text);
    }
    let mut follower = scene.follower();
    follower.look();
    let mut records = read(&mut follower);
    let mut seen = bodies(&records);
    records.drain(..).for_each(|(mark, _)| follower.settle(mark, None));
    for name in ["a.log", "b.log", "c.log", "d.log"] {
        fs::remove_file(scene.path(name)).expect("removed");
    }
    follower.look();
    records = read(&mut follower);
    seen.extend(bodies(&records));
    seen.sort();
    assert_eq!(seen, ["four", "one", "three", "two"]);
    // The file stays until its last line is settled.
    follower.look();
    follower.save().expect("saved");
    let saved = || fs::read_to_string(&scene.settings.checkpoints).expect("saved");
    assert!(saved().contains("a.log") && !saved().contains("b.log") && !saved().contains("d.log"));
    records.drain(..).for_each(|(mark, _)| follower.settle(mark, None));
    assert!(read(&mut follower).is_empty());
    follower.look();
    follower.save().expect("saved");
    assert_eq!(saved(), r#"{"version":1,"files":[]}"#);
}
