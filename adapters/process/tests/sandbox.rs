//! The sandbox from inside: what a walled child cannot do. Each wall is first shown to matter, where that is possible:
//! the same act succeeds without it.

#![expect(clippy::unwrap_used, clippy::panic, reason = "some parts of these tests are no test functions")]

mod support;

use std::fs;
use std::io::Read;
use std::net::TcpListener;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use support::{Place, Seen, cancel, finish, until_line};
use windlass_domain::child::{ChildEnd, ChildSpec, EndedBecause, Sandbox};
use windlass_process::sandbox::{SandboxSupport, probe};
use windlass_process::{HoldOutcome, LostBecause};

/// Opening a named pipe for reading without waiting for a writer.
const NONBLOCK: i32 = rustix::fs::OFlags::NONBLOCK.bits().cast_signed();

/// Fails, and says how to mend it, where there is no sandbox to test.
async fn need_bwrap() {
    if let SandboxSupport::Unusable { reason, mend } = probe().await {
        panic!("the sandbox tests need a working `bwrap`: {reason}; {mend}");
    }
}

/// A place with a worktree and a private HOME inside the sandbox, and a secret outside.
struct Walled {
    place: Place,
    work: PathBuf,
    home: PathBuf,
    secret: PathBuf,
}

impl Walled {
    async fn new() -> Self {
        need_bwrap().await;
        let place = Place::new();
        let (work, home, real_home) = (place.path("work"), place.path("private"), place.path("home"));
        for folder in [&work, &home, &real_home] {
            fs::create_dir(folder).unwrap();
        }
        let secret = real_home.join("secret");
        fs::write(&secret, "the secret").unwrap();
        Self { place, work, home, secret }
    }

    fn spec(&self, script: &str) -> ChildSpec {
        self.spec_with(script, &[])
    }

    fn spec_with(&self, script: &str, readable: &[&Path]) -> ChildSpec {
        let mut spec = self.place.walled_script(script, readable, &[&self.work, &self.home]);
        spec.env.insert("HOME".to_owned(), self.home.to_str().unwrap().to_owned());
        spec.env.insert("TMPDIR".to_owned(), "/tmp".to_owned());
        spec
    }

    async fn run(&self, spec: &ChildSpec) -> Seen {
        finish(&mut self.place.start(spec).await).await
    }

    async fn inside(&self, script: &str) -> Seen {
        self.run(&self.spec(script)).await
    }

    async fn outside(&self, script: &str) -> Seen {
        self.run(&ChildSpec { sandbox: Sandbox::Off, ..self.spec(script) }).await
    }
}

fn code(seen: &Seen) -> u8 {
    match seen.exit().end {
        ChildEnd::Exited { code } => code,
        ref other => panic!("{other:?}; {}", seen.err()),
    }
}

#[tokio::test]
async fn the_probe_says_which_bwrap_works() {
    need_bwrap().await;
    match probe().await {
        SandboxSupport::Bwrap { path, version } => {
            assert!(path.is_file());
            assert!(version.starts_with("bubblewrap "), "{version}");
        }
        SandboxSupport::Unusable { reason, .. } => panic!("{reason}"),
    }
}

#[tokio::test]
async fn it_works_in_its_worktree_and_its_exit_status_comes_through() {
    let walled = Walled::new().await;
    let seen = walled.inside("pwd; echo made > file && cat file; echo err >&2; exit 9").await;
    assert_eq!(seen.out(), format!("{}\nmade\n", walled.work.display()));
    assert_eq!(seen.err(), "err\n");
    assert_eq!(code(&seen), 9);
    assert_eq!(fs::read_to_string(walled.work.join("file")).unwrap(), "made\n");
}

#[tokio::test]
async fn a_secret_in_the_users_home_cannot_be_read() {
    let walled = Walled::new().await;
    let script = format!("cat {}", walled.secret.display());
    assert_eq!(walled.outside(&script).await.out(), "the secret");
    let seen = walled.inside(&script).await;
    assert_eq!((seen.out(), code(&seen)), ("", 1));
    assert!(seen.err().contains("No such file or directory"), "{}", seen.err());
    let seen = walled.inside("ls -A /home /root /var /mnt /srv /opt 2>/dev/null; true").await;
    assert_eq!(seen.out(), "", "no other place where people keep things is there");
}

#[tokio::test]
async fn nothing_can_be_written_outside() {
    let walled = Walled::new().await;
    let places = ["/usr/windlass-test", "/etc/windlass-test", "/windlass-test", "/run/../windlass-test"];
    // As root they would be open to a process without any capability. They are opened and not written.
    let of_the_machine =
        ["/proc/sys/kernel/core_pattern", "/proc/sys/kernel/hostname", "/proc/sysrq-trigger"];
    for path in places.iter().chain(&of_the_machine) {
        let seen = walled.inside(&format!(": >> {path}")).await;
        assert_ne!(code(&seen), 0, "{path}");
    }
    // A folder beside its own may seem to be there, in its private /tmp; what it writes there is not.
    let beside = walled.place.path("beside");
    walled.inside(&format!("echo x > {}", beside.display())).await;
    assert!(!beside.exists());
    let marker = format!("windlass-test-{}", std::process::id());
    let seen = walled.inside(&format!("echo x > /tmp/{marker} && ls /tmp/{marker}")).await;
    assert_eq!(code(&seen), 0, "its own /tmp is there: {}", seen.err());
    assert!(!Path::new("/tmp").join(marker).exists());
}

#[tokio::test]
async fn a_read_only_folder_inside_a_writable_one_stays_read_only() {
    let walled = Walled::new().await;
    let git = walled.work.join(".git");
    fs::create_dir(&git).unwrap();
    fs::write(git.join("HEAD"), "ref: refs/heads/main\n").unwrap();
    let script = "cat .git/HEAD; echo x > file; echo x > .git/HEAD; echo x > .git/new; rm .git/HEAD; mv .git gone; ls -A";
    let seen = walled.run(&walled.spec_with(script, &[&git])).await;
    assert_eq!(seen.out(), "ref: refs/heads/main\n.git\nfile\n");
    assert_eq!(fs::read_to_string(git.join("HEAD")).unwrap(), "ref: refs/heads/main\n");
    assert!(!git.join("new").exists());
    let seen = walled.outside("echo x > .git/new && echo written").await;
    assert_eq!(seen.out(), "written\n");
}

#[tokio::test]
async fn a_readable_folder_can_be_read_and_a_missing_one_is_left_out() {
    let walled = Walled::new().await;
    let cache = walled.place.path("cache");
    fs::create_dir(&cache).unwrap();
    fs::write(cache.join("package"), "cached").unwrap();
    let script = format!(
        "cat {0}/package; echo x > {0}/new; ls -A {1}",
        cache.display(),
        walled.place.dir.path().display()
    );
    let spec = walled.spec_with(&script, &[&cache, &walled.place.path("missing")]);
    assert_eq!(walled.run(&spec).await.out(), "cachedcache\nprivate\nwork\n");
    assert!(!cache.join("new").exists());
}

#[tokio::test]
async fn the_network_cannot_be_reached() {
    let walled = Walled::new().await;
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = server.local_addr().unwrap().port();
    let script = format!("exec bash -c 'exec 3<>/dev/tcp/127.0.0.1/{port} && echo connected'");
    assert_eq!(walled.outside(&script).await.out(), "connected\n");
    let seen = walled.inside(&script).await;
    assert_eq!(seen.out(), "", "{}", seen.err());
    assert!(seen.err().contains("Connection refused"), "it has a loopback of its own: {}", seen.err());
    server.set_nonblocking(true).unwrap();
    server.accept().expect("the child without walls did connect");
    assert!(server.accept().is_err(), "the other one did not");
}

#[tokio::test]
async fn no_door_is_there() {
    let walled = Walled::new().await;
    let seen = walled
        .inside(
            "ls -A /run; ls -d /run/user /var/run /sys 2>/dev/null; echo ${DBUS_SESSION_BUS_ADDRESS-none}",
        )
        .await;
    assert_eq!(seen.out(), "none\n");
    let spec = walled.spec_with("true", &[&walled.place.holds()]);
    match &walled.run(&spec).await.exit().end {
        ChildEnd::NotStarted { reason } => assert!(reason.contains("would open"), "{reason}"),
        other => panic!("a wall opened the holds: {other:?}"),
    }
}

#[tokio::test]
async fn the_environment_is_exactly_as_given() {
    let walled = Walled::new().await;
    let mut spec = walled.spec("true");
    spec.argv = vec!["env".to_owned(), "-0".to_owned()];
    spec.env.insert("TOKEN".to_owned(), "line\nline = 'quoted' --bind / /".to_owned());
    spec.env.insert("EMPTY".to_owned(), String::new());
    // What bwrap(1) promises to leave: the working folder, which the child knows anyway.
    let given = spec.env.iter().map(|(name, value)| format!("{name}={value}"));
    let mut expected: Vec<String> = given.chain([format!("PWD={}", walled.work.display())]).collect();
    let seen = walled.run(&spec).await;
    let mut found: Vec<String> = seen.out().trim_end_matches('\0').split('\0').map(str::to_owned).collect();
    expected.sort_unstable();
    found.sort_unstable();
    assert_eq!(found, expected);
}

#[tokio::test]
async fn secrets_in_the_environment_are_on_no_command_line() {
    let walled = Walled::new().await;
    let mut spec = walled.spec("echo ready; exec sleep 1000");
    let secret = format!("secret-{}", support::new_id());
    spec.env.insert("TOKEN".to_owned(), secret.clone());
    let mut following = walled.place.start(&spec).await;
    until_line(&mut following, "ready").await;
    let command_lines = fs::read_dir("/proc").unwrap().map(|entry| entry.unwrap().path().join("cmdline"));
    let shown = command_lines
        .filter(|path| fs::read(path).is_ok_and(|line| String::from_utf8_lossy(&line).contains(&secret)));
    assert_eq!(shown.count(), 0);
    cancel(&mut following).await;
}

#[tokio::test]
async fn it_has_no_capability_and_sees_no_other_process() {
    let walled = Walled::new().await;
    let seen = walled.inside("grep CapEff /proc/self/status; ls /proc | grep -c '^[0-9]*$'; readlink /proc/self/fd/* | grep memfd").await;
    let lines: Vec<&str> = seen.out().lines().collect();
    assert_eq!(lines[0], "CapEff:\t0000000000000000");
    let processes: usize = lines[1].parse().unwrap();
    assert!(processes <= 4, "bwrap, sh, ls and grep, not {processes}");
    assert_eq!(lines.len(), 2, "the walls' descriptor is not passed on");
}

#[tokio::test]
async fn a_program_that_is_not_there_was_not_started() {
    let walled = Walled::new().await;
    let mut spec = walled.spec("true");
    spec.argv = vec!["no-such-program".to_owned()];
    match &walled.run(&spec).await.exit().end {
        ChildEnd::NotStarted { reason } => assert!(reason.contains("no-such-program"), "{reason}"),
        other => panic!("{other:?}"),
    }
    let mut spec = walled.spec("true");
    spec.sandbox = Sandbox::Bwrap(windlass_domain::child::Walls {
        writable: vec![walled.place.path("missing").to_str().unwrap().to_owned()],
        readable: Vec::new(),
    });
    match &walled.run(&spec).await.exit().end {
        ChildEnd::NotStarted { reason } => assert!(reason.contains("missing"), "{reason}"),
        other => panic!("{other:?}"),
    }
    assert_eq!(code(&walled.inside("exit 1").await), 1, "a program's own failure is not that");
}

#[tokio::test]
async fn a_walled_child_is_asked_before_it_is_killed() {
    let walled = Walled::new().await;
    // Its last words take a while, so that being asked and killed in one would cut them short.
    let script = "trap 'seq 1 1000000; exit 0' TERM; echo ready; while :; do sleep 1000 & wait $!; done";
    let mut following = walled.place.start(&walled.spec(script)).await;
    until_line(&mut following, "ready").await;
    let seen = cancel(&mut following).await;
    assert!(seen.out().ends_with("\n1000000\n"), "{} bytes", seen.stdout.len());
    assert_eq!(seen.exit().end, ChildEnd::Ended { why: EndedBecause::Cancelled });
}

#[tokio::test]
async fn a_walled_child_that_does_not_listen_is_killed() {
    let walled = Walled::new().await;
    let mut spec = walled.spec("trap '' TERM; setsid sleep 1000 & echo ready; while :; do sleep 1000; done");
    spec.limits.grace_ms = 50;
    let mut following = walled.place.start(&spec).await;
    until_line(&mut following, "ready").await;
    let seen = cancel(&mut following).await;
    assert_eq!(seen.exit().end, ChildEnd::Ended { why: EndedBecause::Cancelled });
}

#[tokio::test]
async fn what_a_walled_child_leaves_behind_ends_with_it() {
    let walled = Walled::new().await;
    let alive = walled.work.join("alive");
    support::gate(&alive);
    // Whoever holds the pipe open for writing is alive; the reader sees its end when nobody does.
    let mut reader = fs::OpenOptions::new().read(true).custom_flags(NONBLOCK).open(&alive).unwrap();
    let deaf = "setsid sh -c 'trap \"\" TERM; sleep 1000'";
    let seen = walled.inside(&format!("exec 9> alive; setsid sleep 1000 & ({deaf} &); exit 6")).await;
    assert_eq!(code(&seen), 6);
    assert_eq!(reader.read(&mut [0]).unwrap(), 0);
}

#[tokio::test]
async fn a_walled_child_dies_with_its_killed_holder() {
    let walled = Walled::new().await;
    let alive = walled.work.join("alive");
    support::gate(&alive);
    let mut reader = fs::OpenOptions::new().read(true).custom_flags(NONBLOCK).open(&alive).unwrap();
    let script = "exec 9> alive; trap '' TERM; setsid sleep 1000 & echo ready; while :; do sleep 1000; done";
    let mut following = walled.place.start(&walled.spec(script)).await;
    until_line(&mut following, "ready").await;
    let still_open = reader.read(&mut [0]).unwrap_err();
    assert_eq!(still_open.kind(), std::io::ErrorKind::WouldBlock);
    walled.place.signal_holder(following.id(), "KILL");
    let seen = finish(&mut following).await;
    assert!(matches!(seen.outcome, HoldOutcome::Lost { why: LostBecause::HolderGone { .. } }));
    assert_eq!(reader.read(&mut [0]).unwrap(), 0, "nobody holds the pipe any more");
}

#[tokio::test]
async fn a_walled_child_dies_with_its_holder_even_if_nobody_follows() {
    let walled = Walled::new().await;
    let alive = walled.work.join("alive");
    support::gate(&alive);
    let opened = tokio::task::spawn_blocking(move || fs::File::open(alive).unwrap());
    let script = "exec 9> alive; trap '' TERM; setsid sleep 1000 & echo ready; while :; do sleep 1000; done";
    let mut following = walled.place.start(&walled.spec(script)).await;
    until_line(&mut following, "ready").await;
    let mut reader = opened.await.unwrap();
    walled.place.signal_holder(following.id(), "KILL");
    // Returns when nobody holds the pipe open any more.
    let rest =
        tokio::task::spawn_blocking(move || reader.read_to_end(&mut Vec::new()).unwrap()).await.unwrap();
    assert_eq!(rest, 0);
}
