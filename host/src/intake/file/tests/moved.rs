//! Files that are renamed, deleted, cut off or replaced.

use super::*;

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
