//! A web server on this machine, written by hand so that it can be as wrong as a test needs it.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;

/// The first byte of whoever expects TLS, which this server does not speak.
const TLS_HANDSHAKE: u8 = 22;

/// What a path is answered with.
#[derive(Clone)]
pub(crate) enum Answer {
    /// A page of this type.
    Page(&'static str, String),
    /// A redirect to here.
    Redirect(String),
    /// A status without a page.
    Status(&'static str),
    /// These bytes, as they stand.
    Raw(&'static [u8]),
    /// A page that has no end.
    Endless,
    /// Nothing, for as long as the client waits.
    Silence,
    /// A page, once the gate is open.
    Gated(String),
}

/// The server, until the test ends.
pub(crate) struct Pages {
    port: u16,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    answers: Mutex<BTreeMap<&'static str, Answer>>,
    asked: Mutex<Vec<String>>,
    /// Told of each request and of the gate's opening.
    changed: Condvar,
    open: Mutex<bool>,
}

impl Pages {
    pub(crate) fn serving(answers: impl IntoIterator<Item = (&'static str, Answer)>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let state = Arc::new(State::default());
        state.answers.lock().unwrap().extend(answers);
        let serving = Arc::clone(&state);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let state = Arc::clone(&serving);
                // A client that goes away in the middle is what some tests are about.
                thread::spawn(move || drop(state.serve(stream)));
            }
        });
        Self { port, state }
    }

    /// The address of a path.
    pub(crate) fn at(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    /// The paths that were asked for, in their order.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.state.asked.lock().unwrap().clone()
    }

    /// Waits until a path was asked for.
    pub(crate) fn until_asked(&self, path: &str) {
        let asked = self.state.asked.lock().unwrap();
        drop(self.state.changed.wait_while(asked, |asked| !asked.iter().any(|one| one == path)).unwrap());
    }

    /// Lets whoever waits at the gate have its page.
    pub(crate) fn open_the_gate(&self) {
        *self.state.open.lock().unwrap() = true;
        self.state.changed.notify_all();
    }
}

impl State {
    fn serve(&self, mut stream: TcpStream) -> std::io::Result<()> {
        let mut first = [0];
        stream.peek(&mut first)?;
        if first == [TLS_HANDSHAKE] {
            stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n")?;
            stream.shutdown(Shutdown::Write)?;
            return stream.read_to_end(&mut Vec::new()).map(drop);
        }
        let mut lines = BufReader::new(stream.try_clone()?).lines();
        let first = lines.next().transpose()?.unwrap_or_default();
        let path = first.split(' ').nth(1).unwrap_or_default().to_owned();
        while lines.next().transpose()?.is_some_and(|line| !line.is_empty()) {}
        self.asked.lock().unwrap().push(path.clone());
        self.changed.notify_all();
        let answer = self.answers.lock().unwrap().get(path.as_str()).cloned();
        self.answer(stream, answer.unwrap_or(Answer::Status("404 Not Found")))
    }

    fn answer(&self, mut stream: TcpStream, answer: Answer) -> std::io::Result<()> {
        let page = |kind: &str, body: &str| {
            format!(
                "HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nLast-Modified: Wed, 21 Oct 2015 07:28:00 GMT\r\n\
                 Connection: close\r\nContent-Length: {}\r\n\r\n{body}",
                body.len()
            )
        };
        let empty = |head: &str| format!("HTTP/1.1 {head}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
        match answer {
            Answer::Page(kind, body) => stream.write_all(page(kind, &body).as_bytes()),
            Answer::Redirect(to) => {
                stream.write_all(empty(&format!("302 Found\r\nLocation: {to}")).as_bytes())
            }
            Answer::Status(status) => stream.write_all(empty(status).as_bytes()),
            Answer::Raw(bytes) => stream.write_all(bytes),
            Answer::Endless => {
                stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n")?;
                loop {
                    stream.write_all(&[b'x'; 4096])?;
                }
            }
            Answer::Silence => stream.read_to_end(&mut Vec::new()).map(drop),
            Answer::Gated(body) => {
                let open = self.open.lock().unwrap();
                drop(self.changed.wait_while(open, |open| !*open).unwrap());
                stream.write_all(page("text/html", &body).as_bytes())
            }
        }
    }
}
