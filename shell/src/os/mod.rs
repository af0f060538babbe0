//! All we ask of Linux, one file per facility. Unsafe code lives here and nowhere else.
//!
//! | file | what is asked | since |
//! |---|---|---|
//! | `clock` | `clock_gettime` monotonic and real time; libc `tzset`, `localtime_r` | 2.6 |
//! | `errno` | libc `strerror_r` | |
//! | `file` | `open` (cloexec), `flock`, `ftruncate`, `fstat`, `unlink`, `write`, `poll` | 2.6.23 |
//! | `process` | `fork`, `_exit`, `setsid`, `umask`, `dup2`, `waitpid`, `kill`, `pipe2`, `prctl` PDEATHSIG, `setrlimit` | 2.6.27 |
//! | `signal` | `sigaction`, `sigprocmask`, `signalfd4`, `poll` | 2.6.27 |
//! | `socket` | `socket`, `bind`, `listen`, `connect` | 2.6.28 |
//! | `title` | `environ`, `prctl` NAME | |
//!
//! Everything is single-threaded: `fork` and the title rely on it. Errors are `rustix::io::Errno`.

pub mod clock;
pub mod errno;
pub mod file;
pub mod process;
pub mod signal;
pub mod socket;
pub mod title;
