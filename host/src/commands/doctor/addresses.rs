//! Whether the addresses that a service listens on can be taken, or are held by the service that runs.

use super::finding::{Finding, Report};
use super::folder::Service;
use super::sockets::holds;
use crate::commands::Failure;
use crate::config::plan::{ListenerPlan, Plan, SourcePlan};
use std::io::ErrorKind;
use std::net::{SocketAddr, TcpListener};

pub(super) fn check(plan: &Plan, service: Service, report: &mut Report) -> Result<(), Failure> {
    for source in &plan.sources {
        let check = |option: &str| format!("sources.{}.{option}", source.name);
        match &source.plan {
            SourcePlan::HttpServer { address, .. } => report.add(one(check("address"), *address, service))?,
            SourcePlan::Opentelemetry { grpc, http, .. } => {
                for (option, listener) in [("grpc.address", grpc), ("http.address", http)] {
                    if let Some(ListenerPlan { address, .. }) = listener {
                        report.add(one(check(option), *address, service))?;
                    }
                }
            }
            SourcePlan::File(_) | SourcePlan::Stdin(_) => {}
        }
    }
    plan.admin.map_or(Ok(()), |address| report.add(one("admin.address".to_owned(), address, service)))
}

fn one(check: String, address: SocketAddr, service: Service) -> Finding {
    // It is given back at once.
    let error = match TcpListener::bind(address).map(drop) {
        Ok(()) => return free(check, address, service),
        Err(error) => error,
    };
    match (error.kind(), service) {
        (ErrorKind::AddrInUse, Service::Runs(Some(process))) if holds(process, address) == Some(true) => {
            Finding::ok(check, format!("{address} is held by the service that runs, process {process}"))
        }
        (ErrorKind::AddrInUse, Service::Runs(process)) if process.is_none_or(|it| holds(it, address).is_none()) => {
            let remedy = "see which program listens there (`ss -ltnp`): it should be the service";
            Finding::warning(check, format!("{address} is taken, and a service runs"), remedy)
        }
        (ErrorKind::AddrInUse, _) => {
            let remedy = "end the program that listens there (`ss -ltnp` shows it), or set another address";
            Finding::error(check, format!("{address} is taken by another program"), remedy)
        }
        (ErrorKind::AddrNotAvailable, _) => {
            let remedy = "set an address of this machine, or 0.0.0.0 for all of them";
            Finding::error(check, format!("{address} is no address of this machine"), remedy)
        }
        (ErrorKind::PermissionDenied, _) => {
            let remedy = "set a port from 1024 on, or give the program CAP_NET_BIND_SERVICE";
            Finding::error(check, format!("this user may not listen on {address}"), remedy)
        }
        _ => Finding::error(check, format!("{address} cannot be listened on: {error}"), "set another address"),
    }
}

fn free(check: String, address: SocketAddr, service: Service) -> Finding {
    match service {
        Service::Stopped => Finding::ok(check, format!("{address} is free")),
        Service::Runs(_) if address.port() == 0 => Finding::ok(check, "any port that is free"),
        Service::Runs(_) => Finding::warning(
            check,
            format!("{address} is free, though a service runs: it listens elsewhere"),
            "restart the service if its configuration was changed, or give this command the same arguments",
        ),
    }
}
