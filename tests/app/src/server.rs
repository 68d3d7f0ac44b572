//! The HTTP side: one thread a connection, one request each.
//!
//! `/` says who answers, `/healthz` is 200 while it serves and 503 while it drains, `/slow?ms=N` answers after a
//! while, `/ask` passes a question on to the endpoint of its task. Requests in flight are always finished: a client that sees one broken has found a fault of the
//! scheduler, not of this server.

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use crate::say;
use crate::settings::Settings;

/// A client that sends no request in this time is dropped, so that it cannot hold up a drain.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);
const REQUEST_BYTES_MAX: u64 = 16 * 1024;

/// A cheap handle; all clones are one server.
#[derive(Clone)]
pub(crate) struct Server {
    settings: Arc<Settings>,
    draining: Arc<AtomicBool>,
    in_flight: Arc<AtomicUsize>,
}

/// What `--check` does: a container health check for an image without a shell.
pub(crate) fn check(port: u16) -> ExitCode {
    match get(port, "/healthz") {
        Ok(answer) if answer.starts_with("HTTP/1.1 200") => ExitCode::SUCCESS,
        Ok(_) | Err(_) => ExitCode::FAILURE,
    }
}

// === impl Server ===

impl Server {
    pub(crate) fn new(settings: Arc<Settings>) -> Self {
        Self { settings, draining: Arc::default(), in_flight: Arc::default() }
    }

    pub(crate) fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Answers until the process ends.
    pub(crate) fn serve(&self) -> io::Result<()> {
        let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, self.settings.port))?;
        say(&format!("serving revision {:?} on port {}", self.settings.revision, self.settings.port));
        for connection in listener.incoming() {
            let server = self.clone();
            let connection = connection?;
            self.in_flight.fetch_add(1, Ordering::SeqCst);
            thread::spawn(move || {
                // A client that hung up is its own affair.
                let _ = server.answer(&connection);
                server.in_flight.fetch_sub(1, Ordering::SeqCst);
            });
        }
        Ok(())
    }

    /// Unhealthy from now on; returns when the drain time is over and the last request answered.
    pub(crate) fn drain(&self) {
        self.draining.store(true, Ordering::SeqCst);
        thread::sleep(self.settings.drain);
        while self.in_flight.load(Ordering::SeqCst) > 0 {
            thread::sleep(Duration::from_millis(5));
        }
    }

    fn answer(&self, connection: &TcpStream) -> io::Result<()> {
        connection.set_read_timeout(Some(REQUEST_TIMEOUT))?;
        let target = read_target(connection)?;
        let (path, query) = target.split_once('?').unwrap_or((&target, ""));
        match path {
            "/" => respond(connection, "200 OK", &self.identity()),
            "/healthz" if self.draining.load(Ordering::SeqCst) => {
                respond(connection, "503 Service Unavailable", "draining\n")
            }
            "/healthz" => respond(connection, "200 OK", "ok\n"),
            "/slow" => {
                let ms = query.strip_prefix("ms=").and_then(|ms| ms.parse().ok()).unwrap_or(1000);
                thread::sleep(Duration::from_millis(ms));
                respond(connection, "200 OK", &self.identity())
            }
            "/ask" => match crate::ask::ask(query) {
                Ok(answer) => respond(connection, "200 OK", &answer),
                Err(error) => respond(connection, "502 Bad Gateway", &format!("{error}\n")),
            },
            _ => respond(connection, "404 Not Found", "no such page\n"),
        }
    }

    /// Who answers, as `name=value` lines: what the scheduler told the container included.
    fn identity(&self) -> String {
        let mut lines = vec![
            format!("revision={}", self.settings.revision),
            format!("hostname={}", std::fs::read_to_string("/etc/hostname").unwrap_or_default().trim()),
        ];
        let told =
            |name: &str| ["ECS_", "AWS_", "BERTH_", "TASK_"].iter().any(|prefix| name.starts_with(prefix));
        let mut told: Vec<_> = std::env::vars().filter(|(name, _)| told(name)).collect();
        told.sort();
        lines.extend(told.into_iter().map(|(name, value)| format!("{name}={value}")));
        lines.join("\n") + "\n"
    }
}

/// The target of a request, with all its headers read: closing a socket with bytes unread resets it.
fn read_target(connection: &TcpStream) -> io::Result<String> {
    let mut lines = BufReader::new(connection.take(REQUEST_BYTES_MAX)).lines();
    let first = lines.next().transpose()?.unwrap_or_default();
    for line in lines {
        if line?.is_empty() {
            break;
        }
    }
    Ok(first.split(' ').nth(1).unwrap_or_default().to_owned())
}

fn respond(mut connection: &TcpStream, status: &str, body: &str) -> io::Result<()> {
    let length = body.len();
    let head = format!("HTTP/1.1 {status}\r\ncontent-type: text/plain\r\ncontent-length: {length}\r\n");
    connection.write_all(format!("{head}connection: close\r\n\r\n{body}").as_bytes())
}

fn get(port: u16, path: &str) -> io::Result<String> {
    let mut connection = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    connection.set_read_timeout(Some(REQUEST_TIMEOUT))?;
    connection.write_all(format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n").as_bytes())?;
    let mut answer = String::new();
    connection.read_to_string(&mut answer)?;
    Ok(answer)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn serve(variables: &[(&str, String)]) -> (Server, u16) {
        // Taken and given back: the server binds it a moment later.
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
        let variable = |name: &str| match name {
            "PORT" => Some(port.to_string()),
            name => variables.iter().find(|(key, _)| *key == name).map(|(_, value)| value.clone()),
        };
        let server = Server::new(Arc::new(Settings::from_environment(variable).unwrap()));
        let serving = server.clone();
        thread::spawn(move || serving.serve());
        while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
            thread::yield_now();
        }
        (server, port)
    }

    #[test]
    fn says_which_revision_answers() {
        let (_server, port) = serve(&[("REVISION", "two".to_owned())]);
        assert!(get(port, "/").unwrap().contains("revision=two\n"));
        assert!(get(port, "/nowhere").unwrap().starts_with("HTTP/1.1 404"));
    }

    #[test]
    fn a_drain_waits_for_the_request_in_flight_and_is_unhealthy_meanwhile() {
        let (server, port) = serve(&[]);
        let slow = thread::spawn(move || get(port, "/slow?ms=300").unwrap());
        while server.in_flight.load(Ordering::SeqCst) == 0 {
            thread::yield_now();
        }
        let draining = server.clone();
        let drain = thread::spawn(move || draining.drain());
        while !server.draining.load(Ordering::SeqCst) {
            thread::yield_now();
        }
        assert!(get(port, "/healthz").unwrap().starts_with("HTTP/1.1 503"));
        drain.join().unwrap();
        assert!(slow.join().unwrap().starts_with("HTTP/1.1 200"));
    }
}
