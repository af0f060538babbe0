//! The boundary for files: what the HTTP service asks of the world that has them.
//!
//! Linux opens beneath a root and keeps a table of descriptors and a cache, the simulator pretends, firmware reads
//! flash. The core sees numbers: a file is open from [`Files::open`] until [`Files::release`], which is called exactly
//! once for each. Every call returns at once; a world whose storage may block has to hide that.

use crate::http::mime::Kind;

/// What a request asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ask<'a> {
    /// The listener, in the order they were added: each may have its own root.
    pub listener: usize,
    /// Relative, UTF-8, `/` between names; no name is empty, begins with a dot, or holds a backslash or a control
    /// byte. A slash at the end never comes without an index name behind it, so it is never empty.
    pub path: &'a [u8],
    /// A precompressed sibling may be opened instead.
    pub gzip: bool,
    /// Monotonic, for a cache to judge by.
    pub now_ms: u64,
}

/// A regular file, open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct File {
    /// The world's name for it while it is open.
    pub id: u32,
    pub len: u64,
    /// Seconds since 1970; anything below 1 is "not known".
    pub modified_s: i64,
    /// Another number whenever the bytes may be others: its `ETag`. Best mixed from inode, size and nanoseconds.
    pub version: u64,
    /// [`Kind::of`] the path that was asked for: found once, and kept with the file.
    pub kind: Kind,
    /// These are the bytes of the sibling.
    pub gzip: bool,
    /// There is a sibling: caches have to be told that the answer depends on who asks.
    pub varies: bool,
    /// [`Net::send_file`](crate::net::Net::send_file) knows this id; if not, [`Files::read`] is all there is.
    pub by_net: bool,
}

/// What a path names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opened {
    File(File),
    /// Nothing is open.
    Directory,
}

/// Why nothing was opened; each is answered differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpenError {
    /// 404: nothing there, or nothing that is served.
    NotFound,
    /// 403: there, and not to be read.
    Forbidden,
    /// 503: all places for open files are taken, or descriptors ran out.
    Full,
    /// 500: the storage failed.
    Failed,
}

/// The storage failed, or the file ended before its length: the reply cannot be finished.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReadError;

/// Files that can be served.
pub trait Files {
    fn open(&mut self, ask: Ask<'_>) -> Result<Opened, OpenError>;
    /// Reads up to `into.len()` bytes (never none) from an offset inside the length that was told; `Ok(0)` is as an
    /// error.
    fn read(&mut self, id: u32, offset: u64, into: &mut [u8]) -> Result<usize, ReadError>;
    fn release(&mut self, id: u32);
}

/// No files at all, for a server that has only routes.
impl Files for () {
    fn open(&mut self, _: Ask<'_>) -> Result<Opened, OpenError> {
        Err(OpenError::NotFound)
    }

    fn read(&mut self, _: u32, _: u64, _: &mut [u8]) -> Result<usize, ReadError> {
        Err(ReadError)
    }

    fn release(&mut self, _: u32) {}
}
