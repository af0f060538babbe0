//! `seccomp(2)`: a process that serves can ask the kernel for what serving needs, and for nothing else.
//!
//! Asked for anything else the kernel ends the process. A refusal with an errno would hide what it was, and let who
//! got in go on looking; an end is seen, told with the key's name, and bounded by `RespawnLimit`. Only calls are
//! looked at, not what they point to: which files can be opened is the user's and the file system's to decide.
//!
//! On kernels before 5.11 each call walks the list; before 5.16 a filter also slows some processors down (SSBD).
//! The crate knows the filter's language for three architectures. Elsewhere this refuses, before anything starts.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use rustix::io::Errno;

/// The signal of a process that asked for something else.
pub const SIGNAL: i32 = libc::SIGSYS;

/// Whether there are filters for this processor.
pub const fn is_possible() -> bool {
    cfg!(any(target_arch = "x86_64", target_arch = "aarch64", target_arch = "riscv64"))
}

/// The calls of a process that serves, in the kernel's form. Made before the fork, because making it takes memory.
pub struct Filter(filter::Program);

impl Filter {
    pub fn new() -> Result<Self, Errno> {
        filter::program().map(Self)
    }

    /// Confines this process for good. Fails where the kernel has no filters; nothing has changed then.
    pub fn apply(&self) -> Result<(), Errno> {
        filter::apply(&self.0)?;
        APPLIED.store(true, Relaxed);
        Ok(())
    }
}

static APPLIED: AtomicBool = AtomicBool::new(false);

/// Whether this process is confined: what it may not ask for it must do without.
pub fn is_applied() -> bool {
    APPLIED.load(Relaxed)
}

#[cfg(any(target_arch = "x86_64", target_arch = "aarch64", target_arch = "riscv64"))]
mod filter {
    use std::collections::BTreeMap;

    use rustix::io::Errno;
    use seccompiler::{
        BackendError, BpfProgram, Error, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition,
        SeccompFilter, SeccompRule,
    };

    pub type Program = BpfProgram;

    /// Waiting and time. The vDSO asks the kernel where it cannot read the clock itself; a call that a STOP
    /// interrupted comes back as `restart_syscall`.
    const LOOP: &[i64] = &[
        libc::SYS_epoll_pwait,
        libc::SYS_epoll_ctl,
        libc::SYS_ppoll,
        libc::SYS_clock_gettime,
        libc::SYS_gettimeofday,
        libc::SYS_restart_syscall,
        libc::SYS_rt_sigreturn,
    ];
    /// Connections. No `socket`, `bind` or `connect`: nobody is called from here.
    const CONNECTIONS: &[i64] = &[
        libc::SYS_accept4,
        libc::SYS_recvfrom,
        libc::SYS_sendto,
        libc::SYS_sendmsg,
        libc::SYS_shutdown,
        libc::SYS_close,
    ];
    /// The log, which is opened again, and files to send. Signals and the bell are read and written too.
    const FILES: &[i64] = &[
        libc::SYS_read,
        libc::SYS_pread64,
        libc::SYS_write,
        libc::SYS_writev,
        libc::SYS_openat,
        libc::SYS_openat2,
        libc::SYS_getdents64,
        libc::SYS_fcntl,
        libc::SYS_fstat,
        libc::SYS_newfstatat,
        libc::SYS_statx,
        libc::SYS_fchown,
        libc::SYS_sendfile,
        libc::SYS_splice,
    ];
    /// The allocator's, at the end; numbers for a table's seed; a title; leaving, by choice or by a panic.
    const PROCESS: &[i64] = &[
        libc::SYS_brk,
        libc::SYS_mmap,
        libc::SYS_mremap,
        libc::SYS_munmap,
        libc::SYS_madvise,
        libc::SYS_getrandom,
        libc::SYS_getpid,
        libc::SYS_gettid,
        libc::SYS_futex,
        libc::SYS_rt_sigaction,
        libc::SYS_rt_sigprocmask,
        libc::SYS_exit,
        libc::SYS_exit_group,
    ];
    /// What only the oldest of the architectures still has, and is asked for there.
    #[cfg(target_arch = "x86_64")]
    const OLDER: &[i64] =
        &[libc::SYS_open, libc::SYS_stat, libc::SYS_lstat, libc::SYS_poll, libc::SYS_epoll_wait, libc::SYS_time];
    #[cfg(not(target_arch = "x86_64"))]
    const OLDER: &[i64] = &[];

    pub fn program() -> Result<Program, Errno> {
        let architecture = std::env::consts::ARCH.try_into().map_err(|_| Errno::NOSYS)?;
        let (other, known) = (SeccompAction::KillProcess, SeccompAction::Allow);
        let filter = allowed().and_then(|allowed| SeccompFilter::new(allowed, other, known, architecture));
        filter.and_then(Program::try_from).map_err(|_| Errno::INVAL)
    }

    pub fn apply(program: &Program) -> Result<(), Errno> {
        seccompiler::apply_filter(program).map_err(|error| match error {
            Error::Prctl(error) | Error::Seccomp(error) => Errno::from_io_error(&error).unwrap_or(Errno::NOSYS),
            _ => Errno::NOSYS,
        })
    }

    fn allowed() -> Result<BTreeMap<i64, Vec<SeccompRule>>, BackendError> {
        let calls = [LOOP, CONNECTIONS, FILES, PROCESS, OLDER].into_iter().flatten();
        let mut allowed: BTreeMap<_, _> = calls.map(|call| (*call, Vec::new())).collect();
        // A process that aborts sends itself the signal; this one and no other can be sent.
        let abort = SeccompCondition::new(2, SeccompCmpArgLen::Dword, SeccompCmpOp::Eq, libc::SIGABRT as u64)?;
        allowed.insert(libc::SYS_tgkill, vec![SeccompRule::new(vec![abort])?]);
        Ok(allowed)
    }
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64", target_arch = "riscv64")))]
mod filter {
    use rustix::io::Errno;

    pub enum Program {}

    pub fn program() -> Result<Program, Errno> {
        Err(Errno::NOSYS)
    }

    pub fn apply(program: &Program) -> Result<(), Errno> {
        match *program {}
    }
}

#[cfg(all(test, any(target_arch = "x86_64", target_arch = "aarch64", target_arch = "riscv64")))]
mod tests {
    use super::*;
    use crate::os::process::{Ended, in_child};
    use rustix::net::{AddressFamily, SocketType, socket};

    fn confined(act: impl FnOnce() -> bool) -> Ended {
        let ended = in_child(|| match Filter::new().and_then(|filter| filter.apply()) {
            Ok(()) if act() => 0,
            Ok(()) => 1,
            Err(errno) => errno.raw_os_error() as u8,
        });
        ended.unwrap()
    }

    #[test]
    fn what_serving_needs_goes_on_and_anything_else_ends_the_process() {
        let open = || rustix::fs::open("/dev/null", rustix::fs::OFlags::RDONLY, 0.into()).is_ok();
        assert_eq!(confined(open), Ended::Exited(0));
        assert_eq!(confined(|| std::process::abort()), Ended::Killed(libc::SIGABRT), "a panic ends as one");
        let socket = || socket(AddressFamily::INET, SocketType::STREAM, None).is_ok();
        assert_eq!(confined(socket), Ended::Killed(SIGNAL));
        assert_eq!(confined(|| crate::os::process::fork().is_ok()), Ended::Killed(SIGNAL));
        assert_eq!(confined(|| rustix::process::chdir("/").is_ok()), Ended::Killed(SIGNAL));
        let ask_itself = || {
            let own = rustix::process::getpid().as_raw_nonzero().get();
            // SAFETY: signal 0 does nothing.
            unsafe { libc::syscall(libc::SYS_tgkill, own, own, 0) == 0 }
        };
        assert_eq!(confined(ask_itself), Ended::Killed(SIGNAL), "no signal but the abort");
    }
}
