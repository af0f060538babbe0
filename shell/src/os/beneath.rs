//! Opening names beneath a directory, so that whatever a peer asks for and whatever links lie there, nothing outside
//! of the directory is ever opened.
//!
//! Linux 5.6 resolves the name itself (`openat2`, RESOLVE_BENEATH): links that stay beneath the root work, all others
//! are refused, and no rename in between can change that. Older kernels walk: each folder is opened without following
//! a link, from the one before it, so there links do not work at all. Neither looks first and opens then.

use core::cell::Cell;
use core::ffi::CStr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{self, FileType, Mode, OFlags, ResolveFlags, Stat};
use rustix::io::{self, Errno};
use rustix::path::Arg;

/// A folder on the way: opened only to go on from there, so it need not be readable.
const FOLDER: OFlags = OFlags::PATH.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);
/// What is served: never waits (a FIFO without a writer), never becomes our terminal.
const SERVED: OFlags = OFlags::RDONLY.union(OFlags::NONBLOCK).union(OFlags::NOCTTY).union(OFlags::CLOEXEC);
/// Links between devices' own files (`/proc/self/fd/3`) name what no path leads to.
const RESOLVE: ResolveFlags = ResolveFlags::BENEATH.union(ResolveFlags::NO_MAGICLINKS);
/// Tries while folders are renamed under a name with a link that leads upwards (`EAGAIN`).
const TRIES: usize = 8;
/// Bytes of one name in a folder, its end included: Linux's `NAME_MAX` and one.
const NAME_BYTES_MAX: usize = 256;

/// A directory that names are opened beneath.
#[derive(Debug)]
pub struct Beneath {
    root: OwnedFd,
    /// The kernel has no `openat2`, or someone forbids it.
    walks: Cell<bool>,
}

/// What a name led to.
#[derive(Debug)]
pub enum Found {
    /// A regular file, open for reading, and what it is now.
    File(OwnedFd, Stat),
    Folder,
}

/// Why nothing was opened; each is another answer to whoever asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// There is no such file, or it is not one that may be served.
    Missing,
    /// It leads out of the root, or its permissions keep us out.
    Forbidden,
    /// Descriptors or kernel memory ran out, or the disk failed.
    NoRoom(Errno),
}

impl Beneath {
    /// Opens the root. Links in its own path are followed: the operator wrote it.
    pub fn open(root: impl Arg) -> io::Result<Self> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let root = fs::open(root, flags, Mode::empty())?;
        Ok(Self { root, walks: Cell::new(false) })
    }

    /// Opens a name, relative and without a slash at its start. Only regular files and folders are found.
    pub fn find(&self, name: &CStr) -> Result<Found, Refused> {
        let file = self.open_name(name).map_err(refused)?;
        let stat = fs::fstat(&file).map_err(Refused::NoRoom)?;
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => Ok(Found::File(file, stat)),
            FileType::Directory => Ok(Found::Folder),
            _ => Err(Refused::Missing),
        }
    }

    /// Opens a folder to read the names in it.
    pub fn find_folder(&self, name: &CStr) -> Result<OwnedFd, Refused> {
        let file = self.open_name(name).map_err(refused)?;
        let stat = fs::fstat(&file).map_err(Refused::NoRoom)?;
        if FileType::from_raw_mode(stat.st_mode) == FileType::Directory { Ok(file) } else { Err(Refused::Missing) }
    }

    fn open_name(&self, name: &CStr) -> io::Result<OwnedFd> {
        for _ in 0..TRIES {
            if self.walks.get() {
                break;
            }
            match fs::openat2(&self.root, name, SERVED, Mode::empty(), RESOLVE) {
                Err(Errno::AGAIN | Errno::INTR) => {}
                // `EPERM` is how some containers say that they have not heard of it; plain reading never gives it.
                Err(Errno::NOSYS | Errno::PERM) => self.walks.set(true),
                answer => return answer,
            }
        }
        if self.walks.get() { walk(self.root.as_fd(), name.to_bytes()) } else { Err(Errno::NOENT) }
    }
}

/// Opens a name one folder at a time.
fn walk(root: BorrowedFd<'_>, name: &[u8]) -> io::Result<OwnedFd> {
    let mut folder: Option<OwnedFd> = None;
    let mut rest = name;
    loop {
        let here = folder.as_ref().map_or(root, AsFd::as_fd);
        match rest.iter().position(|byte| *byte == b'/') {
            Some(at) => {
                folder = Some(open_in(here, &rest[..at], FOLDER)?);
                rest = &rest[at + 1..];
            }
            // A slash at the end asks for the folder itself.
            None if (rest.is_empty() && folder.is_some()) || rest == b"." => {
                return open_in(here, b".", SERVED | OFlags::DIRECTORY);
            }
            None => return open_in(here, rest, SERVED | OFlags::NOFOLLOW),
        }
    }
}

fn open_in(folder: BorrowedFd<'_>, name: &[u8], flags: OFlags) -> io::Result<OwnedFd> {
    let mut text = [0; NAME_BYTES_MAX];
    // The last place stays the NUL that ends it.
    let room = text.get_mut(..name.len()).filter(|room| room.len() < NAME_BYTES_MAX).ok_or(Errno::NAMETOOLONG)?;
    room.copy_from_slice(name);
    let is_climbing = name == b".." || name.is_empty() || (name == b"." && !flags.contains(OFlags::DIRECTORY));
    match CStr::from_bytes_until_nul(&text) {
        Ok(name) if !is_climbing => fs::openat(folder, name, flags, Mode::empty()),
        _ => Err(Errno::XDEV),
    }
}

fn refused(errno: Errno) -> Refused {
    match errno {
        Errno::NOENT | Errno::NOTDIR | Errno::NAMETOOLONG | Errno::NXIO | Errno::NODEV => Refused::Missing,
        Errno::ACCESS | Errno::PERM | Errno::XDEV | Errno::LOOP => Refused::Forbidden,
        errno => Refused::NoRoom(errno),
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::CString;
    use std::fs::{create_dir_all, remove_dir_all, write};
    use std::io::Read as _;
    use std::os::unix::fs::{PermissionsExt as _, symlink};
    use std::path::PathBuf;

    use super::*;

    /// A root full of traps, and a secret beside it.
    struct Trapped {
        top: PathBuf,
        kernel: Beneath,
        walking: Beneath,
    }

    impl Trapped {
        fn new(name: &str) -> Self {
            let top = std::env::temp_dir().join(format!("tidegate-beneath-{}-{name}", std::process::id()));
            let _ = remove_dir_all(&top);
            let root = top.join("root");
            create_dir_all(root.join("sub/deep")).unwrap();
            create_dir_all(top.join("outside")).unwrap();
            write(top.join("secret"), "secret").unwrap();
            write(top.join("outside/secret"), "secret").unwrap();
            write(root.join("good"), "good").unwrap();
            write(root.join("sub/good"), "good").unwrap();
            let kernel = Beneath::open(root.as_path()).unwrap();
            let walking = Beneath::open(root.as_path()).unwrap();
            walking.walks.set(true);
            Self { top, kernel, walking }
        }

        fn link(&self, to: &str, at: &str) {
            symlink(to, self.top.join("root").join(at)).unwrap();
        }
    }

    impl Drop for Trapped {
        fn drop(&mut self) {
            let _ = remove_dir_all(&self.top);
        }
    }

    fn content(root: &Beneath, name: &str) -> Result<Option<String>, Refused> {
        match root.find(&CString::new(name).unwrap())? {
            Found::Folder => Ok(None),
            Found::File(file, stat) => {
                let mut text = String::new();
                std::fs::File::from(file).read_to_string(&mut text).unwrap();
                assert_eq!(stat.st_size as usize, text.len());
                Ok(Some(text))
            }
        }
    }

    #[test]
    fn files_and_folders_beneath_the_root_are_found_both_ways() {
        let trapped = Trapped::new("found");
        for root in [&trapped.kernel, &trapped.walking] {
            for name in ["good", "sub/good"] {
                assert_eq!(content(root, name), Ok(Some("good".into())), "{name}");
            }
            for name in ["sub", "sub/", "sub/deep", "sub/deep/"] {
                assert_eq!(content(root, name), Ok(None), "{name}");
            }
            for name in ["none", "sub/none", "none/good", "good/", "good/good", &"x".repeat(300), &"x/".repeat(300)] {
                assert_eq!(content(root, name), Err(Refused::Missing), "{name}");
            }
        }
        assert!(!trapped.kernel.walks.get() || cfg!(target_env = "musl"), "this kernel resolves names itself");
    }

    #[test]
    fn no_name_and_no_link_leads_out_whichever_way_it_is_opened() {
        let trapped = Trapped::new("out");
        let absolute = trapped.top.join("secret");
        for (to, at) in [
            ("../secret", "out"),
            ("../../secret", "sub/out"),
            (absolute.to_str().unwrap(), "absolute"),
            ("/", "slash"),
            ("..", "up"),
            ("../..", "sub/up"),
            ("../outside", "folder"),
            ("sub/first", "chain"),
            ("second", "sub/first"),
            ("../out", "sub/second"),
            ("sub/up/secret", "through"),
            ("/proc/self/root", "magic"),
            ("/dev/null", "device"),
            ("loop", "loop"),
            ("sub/../../secret", "zigzag"),
        ] {
            trapped.link(to, at);
        }
        for name in [
            "out",
            "sub/out",
            "absolute",
            "slash/etc/passwd",
            "up/secret",
            "sub/up/secret",
            "folder/secret",
            "chain",
            "through",
            "magic/etc/passwd",
            "device",
            "loop",
            "zigzag",
            "..",
            "../",
            "../secret",
            "sub/../../secret",
            "sub/deep/../../../secret",
            "up/../secret",
            "/etc/passwd",
            "./../secret",
            "sub/./../../secret",
            "../root/../secret",
        ] {
            for root in [&trapped.kernel, &trapped.walking] {
                let answer = content(root, name);
                assert!(matches!(answer, Err(Refused::Forbidden | Refused::Missing)), "{name}: {answer:?}");
            }
        }
    }

    #[test]
    fn links_that_stay_beneath_work_where_the_kernel_resolves_and_never_in_a_walk() {
        let trapped = Trapped::new("inside");
        for (to, at) in [("good", "same"), ("../good", "sub/above"), ("sub", "folder"), ("../../good", "sub/deep/far")]
        {
            trapped.link(to, at);
        }
        for name in ["same", "sub/above", "folder/good", "sub/deep/far"] {
            if !trapped.kernel.walks.get() {
                assert_eq!(content(&trapped.kernel, name), Ok(Some("good".into())), "{name}");
            }
            assert!(content(&trapped.walking, name).is_err(), "{name}");
        }
    }

    #[test]
    fn what_is_neither_file_nor_folder_is_missing_and_opening_it_waits_for_nobody() {
        let trapped = Trapped::new("special");
        let root = trapped.top.join("root");
        fs::mkfifoat(fs::CWD, root.join("fifo"), Mode::from_raw_mode(0o600)).unwrap();
        let _socket = std::os::unix::net::UnixListener::bind(root.join("socket")).unwrap();
        for beneath in [&trapped.kernel, &trapped.walking] {
            for name in ["fifo", "socket"] {
                assert_eq!(content(beneath, name), Err(Refused::Missing), "{name}");
            }
        }
    }

    #[test]
    fn what_permissions_keep_from_us_is_forbidden() {
        let trapped = Trapped::new("permissions");
        let path = trapped.top.join("root/good");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o000)).unwrap();
        let expected =
            if rustix::process::geteuid().is_root() { Ok(Some("good".into())) } else { Err(Refused::Forbidden) };
        for root in [&trapped.kernel, &trapped.walking] {
            assert_eq!(content(root, "good"), expected);
        }
    }

    /// A folder that becomes a link and a folder again, as fast as it can.
    #[test]
    fn a_folder_swapped_for_a_link_while_names_are_opened_never_lets_one_out() {
        let trapped = Trapped::new("race");
        let root = trapped.top.join("root");
        create_dir_all(root.join("swap")).unwrap();
        write(root.join("swap/secret"), "good").unwrap();
        trapped.link("../outside", "trap");
        let stop = std::sync::atomic::AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                    let flags = fs::RenameFlags::EXCHANGE;
                    fs::renameat_with(fs::CWD, root.join("swap"), fs::CWD, root.join("trap"), flags).unwrap();
                }
            });
            let mut met = [0_u32; 2];
            for _ in 0..20_000 {
                for beneath in [&trapped.kernel, &trapped.walking] {
                    match content(beneath, "swap/secret") {
                        Ok(text) => {
                            assert_eq!(text.as_deref(), Some("good"));
                            met[0] += 1;
                        }
                        Err(_) => met[1] += 1,
                    }
                }
            }
            stop.store(true, std::sync::atomic::Ordering::Relaxed);
            assert!(met[0] > 0 && met[1] > 0, "both were met: {met:?}");
        });
    }
}
