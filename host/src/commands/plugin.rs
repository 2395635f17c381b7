//! `callspan plugin`: what a running service maps with, and another plugin in its place.

use super::access::unexpected;
use super::listing::{Table, count, on_one_line, print, print_json};
use super::{Failure, Verdict, read_config, variable};
use crate::admin::{ClientError, SocketClient};
use crate::args::{Listing, Plugin, PluginCommand};
use crate::config::Overrides;
use crate::transform::control::{
    Exchanged, PluginState, ReloadResult, Reloaded, Request, Response, ShadowState, TransformState,
};
use crate::transform::{Counted, Report};
use anyhow::{Context as _, anyhow};

pub(super) fn run(arguments: Plugin) -> Result<Verdict, Failure> {
    let Plugin { at, command } = arguments;
    let overrides = Overrides { data_dir: at.data_dir.clone(), ..Overrides::default() };
    let data_dir = read_config(at.config.as_deref())?.plan_queue(&overrides, &variable)?.data_dir;
    let request = match command {
        PluginCommand::Status => Request::Status,
        PluginCommand::Reload { transform } => Request::Reload { transform },
        PluginCommand::Shadow { transform, file, stop: _ } => {
            // The service may have been started elsewhere.
            let file = file.map(std::path::absolute).transpose().context("find the file")?;
            Request::Shadow { transform, file }
        }
        PluginCommand::Promote { transform } => Request::Promote { transform },
        PluginCommand::Rollback { transform } => Request::RollBack { transform },
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("start the runtime")?;
    let answered = runtime.block_on(async { SocketClient::connect(&data_dir).await?.ask_plugins(&request).await });
    let answer = match answered {
        Err(ClientError::Nobody) => {
            let socket = data_dir.join("admin.sock");
            let message = format!(
                "no service answers at {}: plugins are exchanged in one that runs, with its queue on disk; it loads what is \
                 configured when it starts",
                socket.display()
            );
            return Err(Failure::Runtime(anyhow!(message)));
        }
        answered => answered.map_err(anyhow::Error::new)?,
    };
    match (request, answer) {
        (Request::Status, Response::Status { transforms }) => status(&transforms, at.format),
        (Request::Reload { .. }, Response::Reloaded { transforms }) => reloaded(&transforms, at.format),
        (Request::Shadow { .. }, Response::Shadowed { transform, candidate }) => {
            shadowed(&transform, candidate.as_ref(), at.format)
        }
        (Request::Promote { .. }, Response::Promoted(exchanged)) => exchanged_to(&exchanged, "in service", at.format),
        (Request::RollBack { .. }, Response::RolledBack(exchanged)) => {
            exchanged_to(&exchanged, "in service again", at.format)
        }
        _ => Err(unexpected()),
    }
}

fn status(transforms: &[TransformState], format: Listing) -> Result<Verdict, Failure> {
    for (at, state) in transforms.iter().enumerate() {
        if format == Listing::Json {
            print_json(state)?;
            continue;
        }
        if at > 0 {
            print("")?;
        }
        print(&format!("transform   {}", state.transform))?;
        print(&format!("in service  {}", shown(&state.in_service)))?;
        if let Some(held) = &state.in_service.held {
            print(&format!("held        {}", on_one_line(held)))?;
        }
        if let Some(before) = &state.before {
            print(&format!("before      {}", shown(before)))?;
        }
        let when = match (state.is_file, state.reloads_on_change) {
            (false, _) => "",
            (true, true) => ", loaded when it changes",
            (true, false) => ", loaded when it is asked for",
        };
        print(&format!("configured  {}{when}", on_one_line(&state.configured)))?;
        if let Some(trouble) = &state.trouble {
            print(&format!("trouble     {}", on_one_line(trouble)))?;
        }
        if let Some(shadow) = &state.shadow {
            candidate(shadow)?;
        }
    }
    Ok(Verdict::Good)
}

/// What would be different with a candidate.
fn candidate(shadow: &ShadowState) -> Result<(), Failure> {
    let ShadowState { candidate, is_given_up, report } = shadow;
    let given_up = if *is_given_up { "; it failed too much, and is given no more" } else { "" };
    print(&format!("candidate   {}{given_up}", shown(candidate)))?;
    let Report { same, differs, refused, not_refused, failed, skipped, .. } = report;
    print(&format!(
        "compared    {same} same, {differs} different, {refused} refused, {not_refused} not refused any more, {failed} failed; \
         {skipped} not compared"
    ))?;
    if report.differences.is_empty() {
        return Ok(());
    }
    let mut table = Table::new(&["RECORDS", "SPAN", "DIFFERENCE", "NAME"]);
    for Counted { difference, records } in &report.differences {
        let or_none = |name: &Option<String>| name.as_deref().map_or_else(|| "-".to_owned(), on_one_line);
        let what = serde_json::to_value(difference.what).map_err(anyhow::Error::new)?;
        let what = what.as_str().unwrap_or_default().replace('_', " ");
        table.add(vec![records.to_string(), or_none(&difference.span), what, or_none(&difference.name)]);
    }
    table.print()?;
    if report.other_differences > 0 {
        print(&format!("and {} of other kinds", count(report.other_differences, "difference")))?;
    }
    Ok(())
}

fn shadowed(transform: &str, candidate: Option<&PluginState>, format: Listing) -> Result<Verdict, Failure> {
    match (format, candidate) {
        (Listing::Json, _) => print_json(&serde_json::json!({ "transform": transform, "candidate": candidate }))?,
        (Listing::Text, Some(candidate)) => {
            print(&format!("{transform}: {} maps the same records, for comparison", shown(candidate)))?;
            print(&format!(
                "  `callspan plugin status` tells what is different, `callspan plugin promote {transform}` puts it into service"
            ))?;
        }
        (Listing::Text, None) => print(&format!("{transform}: nothing is compared any more"))?,
    }
    Ok(Verdict::Good)
}

fn reloaded(transforms: &[Reloaded], format: Listing) -> Result<Verdict, Failure> {
    for reloaded in transforms {
        if format == Listing::Json {
            print_json(reloaded)?;
            continue;
        }
        let (transform, in_service) = (&reloaded.transform, shown(&reloaded.in_service));
        match reloaded.result {
            ReloadResult::Replaced => {
                print(&format!("{transform}: {in_service} is in service"))?;
                if let Some(before) = &reloaded.before {
                    print(&format!(
                        "  before: {}; `callspan plugin rollback {transform}` goes back to it",
                        shown(before)
                    ))?;
                }
            }
            ReloadResult::Unchanged => print(&format!("{transform}: unchanged, {in_service} is in service"))?,
            ReloadResult::Failed => {
                let reason = on_one_line(reloaded.reason.as_deref().unwrap_or_default());
                print(&format!("{transform}: {in_service} stays in service: {reason}"))?;
            }
        }
    }
    let has_failed = transforms.iter().any(|reloaded| reloaded.result == ReloadResult::Failed);
    Ok(if has_failed { Verdict::Unwell } else { Verdict::Good })
}

fn exchanged_to(exchanged: &Exchanged, how: &str, format: Listing) -> Result<Verdict, Failure> {
    if format == Listing::Json {
        print_json(exchanged)?;
        return Ok(Verdict::Good);
    }
    let Exchanged { transform, replaced, in_service, configured } = exchanged;
    print(&format!("{transform}: {} is {how}, in place of {}", shown(in_service), shown(replaced)))?;
    let configured = on_one_line(configured);
    print(&format!("  a restart loads what is configured, {configured}: put the plugin there that is to stay"))?;
    Ok(Verdict::Good)
}

/// Its name and version, its fingerprint, and where it came from.
fn shown(plugin: &PluginState) -> String {
    let PluginState { plugin, fingerprint, source, .. } = plugin;
    format!("{} ({fingerprint}, {})", on_one_line(plugin), on_one_line(source))
}
