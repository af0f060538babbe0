//! The supervisor's table: every input and every output.

use tidegate_core::master::{Order, Plan, Request, Supervisor};

#[unsafe(no_mangle)]
pub extern "C" fn supervisor_new(
    at: &mut core::mem::MaybeUninit<Supervisor>,
    workers: u16,
    drain_ms: u64,
    respawn_limit: u32,
) {
    at.write(Supervisor::new(Plan { workers, drain_ms, respawn_limit }));
}

#[unsafe(no_mangle)]
pub extern "C" fn supervisor_on(supervisor: &mut Supervisor, what: i32, slot: u16, now_ms: u64) {
    match what {
        0 => supervisor.on_start(now_ms),
        1 => supervisor.on_died(slot, now_ms),
        2 => supervisor.on_request(Request::Term, now_ms),
        3 => supervisor.on_request(Request::Quit, now_ms),
        4 => supervisor.on_request(Request::Park, now_ms),
        5 => supervisor.on_successor_died(now_ms),
        _ => supervisor.on_time(now_ms),
    }
}

#[unsafe(no_mangle)]
pub extern "C" fn supervisor_on_reload(supervisor: &mut Supervisor, workers: u16, drain_ms: u64, now_ms: u64) -> bool {
    supervisor.on_reload(Plan { workers, drain_ms, respawn_limit: 0 }, now_ms).is_ok()
}

#[unsafe(no_mangle)]
pub extern "C" fn supervisor_on_upgrade(supervisor: &mut Supervisor, bound_ms: u64, now_ms: u64) -> bool {
    supervisor.on_upgrade(bound_ms, now_ms).is_ok()
}

#[unsafe(no_mangle)]
pub extern "C" fn supervisor_on_successor_serves(supervisor: &mut Supervisor, now_ms: u64) -> bool {
    supervisor.on_successor_serves(now_ms) && !supervisor.upgrading()
}

#[unsafe(no_mangle)]
pub extern "C" fn supervisor_on_resume(supervisor: &mut Supervisor, now_ms: u64) -> bool {
    supervisor.on_resume(now_ms).is_ok()
}

#[unsafe(no_mangle)]
pub extern "C" fn supervisor_next_order(supervisor: &mut Supervisor, order: &mut Option<Order>) {
    *order = supervisor.next_order();
}

#[unsafe(no_mangle)]
pub extern "C" fn supervisor_next(supervisor: &Supervisor, phase: &mut u8) -> u64 {
    *phase = supervisor.phase() as u8;
    supervisor.next_deadline().unwrap_or((supervisor.live() + supervisor.leavers()) as u64)
}
