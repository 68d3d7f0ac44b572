//! The web server that the demo and the tests deploy.
//!
//! One static file in an image of nothing else. What it does is set by its environment (see [`settings`]), so
//! that one image can play a good service, a slow one, a crashing one and one that will not stop. It knows
//! nothing of Berth: it is the user's side of every test.
#![forbid(unsafe_code)]

mod ask;
mod server;
mod settings;

use std::io::Read as _;
use std::os::unix::net::UnixListener;
use std::process::ExitCode;
use std::sync::Arc;
use std::thread;

use server::Server;
use settings::Settings;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

fn main() -> ExitCode {
    let settings = match Settings::from_environment(|name| std::env::var(name).ok()) {
        Ok(settings) => Arc::new(settings),
        Err(mistake) => {
            say(&mistake);
            return ExitCode::from(64);
        }
    };
    if std::env::args().any(|argument| argument == "--check") {
        return server::check(settings.port);
    }
    run(settings)
}

fn run(settings: Arc<Settings>) -> ExitCode {
    // Before anything slow: PID 1 of a container does not even get a signal that it has no handler for.
    let mut signals = match Signals::new([SIGTERM, SIGINT]) {
        Ok(signals) => signals,
        Err(error) => {
            say(&format!("cannot listen for signals: {error}"));
            return ExitCode::FAILURE;
        }
    };
    let server = Server::new(Arc::clone(&settings));
    let running = server.clone();
    thread::spawn(move || live(&running));
    for _ in signals.forever() {
        if settings.ignore_term {
            say("SIGTERM ignored");
            continue;
        }
        say("SIGTERM: draining");
        server.drain();
        say("drained");
        return ExitCode::SUCCESS;
    }
    ExitCode::FAILURE
}

/// Prints what is written to a socket, connection by connection, as far as it is text.
fn print_from(path: &str) {
    let listener = match UnixListener::bind(path) {
        Ok(listener) => listener,
        Err(error) => return say(&format!("cannot listen at {path}: {error}")),
    };
    for connection in listener.incoming().flatten() {
        thread::spawn(move || {
            let (mut connection, mut piece) = (connection, [0; 4096]);
            while let Ok(length @ 1..) = connection.read(&mut piece) {
                say(&format!("got {}", String::from_utf8_lossy(&piece[..length])));
            }
        });
    }
}

/// Everything the settings ask for, from the first line printed to the end of a process that ends by itself.
fn live(server: &Server) {
    let settings = server.settings();
    for line in 1..=settings.log_lines {
        say(&format!("line {line}"));
    }
    if let Some(path) = settings.listen_at.clone() {
        thread::spawn(move || print_from(&path));
    }
    let hog = take_memory(settings.memory_hog_mib);
    thread::sleep(settings.start_delay);
    if let Some(code) = settings.exits_at_once() {
        std::process::exit(code);
    }
    if let Some(delay) = settings.crash_after {
        let code = settings.exit_code.unwrap_or(1);
        thread::spawn(move || {
            thread::sleep(delay);
            say(&format!("exiting with {code}"));
            std::process::exit(code);
        });
    }
    if let Err(error) = server.serve() {
        say(&format!("cannot serve on port {}: {error}", settings.port));
        std::process::exit(1);
    }
    drop(hog);
}

/// Memory that is really used: a page that was never written costs nothing.
fn take_memory(mib: usize) -> Vec<u8> {
    const PAGE_BYTES: usize = 4096;
    let mut memory = vec![0_u8; mib * 1024 * 1024];
    for byte in memory.iter_mut().step_by(PAGE_BYTES) {
        *byte = 1;
    }
    memory
}

#[expect(clippy::print_stdout, reason = "what it prints is what the tests of logs read")]
fn say(line: &str) {
    println!("{line}");
}
