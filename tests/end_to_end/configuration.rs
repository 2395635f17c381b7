//! What is wrong with a configuration is known before it serves: all of it, each with its place.

use callspan_tests::Callspan;
use serde_json::Value;
use std::fs;

const EXAMPLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/callspan.yaml");

#[test]
fn the_example_is_good() {
    let finished = Callspan::new(["validate", EXAMPLE]).run();
    assert_eq!((finished.code, finished.stderr.as_str()), (Some(0), ""));
    assert_eq!(finished.stdout, format!("{EXAMPLE}: ok, 1 source, 1 transform, 1 sink\n"));
}

/// A bad file hides nothing of another, and its problems are lines that an editor can jump to. The plugin is asked
/// about its options, as it would be for serving.
#[test]
fn each_file_is_checked_by_itself() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::write(&path, text).expect("it is written");
        path.display().to_string()
    };
    let wrong = file("wrong.yaml", "admin: { port: 1 }\nsources:\n  a: { type: http_server, adress: here }\n");
    let options = file("options.toml", "[transforms.a]\ntype = 'plugin'\noptions.phasis = true\n");
    let unset = file("unset.yaml", "data_dir: ${CALLSPAN_TEST_VARIABLE_THAT_IS_NOT_SET}\n");

    let finished = Callspan::new(["validate", &wrong, EXAMPLE, &options, &unset]).run();
    assert_eq!(finished.code, Some(78));
    assert!(finished.stdout.starts_with(&format!("{EXAMPLE}: ok")), "{}", finished.stdout);
    let told: Vec<&str> = finished.stderr.lines().collect();
    let expected = [
        format!("{wrong}:1:10: admin.port: unknown key"),
        format!("{wrong}:3:27: sources.a.adress: unknown key; did you mean `address`?"),
        format!("{options}:3:1: transforms.a.options: failed to configure plugin"),
        format!("{unset}:1:11: data_dir: the variable CALLSPAN_TEST_VARIABLE_THAT_IS_NOT_SET is not set"),
    ];
    assert_eq!(told.len(), expected.len(), "{told:#?}");
    for (told, expected) in told.iter().zip(expected) {
        assert!(told.starts_with(&expected), "{told}");
    }

    let finished = Callspan::new(["validate", "--no-environment", &options, &unset]).run();
    assert_eq!((finished.code, finished.stderr.as_str()), (Some(0), ""));
}

#[test]
fn the_schema_is_printed() {
    let finished = Callspan::new(["schema"]).run();
    let schema: Value = serde_json::from_str(&finished.stdout).expect("it is JSON");
    assert_eq!((finished.code, &schema["additionalProperties"]), (Some(0), &Value::Bool(false)));
}
