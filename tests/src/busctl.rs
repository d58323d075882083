//! A caller with nothing but `busctl --user`: calls of the manager, properties of runs, and signals as they come.

use std::io::{BufRead as _, BufReader, Lines};
use std::process::{Child, ChildStdout, Command, Stdio};

use serde_json::Value;

use crate::bus::PrivateBus;

const MANAGER: [&str; 3] = ["dev.windlass.Windlass1", "/dev/windlass/Windlass1", "dev.windlass.Manager1"];
const RUN: &str = "dev.windlass.Run1";

/// A caller with nothing but `busctl`.
#[derive(Clone, Copy)]
pub struct Busctl<'a>(pub &'a PrivateBus);

impl Busctl<'_> {
    /// What a call of the manager answers, as plain JSON.
    ///
    /// # Panics
    /// It is refused.
    #[expect(clippy::must_use_candidate, reason = "whoever only wants it done has it")]
    pub fn call(self, method: &str, arguments: &[&str]) -> Value {
        let call = [&["--json=short", "call"][..], &MANAGER, &[method], arguments].concat();
        plain(&self.0.busctl(&call).ok().json()["data"])
    }

    /// What a call of the manager is refused with.
    ///
    /// # Panics
    /// It is not.
    #[must_use]
    pub fn refused(self, method: &str, arguments: &[&str]) -> String {
        let done = self.0.busctl(&[&["call"][..], &MANAGER, &[method], arguments].concat());
        assert_ne!(done.code, 0, "{done:?}");
        done.stderr
    }

    /// A property of a run's object.
    ///
    /// # Panics
    /// There is no such object.
    #[must_use]
    pub fn property(self, object: &str, name: &str) -> Value {
        let get = ["--json=short", "get-property", MANAGER[0], object, RUN, name];
        plain(&self.0.busctl(&get).ok().json()["data"])
    }

    /// Listens to the signals that fit a match rule, from now on.
    ///
    /// # Panics
    /// The bus lets nobody listen.
    #[must_use]
    pub fn monitor(self, rule: &str) -> Monitor {
        let mut child = Command::new("busctl")
            .args(["--user", "monitor", "--json=short", "--match", rule])
            .env("DBUS_SESSION_BUS_ADDRESS", self.0.address())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("busctl is installed");
        let mut ready = String::new();
        let said = child.stderr.take().expect("it was asked for");
        BufReader::new(said).read_line(&mut ready).expect("a pipe can be read");
        assert!(ready.starts_with("Monitoring"), "{ready}");
        let lines = BufReader::new(child.stdout.take().expect("it was asked for")).lines();
        Monitor { child, lines }
    }
}

/// Signals as they come. It ends with the value.
pub struct Monitor {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Monitor {
    /// Waits for the next signal of this name, and gives its arguments as plain JSON.
    ///
    /// # Panics
    /// The bus has ended.
    pub fn signal(&mut self, member: &str) -> Value {
        loop {
            let line = self.lines.next().expect("the bus goes on").expect("a pipe can be read");
            let signal: Value = serde_json::from_str(&line).expect("busctl prints JSON when asked to");
            if signal["member"] == member {
                return plain(&signal["payload"]["data"]);
            }
        }
    }

    /// Waits until a run's object says that the run has ended, and gives its status.
    ///
    /// # Panics
    /// The bus has ended.
    pub fn end_of(&mut self, run_id: &str) -> String {
        let path = format!("/dev/windlass/Windlass1/runs/{}", run_id.replace('-', ""));
        loop {
            let line = self.lines.next().expect("the bus goes on").expect("a pipe can be read");
            let signal: Value = serde_json::from_str(&line).expect("busctl prints JSON when asked to");
            if signal["path"] != path || signal["member"] != "PropertiesChanged" {
                continue;
            }
            match plain(&signal["payload"]["data"])[1]["Status"].as_str() {
                None | Some("queued" | "running") => {}
                Some(ended) => return ended.to_owned(),
            }
        }
    }
}

impl Drop for Monitor {
    fn drop(&mut self) {
        // Ended already where the bus has ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A value as `busctl --json` prints it, without the signature beside each variant. The empty signature is JSON's null.
fn plain(value: &Value) -> Value {
    match value {
        Value::Object(fields) => match (fields.len(), fields.get("type"), fields.get("data")) {
            (2, Some(Value::String(signature)), Some(data)) if signature == "g" && data == "" => Value::Null,
            (2, Some(Value::String(_)), Some(data)) => plain(data),
            _ => Value::Object(fields.iter().map(|(name, value)| (name.clone(), plain(value))).collect()),
        },
        Value::Array(values) => Value::Array(values.iter().map(plain).collect()),
        other => other.clone(),
    }
}
