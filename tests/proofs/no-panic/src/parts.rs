//! The parts of the core that can be used alone: pool, timers, blocks, tokens, text.

use tidegate_core::blocks::{BlockMark, Blocks, Chain, Held, PARTS_MAX};
use tidegate_core::event::{Interest, Token};
use tidegate_core::pool::{Mark, Pool, ShareId};
use tidegate_core::text::{PeerText, sock_ntop};
use tidegate_core::timer::Timers;

use crate::world::{Lent, peer};

// Pool.

#[unsafe(no_mangle)]
pub extern "C" fn pool_new(at: &mut core::mem::MaybeUninit<Pool<'static>>, marks: Lent<Mark>) {
    at.write(Pool::new(marks.get()));
}

#[unsafe(no_mangle)]
pub extern "C" fn pool_add_share(pool: &mut Pool<'static>, capacity: u32, id: &mut ShareId) -> bool {
    pool.add_share(capacity).map(|share| *id = share).is_some()
}

#[unsafe(no_mangle)]
pub extern "C" fn pool_take(pool: &mut Pool<'static>, share: ShareId) -> u64 {
    pool.take(share).map_or(0, Token::to_bits)
}

#[unsafe(no_mangle)]
pub extern "C" fn pool_release(pool: &mut Pool<'static>, token: u64) -> bool {
    pool.release(Token::from_bits(token))
}

#[unsafe(no_mangle)]
pub extern "C" fn pool_wake(pool: &mut Pool<'static>, token: u64) -> bool {
    pool.wake(Token::from_bits(token))
}

#[unsafe(no_mangle)]
pub extern "C" fn pool_next_woken(pool: &mut Pool<'static>) -> u64 {
    if pool.any_woken() { pool.next_woken().map_or(0, Token::to_bits) } else { 0 }
}

#[unsafe(no_mangle)]
pub extern "C" fn pool_slot(pool: &Pool<'static>, token: u64) -> usize {
    pool.slot(Token::from_bits(token)).unwrap_or(usize::MAX)
}

#[unsafe(no_mangle)]
pub extern "C" fn pool_token(pool: &Pool<'static>, slot: usize) -> u64 {
    pool.token(slot).map_or(0, Token::to_bits)
}

#[unsafe(no_mangle)]
pub extern "C" fn pool_totals(pool: &Pool<'static>, share: ShareId, into: &mut [u64; 4]) {
    let (taken, free, all) = (pool.taken(share), pool.free(share), pool.taken_in_all());
    *into = [taken.into(), free.into(), all.into(), pool.end() as u64];
}

// Timers.

#[unsafe(no_mangle)]
pub extern "C" fn timers_new(at: &mut core::mem::MaybeUninit<Timers<'static>>, cells: Lent<u64>, places: Lent<u32>) {
    at.write(Timers::new(cells.get(), places.get()));
}

#[unsafe(no_mangle)]
pub extern "C" fn timers_arm(timers: &mut Timers<'static>, slot: usize, at_ms: u64) {
    timers.arm(slot, at_ms);
}

#[unsafe(no_mangle)]
pub extern "C" fn timers_forget(timers: &mut Timers<'static>, slot: usize) {
    timers.forget(slot);
}

#[unsafe(no_mangle)]
pub extern "C" fn timers_fire(timers: &mut Timers<'static>, now_ms: u64) -> usize {
    timers.fire(now_ms).unwrap_or(usize::MAX)
}

#[unsafe(no_mangle)]
pub extern "C" fn timers_next(timers: &Timers<'static>, slot: usize) -> u64 {
    timers.armed(slot).unwrap_or_else(|| timers.next())
}

// Blocks.

fn held(input: bool) -> Held {
    if input { Held::Input } else { Held::Output }
}

#[unsafe(no_mangle)]
pub extern "C" fn blocks_new(
    at: &mut core::mem::MaybeUninit<Blocks<'static>>,
    memory: Lent<u8>,
    marks: Lent<BlockMark>,
    block_bytes: usize,
) {
    at.write(Blocks::new(memory.get(), marks.get(), block_bytes));
}

#[unsafe(no_mangle)]
pub extern "C" fn blocks_append(
    blocks: &mut Blocks<'static>,
    chain: &mut Chain,
    input: bool,
    owner: u32,
    bytes: Lent<u8>,
) -> usize {
    blocks.append(chain, held(input), owner, bytes.get())
}

#[unsafe(no_mangle)]
pub extern "C" fn blocks_copy_out(blocks: &Blocks<'static>, chain: &Chain, into: Lent<u8>) -> usize {
    blocks.copy_out(chain, into.get())
}

#[unsafe(no_mangle)]
pub extern "C" fn blocks_parts(
    blocks: &'static Blocks<'static>,
    chain: &Chain,
    parts: &mut [&'static [u8]; PARTS_MAX],
) -> usize {
    blocks.parts(chain, parts)
}

#[unsafe(no_mangle)]
pub extern "C" fn blocks_consume(blocks: &mut Blocks<'static>, chain: &mut Chain, input: bool, n: usize) {
    blocks.consume(chain, held(input), n);
}

#[unsafe(no_mangle)]
pub extern "C" fn blocks_clear(blocks: &mut Blocks<'static>, chain: &mut Chain, input: bool) {
    blocks.clear(chain, held(input));
}

#[unsafe(no_mangle)]
pub extern "C" fn blocks_totals(blocks: &Blocks<'static>, chain: &Chain, into: &mut [usize; 8]) {
    *into = [
        blocks.short() as usize,
        blocks.step_room(),
        blocks.free(),
        blocks.taken(),
        blocks.capacity(),
        blocks.block_bytes(),
        blocks.oldest(Held::Input).or(blocks.oldest(Held::Output)).unwrap_or(0) as usize,
        if chain.is_empty() { 0 } else { chain.len() },
    ];
}

// Tokens and text.

#[unsafe(no_mangle)]
pub extern "C" fn token_world(number: u32, interest: Interest) -> u64 {
    let number = Token::of_world(number).world().unwrap_or(0);
    u64::from(number) << 2 | (interest.read() as u64) << 1 | interest.write() as u64
}

#[unsafe(no_mangle)]
pub extern "C" fn text_sock_ntop(into: &mut PeerText, v6: bool, address: &[u8; 16], port: u16, scope: u32) {
    let peer = peer(v6, *address, port, scope);
    *into = sock_ntop(peer);
    if peer.ip().is_none() {
        into.clear();
    }
}
