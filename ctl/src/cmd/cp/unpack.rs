//! A tar archive from a container, unpacked here. What is in it is not trusted: nothing is written outside of where it
//! belongs, and no link that leads out is made.

use std::io::{self, Read};
use std::path::{Component, Path, PathBuf};

use tar::{Archive, EntryType};
use tokio::sync::mpsc;

use crate::failure::{Failure, OrUsage as _};

/// What comes, piece by piece.
type Chunks = mpsc::Receiver<io::Result<Vec<u8>>>;

/// Reads what comes, and waits for it.
struct Reader {
    chunks: Chunks,
    rest: io::Cursor<Vec<u8>>,
}

/// Unpacks into a directory that is there, or as what has this name; what was left out.
pub(super) fn unpack(chunks: Chunks, local: &Path) -> Result<Vec<PathBuf>, Failure> {
    let reader = Reader { chunks, rest: io::Cursor::default() };
    write(reader, local).or_usage(|| format!("writing {}", local.display()))
}

fn write(reader: Reader, local: &Path) -> io::Result<Vec<PathBuf>> {
    if local.is_dir() {
        return entries(reader, local).map(|(_, left_out)| left_out);
    }
    let parent =
        local.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."));
    // Under another name than it has in the archive: it appears there once it is whole.
    let draft = tempfile::Builder::new().prefix(".berth-cp").tempdir_in(parent)?;
    let (top, left_out) = entries(reader, draft.path())?;
    let top = top.ok_or_else(|| io::Error::new(io::ErrorKind::UnexpectedEof, "the archive is empty"))?;
    std::fs::rename(draft.path().join(top), local)?;
    Ok(left_out)
}

/// Unpacks all entries; the first component of their paths, and what was left out.
fn entries(reader: Reader, root: &Path) -> io::Result<(Option<PathBuf>, Vec<PathBuf>)> {
    let mut archive = Archive::new(reader);
    archive.set_preserve_permissions(true);
    archive.set_overwrite(true);
    let (mut top, mut left_out, mut directories) = (None, Vec::new(), Vec::new());
    for entry in archive.entries()? {
        let mut entry = entry?;
        let path = entry.path()?.into_owned();
        top = top.or_else(|| path.components().next().map(|first| PathBuf::from(first.as_os_str())));
        match entry.header().entry_type() {
            // Last, because one may not be writable.
            EntryType::Directory => directories.push(entry),
            EntryType::Symlink if leads_out(&path, entry.link_name()?.as_deref()) => left_out.push(path),
            EntryType::Regular
            | EntryType::Continuous
            | EntryType::GNUSparse
            | EntryType::Symlink
            | EntryType::Link => {
                if !entry.unpack_in(root)? {
                    left_out.push(path);
                }
            }
            _ => left_out.push(path),
        }
    }
    directories.sort_by(|one, other| other.path_bytes().cmp(&one.path_bytes()));
    for mut directory in directories {
        directory.unpack_in(root)?;
    }
    Ok((top, left_out))
}

/// Whether a link leads to somewhere outside of what is copied.
fn leads_out(link: &Path, target: Option<&Path>) -> bool {
    let Some(target) = target else { return true };
    let mut depth = 0_usize;
    let within = link.parent().unwrap_or_else(|| Path::new("")).join(target);
    for component in within.components() {
        match component {
            Component::Normal(_) => depth += 1,
            Component::CurDir => {}
            // Above its first directory it is outside.
            Component::ParentDir if depth > 1 => depth -= 1,
            Component::ParentDir | Component::RootDir | Component::Prefix(_) => return true,
        }
    }
    false
}

impl Read for Reader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let length = self.rest.read(buffer)?;
            if length > 0 || buffer.is_empty() {
                return Ok(length);
            }
            match self.chunks.blocking_recv() {
                Some(chunk) => self.rest = io::Cursor::new(chunk?),
                None => return Ok(0),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn archive(fill: impl FnOnce(&mut tar::Builder<Vec<u8>>)) -> Chunks {
        let mut builder = tar::Builder::new(Vec::new());
        fill(&mut builder);
        let bytes = builder.into_inner().unwrap();
        let (sender, chunks) = mpsc::channel(bytes.len() / 100 + 1);
        for piece in bytes.chunks(100) {
            sender.try_send(Ok(piece.to_vec())).unwrap();
        }
        chunks
    }

    fn file(builder: &mut tar::Builder<Vec<u8>>, path: &str, mode: u32) {
        let mut header = tar::Header::new_gnu();
        header.set_size(4);
        header.set_mode(mode);
        builder.append_data(&mut header, path, &b"text"[..]).unwrap();
    }

    fn link(builder: &mut tar::Builder<Vec<u8>>, path: &str, target: &str) {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(EntryType::Symlink);
        header.set_size(0);
        builder.append_link(&mut header, path, target).unwrap();
    }

    fn directory(builder: &mut tar::Builder<Vec<u8>>, path: &str, mode: u32) {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(EntryType::Directory);
        header.set_size(0);
        header.set_mode(mode);
        builder.append_data(&mut header, path, io::empty()).unwrap();
    }

    #[test]
    fn modes_and_links_arrive_and_what_leads_out_does_not() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let chunks = archive(|builder| {
            directory(builder, "top/", 0o750);
            file(builder, "top/run", 0o751);
            link(builder, "top/inside", "run");
            link(builder, "top/outside", "../../secret");
            link(builder, "top/root", "/etc/passwd");
            link(builder, "top/beside", "../other");
        });
        let left_out = unpack(chunks, folder.path()).unwrap();
        let mode = |path: &str| folder.path().join(path).metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!((mode("top"), mode("top/run"), mode("top/inside")), (0o750, 0o751, 0o751));
        assert_eq!(left_out, ["top/outside", "top/root", "top/beside"].map(PathBuf::from));
        assert!(!folder.path().join("top/outside").is_symlink());
    }

    #[test]
    fn nothing_is_written_through_a_link_that_was_there() {
        let (folder, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        std::os::unix::fs::symlink(elsewhere.path(), folder.path().join("top")).unwrap();
        let chunks = archive(|builder| file(builder, "top/run", 0o644));
        assert!(unpack(chunks, folder.path()).is_err());
        assert!(!elsewhere.path().join("run").exists());
    }

    #[test]
    fn under_another_name_it_appears_whole_or_not_at_all() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("renamed");
        unpack(archive(|builder| file(builder, "top", 0o644)), &target).unwrap();
        assert_eq!(std::fs::read(&target).unwrap(), b"text");
        let (sender, chunks) = mpsc::channel(2);
        sender.try_send(Err(io::ErrorKind::UnexpectedEof.into())).unwrap();
        assert!(unpack(chunks, &folder.path().join("half")).is_err());
        let left: Vec<_> =
            std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(left, ["renamed"]);
    }
}
