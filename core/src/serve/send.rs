//! Sending: what a step wrote, and what it wants from a file. What does not leave at once is kept, or asked for again.

use nb::Error::{Other, WouldBlock};

use crate::blocks::{Blocks, Held};
use crate::conn::Slot;
use crate::net::Net;
use crate::service::FilePart;
use crate::stats::{Counter, Reason, Stats};

/// Sends from a file; returns how much, and whether that was all that was asked for.
#[cold]
pub(super) fn send_file<N: Net>(
    net: &mut N,
    stats: &Stats,
    slot: &mut Slot<N::Conn>,
    now_ms: u64,
    part: Option<FilePart>,
) -> Result<(usize, bool), Reason> {
    let (Some(conn), Some(part)) = (&slot.conn, part) else { return Err(Reason::Reset) };
    match net.send_file(conn, part.id, part.offset, part.len) {
        Ok(0) => Err(Reason::Shortened),
        Ok(n) => {
            let n = n.min(part.len);
            stats.add(Counter::BytesOut, n);
            slot.active_ms = now_ms;
            Ok((n, n == part.len))
        }
        Err(WouldBlock) => Ok((0, false)),
        Err(Other(_)) => Err(Reason::Reset),
    }
}

/// Sends two parts at once if nothing waits before them; what does not leave goes to the slot's blocks. Whether all has
/// left.
#[inline]
pub(super) fn send<N: Net>(
    net: &mut N,
    blocks: &mut Blocks<'_>,
    stats: &Stats,
    slot: &mut Slot<N::Conn>,
    owner: u32,
    now_ms: u64,
    parts: [&[u8]; 2],
) -> Result<bool, Reason> {
    let [first, second] = parts;
    let mut sent = 0;
    if let (true, Some(conn)) = (slot.output.is_empty(), &slot.conn) {
        let answer = match (first.is_empty(), second.is_empty()) {
            (true, _) => net.send(conn, &[second]),
            (_, true) => net.send(conn, &[first]),
            _ => net.send(conn, &parts),
        };
        match answer {
            Ok(n) => sent = n,
            Err(WouldBlock) => {}
            Err(Other(_)) => return Err(Reason::Reset),
        }
        stats.add(Counter::BytesOut, sent);
        slot.active_ms = now_ms;
        if sent == first.len().wrapping_add(second.len()) {
            return Ok(true);
        }
    }
    for part in parts {
        let left = part.get(sent.min(part.len())..).unwrap_or(&[]);
        sent = sent.saturating_sub(part.len());
        if !left.is_empty() && blocks.append(&mut slot.output, Held::Output, owner, left) < left.len() {
            stats.add(Counter::Impossible, 1);
            return Err(Reason::BlocksDry);
        }
    }
    Ok(false)
}
