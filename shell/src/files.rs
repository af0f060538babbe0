//! The files of the HTTP service, as its [`Files`]: beneath each listener's root, through a cache of small ones.
//!
//! A path that was asked for within `CacheValid` is answered from memory, whatever it was found to be. Another is
//! opened beneath its root and looked at; only what has changed is read again. Small files are read whole and kept,
//! others stay open for as long as someone is sent them. A read of the disk may take as long as the disk does.

pub mod cache;
pub mod listing;
pub mod name;
pub mod open;

use std::ffi::CString;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt as _;
use std::rc::Rc;

use rustix::fs::{Stat, fstat};
use rustix::io::{Errno, pread};
use tidegate_core::files::{Ask, File, Files, OpenError, Opened, ReadError};
use tidegate_core::http::mime::Kind;

use crate::exit::{self, Failure};
use crate::log::{Severity, report};
use crate::os::beneath::{Beneath, Found, Refused};
use crate::os::clock;
use crate::settings::{Settings, Socket};
use cache::{Cache, Facts, What};
use name::{Key, Name, SIBLING};
use open::Open;

/// Marks the number of a file that is open, beside those in memory.
const IS_OPEN: u32 = 1 << 31;
/// A file that changed this shortly before it was read could change again and look the same: file systems keep times
/// no finer than 2 s (FAT), most no finer than a tick.
const YOUNG_S: i64 = 3;

/// One listener's files.
struct Site {
    /// Opened anew when what is known is too old: a new release may have taken the folder's name.
    root: Option<Beneath>,
    path: CString,
    opened_ms: u64,
    valid_ms: u64,
    /// With a listing, the name that stands for it.
    listing: Option<Vec<u8>>,
}

impl Site {
    fn of(socket: &Socket) -> Option<Self> {
        let path = socket.http.root.as_ref().filter(|_| socket.has_files())?;
        let mut site = Self {
            root: None,
            path: CString::new(path.as_os_str().as_bytes()).ok()?,
            opened_ms: 0,
            valid_ms: socket.http.cache_valid_ms,
            listing: socket.http.listing.then(|| socket.http.index.clone().into_bytes()),
        };
        // Now, so that what is missing is told at the start; it may still come.
        let _ = site.root(0);
        Some(site)
    }

    /// The root as it is now. One that cannot be opened, a disk that was pulled out, has nothing in it.
    fn root(&mut self, now_ms: u64) -> Result<&Beneath, Refused> {
        if self.root.is_none() || now_ms.saturating_sub(self.opened_ms) >= self.valid_ms {
            self.opened_ms = now_ms;
            self.root = match Beneath::open(self.path.as_c_str()) {
                Ok(root) => Some(root),
                Err(errno) => {
                    let path = self.path.to_string_lossy();
                    report(Severity::Error, Some(errno), format_args!("cannot open {path} ([Socket] Root)"));
                    None
                }
            };
        }
        self.root.as_ref().ok_or(Refused::Missing)
    }
}

/// The files of all listeners of a worker.
pub struct Disk {
    sites: Vec<Option<Site>>,
    cache: Cache,
    open: Rc<Open>,
    /// The largest file that is kept in memory.
    cached_max: u64,
    name: Name,
    listing: &'static mut [u8],
}

/// A file that was opened and looked at.
struct Fresh {
    file: OwnedFd,
    stat: Stat,
    version: u64,
}

impl Disk {
    /// `open` is shared with the network, which sends from it.
    pub fn new(settings: &Settings, cache: cache::Lent, listing: &'static mut [u8], open: Rc<Open>) -> Self {
        let cache = Cache::new(cache);
        let cached_max = cache.bytes_max().min(settings.memory.cached_file_bytes as usize) as u64;
        let sites = settings.sockets.iter().map(Site::of).collect();
        Self { sites, cache, open, cached_max, name: Name::default(), listing }
    }

    /// What is remembered of a path, if that is young enough.
    #[inline]
    fn known(&mut self, key: Option<Key<'_>>, ask: &Ask<'_>, valid_ms: u64) -> Option<usize> {
        let at = self.cache.find(key?)?;
        (ask.now_ms.saturating_sub(self.cache.entry(at).checked_ms) < valid_ms).then_some(at)
    }

    /// The answer from memory. `None` where the sibling that is wanted has to be looked for.
    #[inline]
    fn answer(&mut self, at: usize, ask: &Ask<'_>) -> Option<Result<Opened, OpenError>> {
        let entry = self.cache.entry(at);
        Some(match entry.what {
            What::File if ask.gzip && entry.facts.sibling => return None,
            What::File => Ok(Opened::File(self.lend(at, false))),
            What::Folder => Ok(Opened::Directory),
            What::Forbidden => Err(OpenError::Forbidden),
            What::Missing | What::Free | What::Left => Err(OpenError::NotFound),
        })
    }

    /// A file in memory, held until it is released.
    #[inline]
    fn lend(&mut self, at: usize, is_sibling: bool) -> File {
        self.cache.hold(at);
        let Facts { len, modified_s, version, sibling, kind, .. } = self.cache.entry(at).facts;
        let varies = sibling || is_sibling;
        File { id: at as u32, len: len.into(), modified_s, version, kind, gzip: is_sibling, varies, by_net: false }
    }

    /// The sibling from memory.
    #[inline(never)]
    fn known_sibling(&mut self, key: Option<Key<'_>>, ask: &Ask<'_>, valid_ms: u64) -> Option<File> {
        let at = self.known(key.map(Key::sibling), ask, valid_ms)?;
        (self.cache.entry(at).what == What::File).then(|| self.lend(at, true))
    }

    /// Asks the disk.
    #[cold]
    fn look(&mut self, key: Option<Key<'_>>, ask: &Ask<'_>) -> Result<Opened, OpenError> {
        let found = self.find(ask, b"");
        let fresh = match found {
            Ok(Some(fresh)) => fresh,
            Ok(None) => return self.none(key, What::Folder, ask),
            Err(Refused::Missing) => {
                return match self.list(key, ask) {
                    Some(file) => Ok(Opened::File(file)),
                    None => self.none(key, What::Missing, ask),
                };
            }
            Err(Refused::Forbidden) => return self.none(key, What::Forbidden, ask),
            Err(Refused::NoRoom(errno)) => return Err(failed(errno)),
        };
        let sibling = self.sibling(ask, fresh.stat.st_mtime);
        let has_sibling = sibling.is_some();
        let kept = self.keep(key, &fresh, has_sibling, ask);
        if let (true, Some(sibling)) = (ask.gzip, sibling) {
            return match self.keep(key.map(Key::sibling), &sibling, false, ask) {
                Some(at) => Ok(Opened::File(self.lend(at, true))),
                None => self.hand_out(sibling, ask, true, true),
            };
        }
        match kept {
            Some(at) => Ok(Opened::File(self.lend(at, false))),
            None => self.hand_out(fresh, ask, false, has_sibling),
        }
    }

    /// Opens what a path, with this behind it, names; `None` is a folder.
    fn find(&mut self, ask: &Ask<'_>, end: &[u8]) -> Result<Option<Fresh>, Refused> {
        let site = self.sites.get_mut(ask.listener).and_then(Option::as_mut).ok_or(Refused::Missing)?;
        let name = self.name.set([ask.path, end]).ok_or(Refused::Missing)?;
        match site.root(ask.now_ms)?.find(name)? {
            Found::File(file, stat) => Ok(Some(Fresh { file, version: version(&stat), stat })),
            Found::Folder => Ok(None),
        }
    }

    /// The compressed sibling, unless it is older than what it should be the same as.
    fn sibling(&mut self, ask: &Ask<'_>, modified_s: i64) -> Option<Fresh> {
        if ask.path.ends_with(SIBLING) {
            return None;
        }
        self.find(ask, SIBLING).ok().flatten().filter(|sibling| sibling.stat.st_mtime >= modified_s)
    }

    fn none(&mut self, key: Option<Key<'_>>, what: What, ask: &Ask<'_>) -> Result<Opened, OpenError> {
        if let Some(key) = key {
            self.cache.insert_none(key, what, ask.now_ms);
        }
        match what {
            What::Folder => Ok(Opened::Directory),
            What::Forbidden => Err(OpenError::Forbidden),
            _ => Err(OpenError::NotFound),
        }
    }

    /// Takes a small file into memory, or finds that it is there as it is.
    fn keep(&mut self, key: Option<Key<'_>>, fresh: &Fresh, sibling: bool, ask: &Ask<'_>) -> Option<usize> {
        let key = key?;
        if fresh.stat.st_size as u64 > self.cached_max {
            self.cache.forget(key);
            return None;
        }
        if let Some(at) = self.cache.find(key) {
            let entry = self.cache.entry(at);
            if entry.what == What::File && entry.facts.version == fresh.version && !entry.facts.young {
                self.cache.confirm(at, sibling, ask.now_ms);
                return Some(at);
            }
        }
        let changed_s = fresh.stat.st_mtime.max(fresh.stat.st_ctime);
        let facts = Facts {
            len: fresh.stat.st_size as u32,
            modified_s: fresh.stat.st_mtime,
            version: fresh.version,
            young: clock::unix_s().saturating_sub(changed_s) < YOUNG_S,
            sibling,
            kind: Kind::of(ask.path),
        };
        self.cache.insert(key, facts, ask.now_ms, |into| {
            // Looked at again: it may have been written to while it was read.
            read_whole(&fresh.file, into) && fstat(&fresh.file).is_ok_and(|stat| version(&stat) == fresh.version)
        })
    }

    /// Keeps a file open for its reader.
    fn hand_out(&mut self, fresh: Fresh, ask: &Ask<'_>, gzip: bool, varies: bool) -> Result<Opened, OpenError> {
        let Fresh { file, stat, version } = fresh;
        let at = self.open.keep(file, version).ok_or(OpenError::Full)?;
        let id = at as u32 | IS_OPEN;
        Ok(Opened::File(File {
            id,
            len: stat.st_size as u64,
            modified_s: stat.st_mtime,
            version,
            kind: Kind::of(ask.path),
            gzip,
            varies,
            by_net: true,
        }))
    }

    #[cold]
    fn read_open(&mut self, place: usize, offset: u64, into: &mut [u8]) -> Result<usize, ReadError> {
        self.open.with(place, |file| pread(file, into, offset)).and_then(Result::ok).ok_or(ReadError)
    }

    #[cold]
    fn release_open(&mut self, place: usize) {
        self.open.release(place);
    }

    /// A page of the names in a folder, for the name that would stand for it.
    fn list(&mut self, key: Option<Key<'_>>, ask: &Ask<'_>) -> Option<File> {
        let site = self.sites.get_mut(ask.listener).and_then(Option::as_mut)?;
        let folder =
            ask.path.strip_suffix(site.listing.as_deref()?).filter(|path| path.is_empty() || path.ends_with(b"/"))?;
        let file = site.root(ask.now_ms).ok()?.find_folder(self.name.set([folder, b""])?).ok()?;
        let stat = fstat(&file).ok()?;
        let page = listing::write(&file, folder, self.listing)?;
        let facts = Facts {
            len: page.len() as u32,
            modified_s: stat.st_mtime,
            version: version(&stat),
            young: true,
            sibling: false,
            kind: Kind::of(ask.path),
        };
        let at = self.cache.insert(key?, facts, ask.now_ms, |into| {
            into.copy_from_slice(page);
            true
        })?;
        Some(self.lend(at, false))
    }
}

/// Whether all roots are there and all listings can be made.
pub fn check(settings: &Settings, name: &str) -> Result<(), Failure> {
    for socket in settings.sockets.iter().filter(|socket| socket.has_files()) {
        let section = socket.section();
        let refused = |what: String| Err(Failure::new(exit::CONFIG, format!("{name}: {section} {what}")));
        if let Some(root) = &socket.http.root
            && let Err(errno) = Beneath::open(root.as_path())
        {
            let shown = root.display();
            return Err(Failure::of_errno(
                exit::CONFIG,
                format_args!("{name}: {section} Root = {shown} cannot be opened"),
                errno,
            ));
        }
        let is_page = [".html", ".htm"].iter().any(|end| socket.http.index.ends_with(end));
        if socket.http.listing && !is_page {
            return refused("Listing needs an Index that ends in .html: the list stands for it".to_string());
        }
        if socket.http.listing && settings.memory.file_cache_bytes == 0 {
            return refused("Listing needs [Memory] FileCache: lists are kept there".to_string());
        }
    }
    Ok(())
}

impl Files for Disk {
    #[inline(always)]
    fn open(&mut self, ask: Ask<'_>) -> Result<Opened, OpenError> {
        let Some(site) = self.sites.get(ask.listener).and_then(Option::as_ref) else { return Err(OpenError::NotFound) };
        let valid_ms = site.valid_ms;
        let key = Key::of(ask.listener, ask.path);
        if let Some(at) = self.known(key, &ask, valid_ms) {
            if let Some(answer) = self.answer(at, &ask) {
                return answer;
            }
            if let Some(file) = self.known_sibling(key, &ask, valid_ms) {
                return Ok(Opened::File(file));
            }
        }
        self.look(key, &ask)
    }

    #[inline]
    fn read(&mut self, id: u32, offset: u64, into: &mut [u8]) -> Result<usize, ReadError> {
        if let Some(place) = open_place(id) {
            return self.read_open(place, offset, into);
        }
        let rest = usize::try_from(offset).ok().and_then(|offset| self.cache.bytes(id as usize).get(offset..));
        let rest = rest.ok_or(ReadError)?;
        let n = rest.len().min(into.len());
        into[..n].copy_from_slice(&rest[..n]);
        Ok(n)
    }

    #[inline]
    fn release(&mut self, id: u32) {
        match open_place(id) {
            None => self.cache.release(id as usize),
            Some(place) => self.release_open(place),
        }
    }
}

/// The place of a file that is open, by the number it was handed out under.
#[inline]
pub fn open_place(id: u32) -> Option<usize> {
    (id & IS_OPEN != 0).then_some((id & !IS_OPEN) as usize)
}

fn failed(errno: Errno) -> OpenError {
    match errno {
        Errno::MFILE | Errno::NFILE | Errno::NOMEM => OpenError::Full,
        errno => {
            report(Severity::Error, Some(errno), format_args!("a file cannot be opened"));
            OpenError::Failed
        }
    }
}

/// All bytes of a file of this length; `false` if it is shorter.
fn read_whole(file: &OwnedFd, into: &mut [u8]) -> bool {
    let mut at = 0;
    while at < into.len() {
        match pread(file, &mut into[at..], at as u64) {
            Ok(0) => return false,
            Ok(n) => at += n,
            Err(Errno::INTR) => {}
            Err(_) => return false,
        }
    }
    true
}

/// A number that is another whenever the bytes may be others: from which file it is, its length and its times. The time
/// of the last change of any kind is among them, because a program may set back the others.
#[allow(clippy::unnecessary_cast, reason = "the types of these differ from architecture to architecture")]
fn version(stat: &Stat) -> u64 {
    let parts = [
        stat.st_dev as u64,
        stat.st_ino as u64,
        stat.st_size as u64,
        stat.st_mtime as u64,
        stat.st_mtime_nsec as u64,
        stat.st_ctime as u64,
        stat.st_ctime_nsec as u64,
    ];
    parts.iter().fold(0x9e37_79b9_7f4a_7c15, |mixed: u64, part| {
        let mixed = (mixed ^ part).wrapping_mul(0xd6e8_feb8_6659_fd93);
        mixed ^ mixed >> 32
    })
}
