//! Becoming someone with less: other ids, no groups, no capabilities, and no way back.
//!
//! The calls change one thread, which is the whole of a process here; where a machine has calls of two widths the
//! wide ones are made. What is done cannot be undone: that is checked, not believed.

use rustix::io::{self, Errno};
use rustix::process::{self, DumpableBehavior, Gid, Uid};
use rustix::thread::{self, CapabilitySet, CapabilitySets};

const NOTHING: CapabilitySets = CapabilitySets {
    effective: CapabilitySet::empty(),
    permitted: CapabilitySet::empty(),
    inheritable: CapabilitySet::empty(),
};

/// Whom to become; what is `None` stays.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Account {
    pub user: Option<u32>,
    pub group: Option<u32>,
}

impl Account {
    pub const fn is_nobody(self) -> bool {
        self.user.is_none() && self.group.is_none()
    }

    /// Owner and group of what this account is to have.
    pub fn ids(self) -> (Option<Uid>, Option<Gid>) {
        (self.user.map(Uid::from_raw), self.group.map(Gid::from_raw))
    }
}

/// Which step failed, and why.
pub type Failed = (&'static str, Errno);

/// The process becomes the account, if it is root, and loses every privilege. What only newer kernels know is left out
/// on older ones. After a failure it may be anything in between: leave.
pub fn lower(account: Account, traceable: bool) -> Result<(), Failed> {
    // The set that bounds what a program executed later could regain. It takes a capability to lower, too.
    if thread::capabilities(None).is_ok_and(|sets| sets.effective.contains(CapabilitySet::SETPCAP)) {
        let known = (0..u64::BITS).map(|bit| CapabilitySet::from_bits_retain(1 << bit));
        for capability in known.take_while(|one| thread::capability_is_in_bounding_set(*one).is_ok()) {
            at("PR_CAPBSET_DROP", thread::remove_capability_from_bounding_set(capability))?;
        }
    }
    if is_root() && !account.is_nobody() {
        become_account(account)?;
    }
    at("PR_CAP_AMBIENT", unless_unknown(thread::clear_ambient_capability_set()))?;
    at("capset", thread::set_capabilities(None, NOTHING))?;
    at("PR_SET_NO_NEW_PRIVS", unless_unknown(thread::set_no_new_privs(true)))?;
    if !traceable {
        at("PR_SET_DUMPABLE", process::set_dumpable_behavior(DumpableBehavior::NotDumpable))?;
    }
    Ok(())
}

/// Whether this process may become anyone.
pub fn is_root() -> bool {
    process::geteuid().is_root()
}

fn become_account(account: Account) -> Result<(), Failed> {
    at("setgroups", thread::set_thread_groups(&[]))?;
    let (user, group) = account.ids();
    if let Some(group) = group {
        at("setresgid", thread::set_thread_res_gid(group, group, group))?;
    }
    if let Some(user) = user {
        at("setresuid", thread::set_thread_res_uid(user, user, user))?;
        if !user.is_root() && thread::set_thread_uid(Uid::ROOT).is_ok() {
            return Err(("giving up the way back to root", Errno::PERM));
        }
    }
    let took = user.is_none_or(|user| user_ids() == [user.as_raw(); 3])
        && group.is_none_or(|group| group_ids() == [group.as_raw(); 3])
        && process::getgroups().is_ok_and(|groups| groups.is_empty());
    if took { Ok(()) } else { Err(("checking that it took", Errno::PERM)) }
}

/// Real, effective and saved.
fn user_ids() -> [u32; 3] {
    let [mut real, mut effective, mut saved] = [u32::MAX; 3];
    // SAFETY: three places to write a number to, all alive.
    unsafe { libc::getresuid(&mut real, &mut effective, &mut saved) };
    [real, effective, saved]
}

/// Real, effective and saved.
fn group_ids() -> [u32; 3] {
    let [mut real, mut effective, mut saved] = [u32::MAX; 3];
    // SAFETY: three places to write a number to, all alive.
    unsafe { libc::getresgid(&mut real, &mut effective, &mut saved) };
    [real, effective, saved]
}

fn at(step: &'static str, result: io::Result<()>) -> Result<(), Failed> {
    result.map_err(|errno| (step, errno))
}

fn unless_unknown(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(Errno::INVAL) => Ok(()),
        result => result,
    }
}
