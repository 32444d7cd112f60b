//! The journal: a file of one line for each write, in order, for the time in which the database does
//! not take them.
//!
//! A line is a checksum, the write's number and its JSON. The first line names the process that wrote
//! the file. A last line that is torn was never confirmed to anybody and is left out. The file is
//! locked as long as its process lives; whoever gets the lock of another one's file may replay it.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, BufRead as _, BufReader, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use gw_core::{Error, Kind, Result, limits};
use serde::{Deserialize, Serialize};

use crate::options::{Durability, JournalOptions};
use crate::transaction::{Author, Body, Write};

/// How journals end.
const ENDING: &str = "journal";

/// Longest line that is read, in bytes.
const LINE_BYTES_MAX: u64 = 256 * 1024 * 1024;

/// A record of usual size, in bytes.
const USUAL_BYTES: u64 = 4 * 1024;

/// The form of the lines.
const VERSION: u32 = 1;

#[derive(Serialize, Deserialize)]
struct Head {
    journal: u32,
    author: Author,
}

/// This process's own journal.
pub(crate) struct Journal {
    path: PathBuf,
    file: File,
    bytes_max: u64,
    durability: Durability,
    head_bytes: u64,
    /// Where the next line goes.
    end: u64,
    /// Everything before this is in the database.
    replayed: u64,
    /// Writes between the two.
    waiting: u64,
    /// True where something may stand behind `end`.
    is_torn: bool,
}

impl Journal {
    /// Makes the file, locked.
    ///
    /// # Errors
    /// [`Kind::StoreUnavailable`]: the folder cannot be made or written.
    pub(crate) fn create(options: &JournalOptions, author: &Author) -> Result<Self> {
        Self::try_create(options, author).map_err(|error| {
            let folder = options.folder.display();
            let message = format!("the journal's folder `{folder}` cannot be written ({error})");
            Error::new(Kind::StoreUnavailable, message)
                .with_hint("let the gateway's user write it, or name another in store.journal_path")
                .with_source(error)
        })
    }

    fn try_create(options: &JournalOptions, author: &Author) -> io::Result<Self> {
        make_folder(&options.folder)?;
        let path = options.folder.join(format!("{}.{ENDING}", author.id));
        // Under its name only once it is locked, so that nobody takes it for a dead one's.
        let unnamed = options.folder.join(format!("{}.new", author.id));
        let mut file = own_file(&unnamed)?;
        file.try_lock()?;
        let head = line(0, &Head { journal: VERSION, author: author.clone() })?;
        file.write_all(head.as_bytes())?;
        fs::rename(&unnamed, &path)?;
        let head_bytes = head.len() as u64;
        Ok(Self {
            path,
            file,
            bytes_max: options.bytes_max,
            durability: options.durability,
            head_bytes,
            end: head_bytes,
            replayed: head_bytes,
            waiting: 0,
            is_torn: false,
        })
    }

    /// True where it holds writes that the database does not.
    pub(crate) fn is_behind(&self) -> bool {
        self.replayed < self.end
    }

    /// Writes that wait for the database.
    pub(crate) fn waiting(&self) -> u64 {
        self.waiting
    }

    /// False where a record of usual size may be refused.
    pub(crate) fn has_room(&self) -> bool {
        self.end.saturating_add(USUAL_BYTES) <= self.bytes_max
    }

    /// Adds writes, all or none; they survive what the options say once this has returned.
    ///
    /// # Errors
    /// [`Kind::StoreUnavailable`]: it is full, or the disk refuses.
    pub(crate) fn append(&mut self, writes: &[Write]) -> Result<()> {
        let mut lines = String::new();
        for write in writes {
            let line = line(write.seq, &write.body).map_err(|error| self.refused(&error))?;
            lines.push_str(&line);
        }
        let bytes = lines.len() as u64;
        if self.end.saturating_add(bytes) > self.bytes_max {
            let message = format!(
                "PostgreSQL is away and the journal `{}` is full ({} bytes)",
                self.path.display(),
                self.bytes_max
            );
            return Err(Error::new(Kind::StoreUnavailable, message)
                .with_hint("bring the database back, or raise store.journal_megabytes_max"));
        }
        self.try_append(lines.as_bytes()).map_err(|error| self.refused(&error))?;
        self.end += bytes;
        self.waiting += writes.len() as u64;
        Ok(())
    }

    fn try_append(&mut self, lines: &[u8]) -> io::Result<()> {
        if self.is_torn {
            self.file.set_len(self.end)?;
        }
        self.is_torn = true;
        self.file.write_all(lines)?;
        if self.durability == Durability::Fsync {
            self.file.sync_data()?;
        }
        self.is_torn = false;
        Ok(())
    }

    fn refused(&self, error: &io::Error) -> Error {
        let message = format!("the journal `{}` cannot be written ({error})", self.path.display());
        Error::new(Kind::StoreUnavailable, message)
            .with_hint("free space on its disk, or name another folder in store.journal_path")
    }

    /// Where to go on replaying.
    pub(crate) fn unreplayed(&self) -> Option<Span> {
        self.is_behind().then(|| Span {
            path: self.path.clone(),
            from: self.replayed,
            end: self.end,
        })
    }

    /// Notes that everything before `to` is in the database; true where nothing is left. The file is
    /// then cut back.
    pub(crate) fn replayed(&mut self, to: u64, writes: u64) -> bool {
        self.replayed = to;
        self.waiting = self.waiting.saturating_sub(writes);
        if self.is_behind() {
            return false;
        }
        // What stays behind would be replayed and known by its numbers.
        if let Err(error) = self.file.set_len(self.head_bytes) {
            tracing::warn!(path = %self.path.display(), %error, "the journal cannot be cut back");
        } else {
            self.end = self.head_bytes;
            self.replayed = self.head_bytes;
        }
        self.waiting = 0;
        true
    }

    /// Confirms everything to the disk.
    pub(crate) fn sync(&self) -> Result<()> {
        if !self.is_behind() {
            return Ok(());
        }
        self.file.sync_data().map_err(|error| self.refused(&error))
    }

    /// Removes the file where nothing is in it; else it stays for whoever starts next.
    pub(crate) fn end(&self) {
        if !self.is_behind() {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// A part of a journal.
#[derive(Clone, Debug)]
pub(crate) struct Span {
    pub(crate) path: PathBuf,
    pub(crate) from: u64,
    pub(crate) end: u64,
}

/// What stands in a part of a journal.
#[derive(Debug, Default)]
pub(crate) struct Chunk {
    pub(crate) writes: Vec<Write>,
    /// Where to go on.
    pub(crate) next: u64,
    /// Whole lines that cannot be read.
    pub(crate) damaged: u64,
}

/// Reads as many writes as one transaction takes.
///
/// # Errors
/// The disk's.
pub(crate) fn read(span: &Span) -> io::Result<Chunk> {
    let mut file = File::open(&span.path)?;
    file.seek(SeekFrom::Start(span.from))?;
    let mut file = BufReader::new(file.take(span.end.saturating_sub(span.from)));
    let mut chunk = Chunk { next: span.from, ..Chunk::default() };
    let mut weight = 0;
    let mut text = Vec::new();
    while chunk.writes.len() < limits::STORE_BATCH_MAX && weight < limits::STORE_BATCH_BYTES_MAX {
        text.clear();
        let bytes = (&mut file).take(LINE_BYTES_MAX).read_until(b'\n', &mut text)?;
        if bytes == 0 {
            break;
        }
        chunk.next += bytes as u64;
        let is_torn = text.pop_if(|last| *last == b'\n').is_none();
        match parse::<Body>(&text) {
            Some((seq, body)) => {
                weight += body.weight();
                chunk.writes.push(Write { seq, body });
            }
            // The end of a process that died while it wrote: nobody was told that this is kept.
            None if is_torn && chunk.next >= span.end => {}
            None => chunk.damaged += 1,
        }
    }
    Ok(chunk)
}

/// The journals that dead processes left in the folder, locked for this one.
pub(crate) fn left_behind(folder: &Path) -> io::Result<Vec<Orphan>> {
    let mut orphans = Vec::new();
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(orphans),
        entries => entries?,
    };
    for entry in entries {
        let path = entry?.path();
        if path.extension().is_some_and(|ending| ending == ENDING)
            && let Some(orphan) = Orphan::take(path)?
        {
            orphans.push(orphan);
        }
    }
    // The oldest first, as the ids sort by time.
    orphans.sort_by(|a, b| a.span.path.cmp(&b.span.path));
    Ok(orphans)
}

/// A dead process's journal.
#[derive(Debug)]
pub(crate) struct Orphan {
    /// Holds the lock.
    _file: File,
    pub(crate) author: Author,
    pub(crate) span: Span,
}

impl Orphan {
    fn take(path: PathBuf) -> io::Result<Option<Self>> {
        let file = match File::open(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            file => file?,
        };
        match file.try_lock() {
            Err(TryLockError::WouldBlock) => return Ok(None),
            locked => locked?,
        }
        // Another one may have replayed and removed it before the lock was ours.
        if !path.exists() {
            return Ok(None);
        }
        let end = file.metadata()?.len();
        let mut head = Vec::new();
        BufReader::new(&file).take(64 * 1024).read_until(b'\n', &mut head)?;
        let from = head.len() as u64;
        head.pop_if(|last| *last == b'\n');
        let Some((0, head)) = parse::<Head>(&head) else {
            tracing::error!(path = %path.display(), "not a journal, or its first line is damaged; left as it is");
            return Ok(None);
        };
        if head.journal != VERSION {
            tracing::error!(path = %path.display(), version = head.journal, "a journal of another version; left as it is");
            return Ok(None);
        }
        Ok(Some(Self { _file: file, author: head.author, span: Span { path, from, end } }))
    }

    /// Removes it; one with damaged lines is only renamed, for people to look at.
    pub(crate) fn done(self, damaged: u64) -> io::Result<()> {
        let path = &self.span.path;
        if damaged == 0 {
            return fs::remove_file(path);
        }
        tracing::error!(path = %path.display(), damaged, "a journal has lines that cannot be read; it is kept");
        fs::rename(path, path.with_extension("damaged"))
    }
}

/// Keeps a write that the database will never take, for people to look at.
///
/// # Errors
/// The disk's.
pub(crate) fn keep_refused(folder: &Path, author: &Author, write: &Write) -> io::Result<()> {
    let path = folder.join(format!("{}.refused", author.id));
    own_file(&path)?.write_all(line(write.seq, &write.body)?.as_bytes())
}

fn line(seq: i64, body: &impl Serialize) -> io::Result<String> {
    let text = format!("{seq} {}", serde_json::to_string(body)?);
    Ok(format!("{} {text}\n", checksum(&text)))
}

fn parse<T: for<'de> Deserialize<'de>>(line: &[u8]) -> Option<(i64, T)> {
    let (known, text) = str::from_utf8(line).ok()?.split_once(' ')?;
    if known != checksum(text) {
        return None;
    }
    let (seq, json) = text.split_once(' ')?;
    Some((seq.parse().ok()?, serde_json::from_str(json).ok()?))
}

fn checksum(text: &str) -> String {
    blake3::hash(text.as_bytes()).to_hex()[..16].to_owned()
}

/// Conversations are nobody else's business.
fn make_folder(folder: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

fn own_file(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.create(true).append(true).read(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}
