//! Long files and many of them, with limits to what is read and held open at once.

use super::*;

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
