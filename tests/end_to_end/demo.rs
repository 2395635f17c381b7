//! `callspan demo`: the first minute with callspan, without a backend.

use callspan_tests::{Callspan, Request, records};

/// It pushes its examples through its real intake, draws them, and stays up for the reader's own.
#[test]
fn the_demo_draws_its_examples_and_takes_the_readers_own() {
    let mut demo = Callspan::new(["demo", "--address", "127.0.0.1:0"]).start();
    let address = demo.wait_for("invitation", |lines| lines.iter().find_map(|line| address_to_push_to(line)));
    let drawn = demo.wait_for("waterfalls", |lines| {
        let drawn = lines.iter().filter(|line| line.contains("· inbound call ·") || line.contains("· outbound call ·"));
        (drawn.count() >= 5).then(|| lines.join("\n"))
    });
    assert!(drawn.contains("predictive call") && drawn.contains("! seatGiveUp"), "{drawn}");
    assert!(!drawn.contains("2079460018"), "masked, even here");

    let reply = Request::push(records::call("the reader's own")).send(&address);
    assert_eq!((reply.status, reply.body.as_str()), (200, r#"{"ErrCode":0,"ErrMsg":"ok"}"#));
    demo.wait_for("waterfall of the reader's own", |lines| {
        lines.iter().any(|line| line.contains("· call ·")).then_some(())
    });
    assert!(demo.terminate().success());
}

/// The `curl` line that the demo invites its reader with.
fn address_to_push_to(line: &str) -> Option<String> {
    let (_, rest) = line.split_once("curl ")?.1.split_once("http://")?;
    Some(rest.split('/').next()?.to_owned())
}
