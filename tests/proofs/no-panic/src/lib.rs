//! No input makes the core panic, proved by the linker.
//!
//! The whole core is built into one archive behind C functions, over a network, a service and a log sink that are
//! undefined symbols: the optimiser knows nothing of what they answer. The panic handler calls a function that does
//! not exist. If any panic is reachable, the archive asks for that function (`prove` looks), and every path that leads
//! there has to be written differently. What is proved holds for the lengths, tokens, times and bytes of any caller.

#![no_std]
// Both sides of every foreign function here are Rust, and neither is ever linked.
#![allow(improper_ctypes, improper_ctypes_definitions)]

mod conf;
mod frame;
mod http;
mod parts;
mod server;
mod status;
mod supervisor;
mod world;

unsafe extern "C" {
    fn tidegate_a_panic_path_survived() -> !;
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo) -> ! {
    // SAFETY: never linked, so never called.
    unsafe { tidegate_a_panic_path_survived() }
}

/// What the proof must find.
#[cfg(feature = "bite")]
#[unsafe(no_mangle)]
pub extern "C" fn bite(bytes: world::Lent<u8>, at: usize) -> u8 {
    bytes.get()[at]
}
