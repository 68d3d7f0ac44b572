//! A container's log in the files that Docker's `json-file` writes, for a reader who must keep up: asked for a log, Docker
//! itself reads several times slower than it writes, and skips what was rotated away meanwhile without a word.
//!
//! Docker writes to one file, and when it is full moves it aside, `LOG` to `LOG.1`, `LOG.1` to `LOG.2`, the last being
//! removed. A file that is open stays readable whatever becomes of its name, so only whole files can be missed, and that
//! is noticed.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufRead as _, BufReader};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::UNIX_EPOCH;

use bytes::Bytes;
use parking_lot::Mutex;
use serde::Deserialize;

use super::logs::unix_ns;
use crate::logs::options::bytes;
use crate::runtime::LogRecord;

/// What is read at a time.
const AT_A_TIME: usize = 256 << 10;

/// A place in the log of one container.
pub(super) struct LogFile {
    file: BufReader<File>,
    place: Arc<Place>,
    /// A line of which the end is not written yet.
    line: Vec<u8>,
    since_ns: i64,
    /// Whether something is missing before what comes next.
    is_after_gap: bool,
}

/// Where a reader is.
pub(super) struct Place {
    path: PathBuf,
    /// The file that is read, by its inode, and how much of it was.
    at: Mutex<(u64, u64)>,
}

/// What Docker keeps of a container's log at most; none when there is no bound.
pub(super) fn most_bytes(config: &HashMap<String, String>) -> Option<u64> {
    let size = config.get("max-size").and_then(|size| bytes(size))?;
    let files = config.get("max-file").map_or(Some(1), |files| files.parse::<u64>().ok())?;
    Some(u64::try_from(size).unwrap_or(u64::MAX).saturating_mul(files))
}

/// A line as Docker writes it.
#[derive(Deserialize)]
struct Line<'a> {
    #[serde(borrow)]
    log: Cow<'a, str>,
    #[serde(borrow)]
    stream: Cow<'a, str>,
    #[serde(borrow)]
    time: Cow<'a, str>,
}

// === impl LogFile ===

impl LogFile {
    /// Opens the log where nothing is older than this moment.
    pub(super) fn open(path: &Path, since_ns: i64) -> io::Result<Self> {
        let mut files = files(path)?;
        let is_older = |file: &(File, u64)| written_ns(&file.0).is_some_and(|at| at < since_ns);
        while files.len() > 1 && files.last().is_some_and(is_older) {
            files.pop();
        }
        let (file, inode) = files.pop().ok_or(io::ErrorKind::NotFound)?;
        Ok(Self {
            file: BufReader::with_capacity(AT_A_TIME, file),
            place: Arc::new(Place { path: path.to_owned(), at: Mutex::new((inode, 0)) }),
            line: Vec::new(),
            since_ns,
            is_after_gap: false,
        })
    }

    /// Where this reader is, for whoever wants to know while it reads.
    pub(super) fn place(&self) -> Arc<Place> {
        Arc::clone(&self.place)
    }

    /// The next part of the log; nothing when all that is written was read.
    pub(super) fn read(&mut self) -> io::Result<Vec<LogRecord>> {
        let mut records = Vec::new();
        let mut bytes = 0;
        while bytes < AT_A_TIME {
            let length = self.file.read_until(b'\n', &mut self.line)?;
            bytes += length;
            self.place.at.lock().1 += u64::try_from(length).unwrap_or(0);
            if self.line.ends_with(b"\n") {
                let record = self.record();
                records.extend(record);
                self.line.clear();
            } else if length == 0 && !self.go_on()? {
                break;
            }
        }
        Ok(records)
    }

    /// Goes on to the next file, if Docker has and this one is read.
    fn go_on(&mut self) -> io::Result<bool> {
        let newer = files_until(&self.place.path, self.place.at.lock().0)?;
        let Some((is_found, (file, inode))) = newer else { return Ok(false) };
        // What was written before Docker let go of it.
        if !self.file.fill_buf()?.is_empty() {
            return Ok(true);
        }
        self.is_after_gap |= !is_found || !self.line.is_empty();
        self.line.clear();
        self.file = BufReader::with_capacity(AT_A_TIME, file);
        *self.place.at.lock() = (inode, 0);
        Ok(true)
    }

    fn record(&mut self) -> Option<LogRecord> {
        // What cannot be read was not written by Docker as it is now; the others can.
        let line: Line<'_> = serde_json::from_slice(&self.line).ok()?;
        let at_ns = unix_ns(&line.time).unwrap_or_default();
        (at_ns >= self.since_ns).then(|| LogRecord {
            is_stderr: line.stream == "stderr",
            at_ns,
            bytes: Bytes::copy_from_slice(line.log.as_bytes()),
            is_after_gap: std::mem::take(&mut self.is_after_gap),
        })
    }
}

/// All files of a log, the newest first.
fn files(path: &Path) -> io::Result<Vec<(File, u64)>> {
    let mut files: Vec<(File, u64)> = Vec::new();
    for number in 0.. {
        let Some(file) = open(path, number)? else { break };
        // Moved aside while it was looked for.
        if files.iter().all(|known| known.1 != file.1) {
            files.push(file);
        }
    }
    Ok(files)
}

// === impl Place ===

impl Place {
    /// How much is written after this place. All that is there if the file that was read is gone.
    pub(super) fn unread(&self) -> io::Result<u64> {
        let (inode, read) = *self.at.lock();
        let mut unread = 0;
        for number in 0.. {
            let Some((file, found)) = open(&self.path, number)? else { break };
            let written = file.metadata()?.len();
            if found == inode {
                return Ok(unread + written.saturating_sub(read));
            }
            unread += written;
        }
        Ok(unread)
    }
}

/// The file after the one with this inode, and whether that one is still there; none when it is the newest. Looked for from the
/// newest on: what is moved aside meanwhile is met twice and never missed.
fn files_until(path: &Path, inode: u64) -> io::Result<Option<(bool, (File, u64))>> {
    let mut next = None;
    for number in 0.. {
        match open(path, number)? {
            Some(file) if file.1 == inode => return Ok(next.map(|next| (true, next))),
            Some(file) => next = Some(file),
            None => break,
        }
    }
    Ok(next.map(|next| (false, next)))
}

fn open(path: &Path, number: u32) -> io::Result<Option<(File, u64)>> {
    let name = match number {
        0 => path.to_owned(),
        number => PathBuf::from(format!("{}.{number}", path.display())),
    };
    match File::open(name) {
        Ok(file) => {
            let inode = file.metadata()?.ino();
            Ok(Some((file, inode)))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn written_ns(file: &File) -> Option<i64> {
    let written = file.metadata().ok()?.modified().ok()?.duration_since(UNIX_EPOCH).ok()?;
    i64::try_from(written.as_nanos()).ok()
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Write as _;

    use super::*;

    /// A log as Docker keeps it, of at most three files.
    struct Docker {
        dir: tempfile::TempDir,
    }

    impl Docker {
        fn path(&self, number: u32) -> PathBuf {
            let suffix = if number == 0 { String::new() } else { format!(".{number}") };
            self.dir.path().join(format!("c-json.log{suffix}"))
        }

        fn write(&self, second: u32, text: &str) {
            let line =
                format!(r#"{{"log":"{text}\n","stream":"stdout","time":"2026-11-21T20:00:{second:02}.5Z"}}"#);
            let file = fs::OpenOptions::new().create(true).append(true).open(self.path(0));
            writeln!(file.unwrap(), "{line}").unwrap();
        }

        fn rotate(&self) {
            let _ = fs::remove_file(self.path(2));
            let _ = fs::rename(self.path(1), self.path(2));
            fs::rename(self.path(0), self.path(1)).unwrap();
            fs::write(self.path(0), "").unwrap();
        }
    }

    fn read(file: &mut LogFile) -> Vec<(String, bool)> {
        let records = file.read().unwrap();
        let text = |record: &LogRecord| String::from_utf8_lossy(&record.bytes).trim_end().to_owned();
        records.iter().map(|record| (text(record), record.is_after_gap)).collect()
    }

    fn whole(texts: &[&str]) -> Vec<(String, bool)> {
        texts.iter().map(|text| ((*text).to_owned(), false)).collect()
    }

    #[test]
    fn a_reader_follows_from_file_to_file_and_misses_nothing_that_is_there() {
        let docker = Docker { dir: tempfile::tempdir().unwrap() };
        docker.write(1, "one");
        let mut file = LogFile::open(&docker.path(0), 0).unwrap();
        assert_eq!(read(&mut file), whole(&["one"]));
        assert_eq!(read(&mut file), []);
        docker.write(2, "two");
        docker.rotate();
        docker.write(3, "three");
        docker.rotate();
        docker.write(4, "four");
        assert_eq!(read(&mut file), whole(&["two", "three", "four"]));
    }

    #[test]
    fn what_is_not_read_is_told_over_all_files() {
        let docker = Docker { dir: tempfile::tempdir().unwrap() };
        docker.write(1, "one");
        let mut file = LogFile::open(&docker.path(0), 0).unwrap();
        let (place, line) = (file.place(), fs::metadata(docker.path(0)).unwrap().len());
        assert_eq!(place.unread().unwrap(), line);
        assert_eq!(read(&mut file), whole(&["one"]));
        assert_eq!(place.unread().unwrap(), 0);
        docker.write(2, "two");
        docker.rotate();
        docker.write(3, "333");
        docker.write(4, "444");
        assert_eq!(place.unread().unwrap(), 3 * line);
        assert_eq!(read(&mut file).len(), 3);
        assert_eq!(place.unread().unwrap(), 0);
        let config = |pairs: &[(&str, &str)]| {
            pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
        };
        assert_eq!(most_bytes(&config(&[("max-size", "2m"), ("max-file", "3")])), Some(6 << 20));
        assert_eq!(most_bytes(&config(&[])), None);
    }

    #[test]
    fn files_that_went_before_they_were_read_are_noticed() {
        let docker = Docker { dir: tempfile::tempdir().unwrap() };
        docker.write(1, "one");
        let mut file = LogFile::open(&docker.path(0), 0).unwrap();
        assert_eq!(read(&mut file), whole(&["one"]));
        for second in 2..=6 {
            docker.rotate();
            docker.write(second, &format!("{second}"));
        }
        let read = read(&mut file);
        assert_eq!(read, [("4".to_owned(), true), ("5".to_owned(), false), ("6".to_owned(), false)]);
    }

    #[test]
    fn a_reader_that_comes_back_begins_where_it_was() {
        let docker = Docker { dir: tempfile::tempdir().unwrap() };
        docker.write(1, "one");
        docker.rotate();
        docker.write(2, "two");
        let since = unix_ns("2026-11-21T20:00:02Z").unwrap();
        assert_eq!(read(&mut LogFile::open(&docker.path(0), since).unwrap()), whole(&["two"]));
        assert_eq!(read(&mut LogFile::open(&docker.path(0), 0).unwrap()), whole(&["one", "two"]));
    }
}
