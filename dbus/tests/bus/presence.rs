//! The name, the bus and their absence, on a real bus. The `Control` behind the service is the bus's own client, connected to
//! a second bus where no service is; what is said of runs is tested where there are real ones.

use std::sync::Arc;

use windlass_contract::request::WatchRun;
use windlass_contract::{Control, ErrorCode, Fault};
use windlass_dbus::{BusControl, ServeError, Served, serve};
use windlass_domain::id::{RunId, Seq};

use crate::support::PrivateBus;

/// A service on `bus` that hands every call on to a bus without a service.
async fn relay(bus: &PrivateBus, empty: &PrivateBus) -> Result<Served, ServeError> {
    let control = BusControl::connect(&empty.bus()).await.unwrap();
    serve(Arc::new(control), &bus.bus()).await
}

fn hints(fault: &Fault) -> String {
    assert_eq!(fault.code(), ErrorCode::BusUnavailable, "{fault:?}");
    fault.first().hints.join("; ")
}

#[tokio::test]
async fn a_bus_without_the_service_says_what_to_do() {
    let bus = PrivateBus::start();
    let client = BusControl::connect(&bus.bus()).await.unwrap();
    assert!(!client.is_running().await);
    assert!(!client.is_reachable().await);
    let hints = hints(&client.service_status().await.unwrap_err());
    assert!(hints.contains("windlass service run") && hints.contains("--ephemeral"), "{hints}");
    let watch = WatchRun { run_id: RunId::from_bytes([1; 16]), from: Seq(1) };
    let fault = client.watch_run(watch).await.err().unwrap();
    assert_eq!(fault.code(), ErrorCode::BusUnavailable);
}

#[tokio::test]
async fn without_a_bus_nothing_is_connected_or_served() {
    let mut bus = PrivateBus::start();
    let address = bus.bus();
    bus.kill();
    let fault = BusControl::connect(&address).await.unwrap_err();
    assert!(hints(&fault).contains("DBUS_SESSION_BUS_ADDRESS"), "{fault:?}");
    let empty = PrivateBus::start();
    assert!(matches!(relay(&bus, &empty).await, Err(ServeError::NoBus(_))));
}

#[tokio::test]
async fn a_service_that_the_bus_could_start_is_reachable_and_is_not_started_by_asking() {
    let folder = tempfile::tempdir().unwrap();
    let trace = folder.path().join("started");
    let bus = PrivateBus::with_activation(&format!("/bin/sh -c 'touch {}; exit 1'", trace.display()));
    let client = BusControl::connect(&bus.bus()).await.unwrap();
    assert!(client.is_reachable().await);
    assert!(!client.is_running().await);
    assert!(!trace.exists());
    // The command fails without taking the name.
    let hints = hints(&client.service_status().await.unwrap_err());
    assert!(trace.exists());
    assert!(hints.contains("journalctl"), "{hints}");
}

#[tokio::test]
async fn calls_reach_control_and_its_faults_reach_the_caller() {
    let (bus, empty) = (PrivateBus::start(), PrivateBus::start());
    let served = relay(&bus, &empty).await.unwrap();
    let client = BusControl::connect(&bus.bus()).await.unwrap();
    assert!(client.is_running().await && client.is_reachable().await);
    let direct = BusControl::connect(&empty.bus()).await.unwrap();
    let expected = direct.service_status().await.unwrap_err();
    assert_eq!(client.service_status().await.unwrap_err(), expected);
    assert!(served.activity().borrow().is_idle());
}

#[tokio::test]
async fn a_second_service_is_told_who_the_first_is() {
    let (bus, empty) = (PrivateBus::start(), PrivateBus::start());
    let _first = relay(&bus, &empty).await.unwrap();
    let refused = relay(&bus, &empty).await.unwrap_err();
    assert!(refused.to_string().contains(&format!("process {}", std::process::id())), "{refused}");
    // The first one is none the worse for it.
    let client = BusControl::connect(&bus.bus()).await.unwrap();
    assert!(client.is_running().await);
    client.service_status().await.unwrap_err();
}

#[tokio::test]
async fn a_service_that_leaves_leaves_the_name_to_the_next() {
    let (bus, empty) = (PrivateBus::start(), PrivateBus::start());
    relay(&bus, &empty).await.unwrap().leave().await.unwrap();
    let client = BusControl::connect(&bus.bus()).await.unwrap();
    assert!(!client.is_running().await);
    let _next = relay(&bus, &empty).await.unwrap();
    assert!(client.is_running().await);
}

#[tokio::test]
async fn a_lost_bus_is_noticed_on_both_sides() {
    let (mut bus, empty) = (PrivateBus::start(), PrivateBus::start());
    let served = relay(&bus, &empty).await.unwrap();
    let client = BusControl::connect(&bus.bus()).await.unwrap();
    client.service_status().await.unwrap_err();
    bus.kill();
    served.closed().await;
    let fault = client.service_status().await.unwrap_err();
    assert_eq!(fault.code(), ErrorCode::BusUnavailable, "{fault:?}");
    assert!(!client.is_running().await);
    assert!(served.leave().await.is_err());
}
