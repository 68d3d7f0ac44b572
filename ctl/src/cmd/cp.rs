//! `berth cp`: files into a container of a task, or out of it.

use std::path::{Path, PathBuf};

use berth_proto::agent::v1::conduit_input::Input;
use berth_proto::agent::v1::conduit_target::Target;
use berth_proto::agent::v1::{ReadFiles, StatFile, WriteFiles};
use clap::Args;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::mpsc;

use crate::conduit::{CHUNK_BYTES, Inlet, Of, Outlet};
use crate::context::{Context, Session};
use crate::failure::{Exit, Failure, OrUsage as _};

mod pack;
mod unpack;

/// Chunks of an archive between the files and the connection.
const CHUNKS: usize = 16;

/// A tar archive on standard input or standard output.
const STREAM: &str = "-";

/// Copy files into a container of a task, or out of it
#[derive(Debug, Args)]
#[command(after_help = "\
A directory is copied with all that is in it. Into a directory that is there, what is copied goes under its own name;
otherwise it gets the name that is given. `-` is a tar archive, which is unpacked into a directory or read of one.

Examples:
  berth cp app.conf 3f2a91c0b7e4:/etc/app.conf
  berth cp 3f2a91c0b7e4:/var/log ./logs
  tar c . | berth cp - 3f2a91c0b7e4:/srv")]
pub(crate) struct Cp {
    /// A path here, or TASK:PATH
    from: String,
    /// A path here, or TASK:PATH
    to: String,
    #[command(flatten)]
    of: Of,
}

/// One end of a copy.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Place {
    Here(PathBuf),
    Stream,
    There { task: String, path: String },
}

// === impl Place ===

impl Place {
    fn parse(text: &str) -> Self {
        if text == STREAM {
            return Self::Stream;
        }
        match text.split_once(':') {
            // An ARN has colons of its own; its task is followed by the last one.
            Some(("arn", _)) => match text.rsplit_once(':') {
                Some((task, path)) => Self::There { task: task.to_owned(), path: path.to_owned() },
                None => Self::Here(text.into()),
            },
            // A path in which a colon follows a slash is a path here, as scp has it.
            Some((task, path)) if !task.is_empty() && !task.contains('/') => {
                Self::There { task: task.to_owned(), path: path.to_owned() }
            }
            _ => Self::Here(text.into()),
        }
    }
}

// === impl Cp ===

impl Cp {
    pub(crate) async fn run(self, context: &Context) -> Result<Exit, Failure> {
        let session = context.connect()?;
        match (Place::parse(&self.from), Place::parse(&self.to)) {
            (Place::There { task, path }, to @ (Place::Here(_) | Place::Stream)) => {
                let task = Of::task(&session, &task).await?;
                let read = Target::ReadFiles(ReadFiles { path: rooted(&path) });
                let (inlet, outlet) = self.of.open(&session, task, read).await?;
                fetch(context, (inlet, outlet), to).await
            }
            (from @ (Place::Here(_) | Place::Stream), Place::There { task, path }) => {
                let task = Of::task(&session, &task).await?;
                self.bring(&session, from, task, &rooted(&path)).await
            }
            _ => Err(Failure::usage("one of the two is a path here, and the other TASK:PATH")),
        }
    }

    async fn bring(&self, session: &Session, from: Place, task: String, path: &str) -> Result<Exit, Failure> {
        let Place::Here(local) = from else {
            let write = Target::WriteFiles(WriteFiles { path: path.to_owned() });
            let conduit = self.of.open(session, task, write).await?;
            return pass_on(conduit).await;
        };
        let metadata =
            std::fs::symlink_metadata(&local).or_usage(|| format!("reading {}", local.display()))?;
        let into = if self.is_directory(session, &task, path).await? {
            (path.to_owned(), own_name(&local)?)
        } else if path.ends_with('/') && !metadata.is_dir() {
            return Err(Failure::refused(format!("there is no directory {path} in the container")));
        } else {
            split(path)
        };
        let write = Target::WriteFiles(WriteFiles { path: into.0 });
        let (inlet, mut outlet) = self.of.open(session, task, write).await?;
        let (sender, mut chunks) = mpsc::channel(CHUNKS);
        let packed = tokio::task::spawn_blocking(move || pack::pack(&local, &into.1, sender));
        let sent = async {
            while let Some(chunk) = chunks.recv().await {
                if !inlet.send(Input::Bytes(chunk)).await {
                    break;
                }
            }
            // What did not get packed ends the copy, rather than pass for the whole of it.
            packed.await.or_usage(|| "packing".to_owned())??;
            inlet.send(Input::End(true)).await;
            Ok(())
        };
        exchange(sent, written(&mut outlet)).await
    }

    async fn is_directory(&self, session: &Session, task: &str, path: &str) -> Result<bool, Failure> {
        let look = Target::StatFile(StatFile { path: path.to_owned() });
        let (_inlet, mut outlet) = self.of.open(session, task.to_owned(), look).await?;
        Ok(written(&mut outlet).await? == 0)
    }
}

/// Both at once: what is refused is told though not all was sent, and the answer is waited for once it was.
async fn exchange(
    sent: impl Future<Output = Result<(), Failure>>,
    answer: impl Future<Output = Result<i32, Failure>>,
) -> Result<Exit, Failure> {
    let mut answer = std::pin::pin!(answer);
    tokio::select! {
        biased;
        // Cancel-safe: it is polled in place, and goes on below.
        answer = &mut answer => return answer.map(|_| Exit::Success),
        // Not cancel-safe, and need not be: it has ended.
        sent = sent => sent?,
    }
    answer.await.map(|_| Exit::Success)
}

/// An archive from standard input.
async fn pass_on((inlet, mut outlet): (Inlet, Outlet)) -> Result<Exit, Failure> {
    let sent = async {
        let mut stdin = tokio::io::stdin();
        let mut buffer = vec![0; CHUNK_BYTES];
        loop {
            match stdin.read(&mut buffer).await.or_usage(|| "reading standard input".to_owned())? {
                0 => break,
                length => {
                    if !inlet.send(Input::Bytes(buffer[..length].to_vec())).await {
                        break;
                    }
                }
            }
        }
        inlet.send(Input::End(true)).await;
        Ok(())
    };
    exchange(sent, written(&mut outlet)).await
}

/// The exit code, once all is done.
async fn written(outlet: &mut Outlet) -> Result<i32, Failure> {
    loop {
        if let Some(code) = outlet.next().await?.exit_code {
            return Ok(code);
        }
    }
}

/// An archive, to where it is wanted.
async fn fetch(context: &Context, (_inlet, mut outlet): (Inlet, Outlet), to: Place) -> Result<Exit, Failure> {
    let Place::Here(local) = to else {
        let mut stdout = tokio::io::stdout();
        loop {
            let output = outlet.next().await?;
            let written = stdout.write_all(&output.bytes).await;
            written.map_err(|_| Failure::closed_pipe())?;
            if output.exit_code.is_some() {
                stdout.flush().await.map_err(|_| Failure::closed_pipe())?;
                return Ok(Exit::Success);
            }
        }
    };
    let (sender, chunks) = mpsc::channel(CHUNKS);
    let unpacking = tokio::task::spawn_blocking(move || unpack::unpack(chunks, &local));
    let received = async {
        loop {
            let output = outlet.next().await?;
            if output.exit_code.is_some() {
                return Ok(());
            }
            // Who does not take it says why.
            if sender.send(Ok(output.bytes)).await.is_err() {
                return Ok(());
            }
        }
    };
    let received = received.await;
    if received.is_err() {
        let _ = sender.send(Err(std::io::ErrorKind::UnexpectedEof.into())).await;
    }
    drop(sender);
    let unpacked = unpacking.await.or_usage(|| "unpacking".to_owned())?;
    received?;
    for path in unpacked? {
        context.output.note(&format!("left out {}: it is no file, or leads elsewhere", path.display()));
    }
    Ok(Exit::Success)
}

/// Containers have no current directory for copies: paths begin at the root.
fn rooted(path: &str) -> String {
    if path.starts_with('/') { path.to_owned() } else { format!("/{path}") }
}

/// The directory of a path, and the name in it.
fn split(path: &str) -> (String, PathBuf) {
    let path = path.trim_end_matches('/');
    match path.rsplit_once('/') {
        Some(("", name)) => ("/".to_owned(), name.into()),
        Some((directory, name)) => (directory.to_owned(), name.into()),
        None => ("/".to_owned(), path.into()),
    }
}

/// What a path here is called, also when it is `.`.
fn own_name(local: &Path) -> Result<PathBuf, Failure> {
    let named = match local.file_name() {
        Some(name) => return Ok(name.into()),
        None => local.canonicalize().or_usage(|| format!("reading {}", local.display()))?,
    };
    let name = named.file_name().map(PathBuf::from);
    name.ok_or_else(|| Failure::usage("the root directory cannot be copied: name what is in it"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_here_or_in_a_task() {
        let there = |task: &str, path: &str| Place::There { task: task.into(), path: path.into() };
        let arn = "arn:aws:ecs:us-east-1:000000000000:task/default/3f2a";
        let rows = [
            ("a.txt", Place::Here("a.txt".into())),
            ("./a:b", Place::Here("./a:b".into())),
            ("-", Place::Stream),
            ("3f2a:/srv", there("3f2a", "/srv")),
            ("3f2a:srv", there("3f2a", "srv")),
            (&format!("{arn}:/srv"), there(arn, "/srv")),
        ];
        for (text, expected) in rows {
            assert_eq!(Place::parse(text), expected, "{text}");
        }
    }

    #[test]
    fn a_path_has_a_directory_and_a_name() {
        assert_eq!(split("/a/b"), ("/a".to_owned(), "b".into()));
        assert_eq!(split("/a/b/"), ("/a".to_owned(), "b".into()));
        assert_eq!(split("/b"), ("/".to_owned(), "b".into()));
    }
}
