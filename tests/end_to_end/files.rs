//! Records that lie in files, or come through a pipe, become traces as pushed ones do. Nobody waits for an answer
//! there, so callspan itself remembers how far it has come, and goes on until everything is delivered.

use callspan_tests::{
    Builder, Cue, Decoder, Endpoint, Export, Protocol, Service, Signal, Span, mapped, records, sorted, wait_until,
};
use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// What lies there when the service starts arrives, in order, and what is appended arrives too: a line is taken when it
/// is complete.
#[test]
fn the_lines_of_a_file_arrive_as_traces_and_so_do_those_that_are_appended() {
    let Some(backend) = Decoder::start() else { return };
    let folder = Folder::new();
    let mut calls = folder.append_to("calls.ndjson");
    writeln!(calls, "{}\n\n{}", records::compact(records::TRANSFERRED), records::call("second"))
        .expect("the folder is ours");
    let _service = folder.service().export_to(backend.endpoint(Protocol::Grpc)).start();
    let spans = wait_for_sessions(&backend, 2);
    let expected = [mapped(records::TRANSFERRED), mapped(records::call("second"))].concat();
    assert_eq!(sorted(spans), sorted(expected), "they are what a push of the same records gives");

    let third = records::call("third");
    let (beginning, end) = third.split_at(30);
    write!(calls, "{}\n{beginning}", records::call("between")).expect("the folder is ours");
    wait_for_sessions(&backend, 3);
    writeln!(calls, "{end}").expect("the folder is ours");
    wait_for_sessions(&backend, 4);
    assert_eq!(arrived(&backend.exports())[2..], ["between", "third"], "nothing came twice, and nothing torn");
}

/// A restart goes on where the service was: what was delivered is not sent again, what was written meanwhile is.
#[test]
fn a_restart_goes_on_without_repeating() {
    let Some(backend) = Decoder::start() else { return };
    let folder = Folder::new();
    let mut calls = folder.append_to("calls.ndjson");
    writeln!(calls, "{}\n{}", records::call("a"), records::call("b")).expect("the folder is ours");
    let mut service = folder.service().export_to(backend.endpoint(Protocol::Grpc)).start();
    wait_for_sessions(&backend, 2);
    assert!(service.terminate().success(), "{}", service.log());

    writeln!(calls, "{}", records::call("meanwhile")).expect("the folder is ours");
    let mut service = folder.service().export_to(backend.endpoint(Protocol::Grpc)).start();
    wait_for_sessions(&backend, 3);
    assert!(service.terminate().success(), "{}", service.log());
    assert_eq!(arrived(&backend.exports()), ["a", "b", "meanwhile"]);
}

/// The process is killed while the backend has taken some records and not others. Everything arrives after the restart,
/// some of it perhaps twice: then with the same ids, so that the backend has one trace of it.
#[test]
fn what_was_under_way_when_the_process_was_killed_arrives_with_equal_ids() {
    const RECORDS: usize = 600;
    let Some(backend) = Decoder::start() else { return };
    let folder = Folder::new();
    let lines: Vec<String> = (0..RECORDS).map(|number| records::call(&format!("{number:03}"))).collect();
    fs::write(folder.path("calls.ndjson"), lines.join("\n") + "\n").expect("the folder is ours");
    backend.answer(Cue::Unavailable);
    backend.answer_next(2, Cue::Accept);
    let mut service = folder.service().export_to(backend.endpoint(Protocol::Grpc)).start();
    let first = backend.wait_for("accepted and unavailable", |exports| {
        let has = |answer: &str| exports.iter().any(|export| export.answer == answer);
        (has("accept") && has("unavailable")).then(|| exports.to_vec())
    });
    // Killed no sooner than it has remembered something: that must not be more than what was taken.
    wait_until("positions that are remembered", || folder.path("data/calls_log/checkpoints.json").exists());
    service.signal(Signal::KILL);
    service.wait();
    let accepted = first.iter().filter(|export| export.answer == "accept");
    let accepted: BTreeSet<String> = accepted.flat_map(|export| sessions(&export.spans)).collect();
    assert!((1..RECORDS).contains(&accepted.len()), "it was killed in the middle, at {}", accepted.len());

    backend.answer(Cue::Accept);
    let service = folder.service().export_to(backend.endpoint(Protocol::Grpc)).start();
    let spans = backend.wait_for("the trace of every record", |exports| {
        let accepted: Vec<Span> = taken(exports).flat_map(|export| export.spans.clone()).collect();
        (sessions(&accepted).into_iter().collect::<BTreeSet<_>>().len() == RECORDS).then_some(accepted)
    });
    let ids: BTreeSet<_> = spans.iter().map(|span| (&span.trace_id, &span.span_id)).collect();
    assert_eq!(ids.len(), RECORDS, "a repeated record is the same trace\n{}", service.log());
    let first = mapped(records::call("000")).remove(0);
    assert!(spans.contains(&first), "and it is the trace of the record");
}

/// logrotate renames the file and a new one takes its name, while the writer goes on with the old one for a moment:
/// every line of both arrives, and none of the old file once more under its new name, even after a restart.
#[test]
fn a_file_that_is_rotated_away_is_read_to_its_end_and_once() {
    let Some(backend) = Decoder::start() else { return };
    let folder = Folder::new();
    let mut old = folder.append_to("calls.ndjson");
    writeln!(old, "{}", records::call("before")).expect("the folder is ours");
    let mut service = folder.service().export_to(backend.endpoint(Protocol::Grpc)).start();
    wait_for_sessions(&backend, 1);

    // The new name matches the pattern as well.
    fs::rename(folder.path("calls.ndjson"), folder.path("calls.1.ndjson")).expect("the folder is ours");
    let mut new = folder.append_to("calls.ndjson");
    writeln!(new, "{}", records::call("after")).expect("the folder is ours");
    writeln!(old, "{}", records::call("late")).expect("the folder is ours");
    wait_for_sessions(&backend, 3);
    assert!(service.terminate().success(), "{}", service.log());

    writeln!(new, "{}", records::call("restarted")).expect("the folder is ours");
    let mut service = folder.service().export_to(backend.endpoint(Protocol::Grpc)).start();
    wait_for_sessions(&backend, 4);
    assert!(service.terminate().success(), "{}", service.log());
    let mut arrived = arrived(&backend.exports());
    arrived.sort();
    assert_eq!(arrived, ["after", "before", "late", "restarted"]);
}

/// A line that can never become a trace does not hold up those behind it. It is counted, and the log says where it is
/// without quoting it.
#[test]
fn a_refused_line_is_passed_over_and_counted() {
    let Some(backend) = Decoder::start() else { return };
    let folder = Folder::new();
    let torn = r#"{"SessionId":"a","Caller":"0012025550147",,}"#;
    let lines = [&records::call("before"), torn, "{}", &records::call("after")];
    fs::write(folder.path("calls.ndjson"), lines.join("\n") + "\n").expect("the folder is ours");
    let mut service = folder.service().export_to(backend.endpoint(Protocol::Grpc)).start();
    wait_for_sessions(&backend, 2);
    let torn_at = lines[0].len() + 1;
    service.wait_for_log(&format!(r#""offset":{torn_at},"class":"malformed""#));
    service.wait_for_log(&format!(r#""offset":{},"class":"incomplete""#, torn_at + torn.len() + 1));

    for (metric, label, number) in [
        ("received_events", "", 4.0),
        ("settled_events", r#"settlement="acknowledged""#, 2.0),
        ("settled_events", r#"settlement="rejected""#, 2.0),
    ] {
        service.wait_for_metric(&format!("callspan_component_{metric}_total"), &[FILE, label], number);
    }
    let transform = [r#"component_kind="transform""#, r#"intentional="false""#];
    assert_eq!(service.metric("callspan_component_discarded_events_total", &transform), 2.0);
    assert!(!service.log().contains("2025550147"), "{}", service.log());

    assert!(service.terminate().success());
    let mut again = folder.service().export_to(backend.endpoint(Protocol::Grpc)).start();
    again.wait_for_log("following file");
    assert!(again.terminate().success());
    assert!(!again.log().contains("record refused"), "it is passed for good: {}", again.log());
}

/// Nobody listens where the backend should be. The service waits, and delivers every record once it is there: a file
/// has no sender who would come again.
#[test]
fn a_file_waits_for_its_backend() {
    const RECORDS: usize = 300;
    let Some(backend) = Decoder::start() else { return };
    let (ports, endpoint) = (backend.ports(), backend.endpoint(Protocol::Http));
    drop(backend);
    let folder = Folder::new();
    let lines: Vec<String> = (0..RECORDS).map(|number| records::call(&format!("{number:03}"))).collect();
    fs::write(folder.path("calls.ndjson"), lines.join("\n") + "\n").expect("the folder is ours");
    let mut service = folder.service().export_to(endpoint).start();
    // Its first tries are over, and the records were handed back to where they came from.
    service.wait_for_log("given_back");
    assert_eq!(service.metric("callspan_component_settled_events_total", &[FILE, r#"settlement="rejected""#]), 0.0);

    let Some(backend) = Decoder::start_on(ports) else { return };
    wait_for_sessions(&backend, RECORDS);
    assert!(service.terminate().success(), "{}", service.log());
    let mut arrived = arrived(&backend.exports());
    arrived.sort();
    let expected: Vec<String> = (0..RECORDS).map(|number| format!("{number:03}")).collect();
    assert_eq!(arrived, expected, "each once");
    let mut again = folder.service().export_to(backend.endpoint(Protocol::Http)).start();
    again.wait_for_log("following file");
    assert!(again.terminate().success());
    assert_eq!(backend.exports().iter().flat_map(|export| &export.spans).count(), RECORDS, "and remembered as such");
}

/// Asked to end while its backend is away, the service ends as if all were well: what it has not delivered it has not
/// remembered as read, and delivers it after the next start.
#[test]
fn a_service_that_ends_without_its_backend_goes_on_after_the_next_start() {
    let folder = Folder::new();
    let lines = ["a", "b", "c"].map(records::call);
    fs::write(folder.path("calls.ndjson"), lines.join("\n") + "\n").expect("the folder is ours");
    let mut service = folder.service().start();
    service.wait_for_log("given_back");
    assert!(service.terminate().success(), "{}", service.log());

    let Some(backend) = Decoder::start() else { return };
    let _service = folder.service().export_to(backend.endpoint(Protocol::Grpc)).start();
    let spans = wait_for_sessions(&backend, 3);
    assert_eq!(sorted(spans), sorted(lines.map(mapped).concat()));
}

/// `… | callspan serve`: the service ends by itself, with code 0, when its input has ended and all is delivered.
#[test]
fn a_pipe_is_read_to_its_end_and_the_service_ends_when_all_is_delivered() {
    let Some(backend) = Decoder::start() else { return };
    let mut service = piped(backend.endpoint(Protocol::Grpc));
    service.write(records::call("first") + "\n");
    wait_for_sessions(&backend, 1);
    // Without a line break at the end.
    service.write(records::compact(records::TRANSFERRED));
    service.close_input();
    let status = service.wait();
    assert_eq!(status.code(), Some(0), "{}", service.log());
    let spans: Vec<Span> = backend.exports().into_iter().flat_map(|export| export.spans).collect();
    let expected = [mapped(records::call("first")), mapped(records::TRANSFERRED)].concat();
    assert_eq!(sorted(spans), sorted(expected));
}

/// `callspan serve < calls.json`: what a person has exported, an array over many lines, is read as it is.
#[test]
fn an_array_is_read_from_a_pipe() {
    let Some(backend) = Decoder::start() else { return };
    let mut service = piped(backend.endpoint(Protocol::Grpc));
    service.write(format!("[\n{},\n{}]", records::SEED, records::TRANSFERRED));
    service.close_input();
    assert_eq!(service.wait().code(), Some(0), "{}", service.log());
    let spans: Vec<Span> = backend.exports().into_iter().flat_map(|export| export.spans).collect();
    assert_eq!(sorted(spans), sorted([mapped(records::SEED), mapped(records::TRANSFERRED)].concat()));
}

/// The input has ended, and the backend is not there yet: the service waits for it, and then ends.
#[test]
fn a_pipe_that_has_ended_waits_for_the_backend() {
    let Some(backend) = Decoder::start() else { return };
    let (ports, endpoint) = (backend.ports(), backend.endpoint(Protocol::Grpc));
    drop(backend);
    let mut service = piped(endpoint);
    service.write(["a", "b", "c"].map(records::call).join("\n"));
    service.close_input();
    service.wait_for_log("given_back");
    let Some(backend) = Decoder::start_on(ports) else { return };
    let status = service.wait();
    assert_eq!(status.code(), Some(0), "{}", service.log());
    let mut arrived = arrived(&backend.exports());
    arrived.sort();
    assert_eq!(arrived, ["a", "b", "c"]);
}

/// What came through a pipe cannot be read again: a service that is asked to end before it was delivered says of each
/// record that it is lost, by its place in the input, and ends with a failure.
#[test]
fn what_came_through_a_pipe_and_is_not_delivered_is_told() {
    let mut service = piped(Endpoint::nobody(Protocol::Grpc));
    service.write(["a", "b"].map(records::call).join("\n") + "\n");
    service.wait_for_log("given_back");
    assert_eq!(service.terminate().code(), Some(1));
    for (index, line) in [(0, 1), (1, 2)] {
        let told = format!("\"record was not delivered before the service stopped\",\"index\":{index},\"line\":{line}");
        service.wait_for_log(&told);
    }
}

/// Of the source of [`Folder::service`].
const FILE: &str = r#"component_id="calls_log""#;

/// The command line says over the configuration where things are remembered.
#[test]
fn positions_are_remembered_in_the_folder_of_the_command_line() {
    let Some(backend) = Decoder::start() else { return };
    let folder = Folder::new();
    writeln!(folder.append_to("calls.ndjson"), "{}", records::call("a")).expect("the folder is ours");
    let service = folder.service().durable().data_dir(&folder.path("elsewhere"));
    let mut service = service.export_to(backend.endpoint(Protocol::Grpc)).start();
    wait_for_sessions(&backend, 1);
    assert!(service.terminate().success());
    assert!(folder.path("elsewhere/calls_log/checkpoints.json").exists() && !folder.path("data").exists());
}

/// A folder in which calls are logged, and one in which the service remembers.
struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("a folder for temporary files"))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn append_to(&self, name: &str) -> File {
        OpenOptions::new().append(true).create(true).open(self.path(name)).expect("the folder is ours")
    }

    fn service(&self) -> Builder {
        let folder: &Path = self.0.path();
        let folder = folder.display();
        Service::new().config(&format!(
            "data_dir: {folder}/data\n\
             sources:\n  calls_log: {{ type: file, include: ['{folder}/*.ndjson'], glob_minimum_cooldown_ms: 10 }}\n"
        ))
    }
}

fn piped(endpoint: Endpoint) -> Service {
    Service::new().config("sources: { input: { type: stdin } }\n").export_to(endpoint).start()
}

/// Waits until that many sessions were taken by the backend, and hands out their spans.
#[track_caller]
fn wait_for_sessions(backend: &Decoder, count: usize) -> Vec<Span> {
    backend.wait_for("traces", |exports| {
        (arrived(exports).len() >= count).then(|| taken(exports).flat_map(|export| export.spans.clone()).collect())
    })
}

fn taken(exports: &[Export]) -> impl Iterator<Item = &Export> {
    exports.iter().filter(|export| export.answer == "accept")
}

/// The sessions that the backend has taken, as they came.
fn arrived(exports: &[Export]) -> Vec<String> {
    taken(exports).flat_map(|export| sessions(&export.spans)).collect()
}

fn sessions(spans: &[Span]) -> Vec<String> {
    let roots = spans.iter().filter(|span| span.parent_span_id.is_empty());
    roots.map(|span| span.attribute("tccc.session.id").as_str().unwrap_or_default().to_owned()).collect()
}
