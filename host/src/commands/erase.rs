//! `callspan erase`: every record of a session is taken out of the queue, and out of its files.

use super::access::{Access, confirm, unexpected};
use super::listing::{count, print, print_json};
use super::{Failure, Verdict};
use crate::args::{self, Listing};
use crate::queue::control::{Erased, Request, Response, Session};
use anyhow::anyhow;

pub(super) fn run(arguments: args::Erase) -> Result<Verdict, Failure> {
    let session = Session::try_from(arguments.session).map_err(|error| Failure::Usage(anyhow!(error)))?;
    if !arguments.dry_run && !confirm(arguments.confirm, "Erase every record of this session? It cannot be undone.")? {
        return Ok(Verdict::Good);
    }
    let mut access = Access::open(&arguments.queue, None)?;
    let (mut erased, mut place) = (Erased::default(), None);
    loop {
        let request = Request::Erase { session: session.clone(), dry_run: arguments.dry_run, place };
        let Response::Erased { erased: step, place: next } = access.ask(request)? else { return Err(unexpected()) };
        erased += step;
        if next.is_none() {
            break;
        }
        place = next;
    }
    let Response::Totals(totals) = access.ask(Request::Totals)? else { return Err(unexpected()) };
    let is_complete = erased.unreadable == 0 && erased.files == 0;
    if arguments.queue.format == Listing::Json {
        let Erased { waiting, history, dead_letters, unreadable, files } = erased;
        print_json(&serde_json::json!({
            "dry_run": arguments.dry_run,
            "waiting": waiting,
            "history": history,
            "dead_letters": dead_letters,
            "unreadable": unreadable,
            "files_remaining": files,
            "quarantined": totals.quarantined,
        }))?;
    } else {
        tell(&erased, arguments.dry_run, access.is_running(), totals.quarantined)?;
    }
    // Whoever has to prove it must not take this for done.
    Ok(if is_complete { Verdict::Good } else { Verdict::SomeRefused })
}

fn tell(erased: &Erased, dry_run: bool, is_running: bool, quarantined: u64) -> Result<(), Failure> {
    let verb = if dry_run { "would be erased" } else { "erased" };
    let waiting = count(erased.waiting, "waiting record");
    let history = count(erased.history, "delivered record");
    print(&format!("{waiting}, {history} and {} {verb}", count(erased.dead_letters, "dead letter")))?;
    if is_running && !dry_run && erased.waiting > 0 {
        print("what was under way may still be delivered")?;
    }
    if erased.unreadable > 0 {
        let records = count(erased.unreadable, "record");
        print(&format!("{records} cannot be read, so nobody knows what they hold; they stay"))?;
    }
    if erased.files > 0 {
        print("some files may still hold it: stop the service and run this again")?;
    }
    if quarantined > 0 {
        print(&format!(
            "{} in the quarantine may hold it: remove what is not needed",
            count(quarantined, "damaged file")
        ))?;
    }
    Ok(())
}
