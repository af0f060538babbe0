//! All we ask of Linux, one file per facility. Unsafe code lives here and nowhere else.
//!
//! | file | what is asked | since |
//! |---|---|---|
//! | `alloc` | nothing: counts what the process asks of its allocator once it serves | |
//! | `beneath` | `openat2` where there is (5.6), `openat` O_PATH, `fstat` | 2.6.39 |
//! | `bell` | `eventfd2` | 2.6.27 |
//! | `clock` | `clock_gettime` monotonic and real time; libc `tzset`, `localtime_r` | 2.6 |
//! | `confine` | `seccomp` where there is | 3.17 |
//! | `conn` | `close` | |
//! | `epoll` | `epoll_create1`, `epoll_ctl`, `epoll_pwait`; EPOLLEXCLUSIVE where there is (4.5) | 2.6.27 |
//! | `errno` | libc `strerror_r` | |
//! | `exec` | libc `posix_spawn` through std, `fcntl`; `/proc/self/exe` | 2.6 |
//! | `file` | `open` (cloexec), `fchown`, `flock`, `ftruncate`, `fstat`, `link`, `rename`, `unlink`, `write`, `poll` | 2.6.23 |
//! | `memory` | `mmap` anonymous, `munmap`, `madvise` NOHUGEPAGE, POPULATE_WRITE where there is (5.14) | |
//! | `logfile` | `open` (nonblock), `fstat`, `rename`, `ftruncate`, `fchown`, `fchmod`, `flock`, `writev` | 2.6.23 |
//! | `privilege` | `setgroups`, `setresgid`, `setresuid`, `capset`, `prctl` CAPBSET_DROP, DUMPABLE; NO_NEW_PRIVS (3.5), CAP_AMBIENT (4.3) | 2.6.26 |
//! | `process` | `fork`, `_exit`, `setsid`, `umask`, `dup2`, `waitpid`, `kill`, `pipe2`, `prctl` PDEATHSIG, `setrlimit` | 2.6.27 |
//! | `program` | libc `dl_iterate_phdr`; `/proc/meminfo`, `/proc/sys/net/ipv4`, the control group | |
//! | `random` | `getrandom` where there is (3.17) | |
//! | `shared` | `mmap` shared and anonymous, `madvise` REMOVE | 2.6.16 |
//! | `signal` | `sigaction`, `sigprocmask`, `signalfd4`, `poll` | 2.6.27 |
//! | `socket` | `socket`, `setsockopt`, `bind`, `listen`, `connect`, `fchmod` | 2.6.28 |
//! | `title` | `environ`, `prctl` NAME | |
//! | `trim` | libc `dl_iterate_phdr`, `madvise` | |
//!
//! Accepting, receiving and sending are asked for in `crate::net`, through rustix alone.
//! Everything is single-threaded: `fork` and the title rely on it. Errors are `rustix::io::Errno`.

pub mod alloc;
pub mod bell;
pub mod beneath;
pub mod clock;
pub mod confine;
pub mod conn;
pub mod epoll;
pub mod errno;
pub mod exec;
pub mod file;
pub mod logfile;
pub mod memory;
pub mod privilege;
pub mod process;
pub mod program;
pub mod random;
pub mod shared;
pub mod signal;
pub mod socket;
pub mod title;
pub mod trim;
