//! What a configuration says of the queue, and of how sinks take from it.

use super::*;
use crate::delivery;
use crate::queue::{
    ConsumerSettings, DeadLetterSettings, DuplicateSettings, Durability, SameTrace, Settings, StartFrom, WhenFull,
};

const MIB: u64 = 1024 * 1024;

#[test]
fn an_empty_file_keeps_records_on_disk() {
    let plan = planned("");
    assert_eq!(format!("{:?}", plan.queue), format!("{:?}", Settings::default()));
    assert_eq!(plan.queue.durability, Durability::Fsync);
    assert_eq!(plan.data_dir.as_deref(), Some(Path::new("/home/somebody/.local/share/callspan")));
    let sink = &plan.sinks[0].plan;
    assert_eq!(sink.consumer, ConsumerSettings::default());
    assert_eq!(format!("{:?}", sink.delivery), format!("{:?}", delivery::Settings::default()));
}

#[test]
fn every_option_of_the_queue_can_be_set() {
    let plan = planned(
        "
data_dir: /data
queue:
  durability: interval
  sync_interval_ms: 100
  max_size: 268435456
  min_free_space: 0
  keep: 7d
  dead_letters: { max_size: 268435455, keep: 12h }
  dedupe: { window: 90s, same_session: latest }
sinks:
  a:
    type: console
    start_from: earliest
    when_full: drop_oldest
    batch: { max_events: 7, max_bytes: 9000, timeout_secs: 0.25 }
",
    );
    let Settings { durability, bytes_max, free_bytes_min, keep, dead_letters, duplicates, key } = plan.queue;
    assert_eq!(durability, Durability::Interval(Duration::from_millis(100)));
    assert_eq!((bytes_max, free_bytes_min, keep), (256 * MIB, 0, Duration::from_secs(7 * 86_400)));
    assert_eq!(dead_letters, DeadLetterSettings { bytes_max: 256 * MIB - 1, keep: Duration::from_secs(12 * 3600) });
    assert_eq!(duplicates, DuplicateSettings { window: Duration::from_secs(90), same_trace: SameTrace::Latest });
    assert_eq!((key, plan.data_dir.as_deref()), (None, Some(Path::new("/data"))));
    let sink = &plan.sinks[0].plan;
    assert_eq!(sink.consumer, ConsumerSettings { start_from: StartFrom::Earliest, when_full: WhenFull::DropOldest });
    let delivery::Settings { batch_records_max, batch_bytes_max, linger, .. } = sink.delivery;
    assert_eq!((batch_records_max, batch_bytes_max, linger), (7, 9000, Duration::from_millis(250)));
}

#[test]
fn what_dead_letters_may_take_by_default_fits_into_the_queue() {
    let bytes_max = |text: &str| planned(text).queue.dead_letters.bytes_max;
    assert_eq!(bytes_max("queue: { max_size: 17179869184 }"), 1024 * MIB);
    assert_eq!(bytes_max("queue: { max_size: 268435456 }"), 32 * MIB);
}

/// On either side of each, what is taken and what is not.
#[test]
fn every_bound_holds() {
    let queue = |option: &str, value: &str| format!("queue: {{ {option}: {value} }}");
    let interval = |option: &str, value: &str| format!("queue: {{ durability: interval, {option}: {value} }}");
    let dead_letters = |option: &str, value: &str| format!("queue: {{ dead_letters: {{ {option}: {value} }} }}");
    let dedupe = |option: &str, value: &str| format!("queue: {{ dedupe: {{ {option}: {value} }} }}");
    let batch =
        |option: &str, value: &str| format!("sinks: {{ a: {{ type: console, batch: {{ {option}: {value} }} }} }}");
    let rows: [Bounds<'_>; 10] = [
        (&interval, "sync_interval_ms", &["1", "60000"], &["0", "60001", "0.5", "1s"]),
        (&queue, "max_size", &["268435456", "1125899906842624"], &["268435455", "1125899906842625", "8GB"]),
        (&queue, "min_free_space", &["0", "1125899906842624"], &["-1", "1125899906842625"]),
        (
            &queue,
            "keep",
            &["0s", "1ms", "10y", "3652d 12h", "'7 days'", "'${NOT_SET:-7d}'"],
            &["10y 1s", "7", "0", "-7d", "d", "''", "7q", "true", "[7d]", "18446744073709551615y"],
        ),
        (&dead_letters, "max_size", &["1048576", "8589934591"], &["1048575", "8589934592"]),
        (&dead_letters, "keep", &["0s", "10y"], &["10y 1s", "30"]),
        (&dedupe, "window", &["0s", "10y"], &["10y 1s", "24"]),
        (&batch, "max_events", &["1", "4096"], &["0", "4097"]),
        (&batch, "max_bytes", &["1", "67108864"], &["0", "67108865"]),
        (
            &batch,
            "timeout_secs",
            &["0", "0.0", "0.005", "60", "60.0", "5e-3", "'${NOT_SET:-0.5}'"],
            &["-0.1", "60.001", "61", "1e400", ".nan", ".inf", "'0.5'", "1s"],
        ),
    ];
    assert_bounds_hold(&rows);
}

#[test]
fn toml_has_fractions_and_times_too() {
    let text = "[queue]\nkeep = '7d'\n[sinks.a]\ntype = 'console'\nbatch = { timeout_secs = 0.25 }\n";
    let config = Config::parse(text, Format::Toml, &variable).expect("it is TOML");
    let plan = config.plan(&Overrides::default(), &variable).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(plan.queue.keep, Duration::from_secs(7 * 86_400));
    assert_eq!(plan.sinks[0].plan.delivery.linger, Duration::from_millis(250));
}

#[test]
fn the_command_line_wins_over_what_is_configured() {
    let plan = |text: &str, data_dir: Option<&str>, durability: Option<DurabilityName>| {
        let overrides = Overrides { data_dir: data_dir.map(PathBuf::from), durability, ..Overrides::default() };
        let config = Config::parse(text, Format::Yaml, &variable)?;
        config.plan(&overrides, &variable).map(|plan| (plan.data_dir, plan.queue.durability))
    };
    let (folder, other) = (Some(PathBuf::from("/folder")), Some(PathBuf::from("/other")));
    let interval = Durability::Interval;
    for (text, data_dir, durability, expected) in [
        ("data_dir: /folder", None, None, (&folder, Durability::Fsync)),
        ("data_dir: /folder", Some("/other"), Some(DurabilityName::Memory), (&other, Durability::Memory)),
        ("queue: { durability: memory }", Some("/other"), Some(DurabilityName::Fsync), (&other, Durability::Fsync)),
        ("", Some("/other"), Some(DurabilityName::Interval), (&other, interval(Duration::from_millis(500)))),
        (
            "queue: { durability: interval, sync_interval_ms: 9 }",
            Some("/other"),
            Some(DurabilityName::Interval),
            (&other, interval(Duration::from_millis(9))),
        ),
        // The interval is right in the file, whatever the command line says.
        (
            "queue: { durability: interval, sync_interval_ms: 9 }",
            Some("/other"),
            Some(DurabilityName::Memory),
            (&other, Durability::Memory),
        ),
    ] {
        let planned = plan(text, data_dir, durability).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!((&planned.0, planned.1), expected, "{text} {data_dir:?} {durability:?}");
    }
    let found = plan("queue: { sync_interval_ms: 9 }", None, Some(DurabilityName::Interval));
    assert!(found.is_err(), "the file is wrong without the command line");
}

#[test]
fn records_are_kept_where_there_is_a_folder() {
    const MISSING: &str = "queue: there is no folder to keep records in; set `data_dir` or the variable \
                           CALLSPAN_DATA_DIR, or `queue.durability: memory`";
    let plan = |text: &str, overrides: &Overrides| {
        let config = Config::parse(text, Format::Yaml, &|_| None).expect("it is YAML");
        config.plan(overrides, &|_| None).map(|plan| plan.data_dir).map_err(|error| error.to_string())
    };
    let nothing = Overrides::default();
    assert_eq!(plan("", &nothing), Err(MISSING.to_owned()));
    assert_eq!(plan("queue:\n  durability: interval\n", &nothing), Err(format!("1:1: {MISSING}")));
    assert_eq!(plan("queue: { durability: memory }", &nothing), Ok(None));
    assert_eq!(plan("data_dir: /data", &nothing), Ok(Some("/data".into())));
    let memory = Overrides { durability: Some(DurabilityName::Memory), ..Overrides::default() };
    assert_eq!(plan("", &memory), Ok(None));
    let folder = Overrides { data_dir: Some("/data".into()), ..Overrides::default() };
    assert_eq!(plan("", &folder), Ok(Some("/data".into())));
    let config = Config::parse("", Format::Yaml, &|_| None).expect("it is YAML");
    assert!(config.without_environment().plan(&nothing, &|_| None).is_ok());
}

#[test]
fn a_key_is_read_from_its_file_and_shown_nowhere() {
    let folder = tempfile::tempdir().expect("a folder");
    let with = |bytes: &[u8]| {
        let path = folder.path().join("key");
        std::fs::write(&path, bytes).expect("it is written");
        plan(&format!("queue:\n  encryption_key_file: {}\n", path.display()))
    };
    let digits = "07".repeat(31) + "0a";
    let key = [[7; 31].as_slice(), &[10]].concat();
    // The last one ends like a line.
    for bytes in [digits.as_bytes(), format!("{digits}\n").as_bytes(), &key] {
        let plan = with(bytes).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(plan.queue.key.as_ref().map(|key| key.bytes().as_slice()), Some(key.as_slice()));
        let shown = format!("{plan:?}");
        assert!(shown.contains("key: Some(***)") && !shown.contains(&digits), "{shown}");
    }
    for wrong in [&b"of-9-lives"[..], b"", b"\n", &[7; 33]] {
        let error = with(wrong).expect_err("it is no key").to_string();
        assert!(error.starts_with("2:24: queue.encryption_key_file: "), "{error}");
        assert!(!error.contains("9-lives"), "{error}");
    }
    let found = problems("queue:\n  encryption_key_file: /none\n");
    assert!(found[0].starts_with("2: queue.encryption_key_file: failed to read `/none`: "), "{found:?}");
}
