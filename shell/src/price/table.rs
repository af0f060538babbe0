//! The price as a table that reads from the parts to the whole.

use std::fmt::Write as _;

use super::{Listener, Price};
use crate::os::shared::CELL_BYTES;

/// Columns of a row's name.
const NAME_COLUMNS: usize = 44;
const HUGE_BYTES: u64 = 100 * 1024 * 1024;

pub fn write(price: &Price) -> String {
    let mut out = Rows(String::new());
    let start = price.worker_rest_bytes() == price.worker_full_bytes();
    let rest = |bytes: u64| if start { bytes } else { 0 };
    out.head();
    let shared = price.files_bytes + price.forked_bytes;
    out.row("program and libraries, once", shared, shared);
    out.row("statistics, once", price.statistics_bytes, price.statistics_bytes);
    if price.master {
        out.row("master", price.process_bytes, price.process_bytes);
    }
    match price.workers {
        1 => out.row("worker", price.worker_rest_bytes(), price.worker_full_bytes()),
        n => out.row(&format!("worker, each of {n}"), price.worker_rest_bytes(), price.worker_full_bytes()),
    }
    out.row("  process", price.process_bytes, price.process_bytes);
    out.row("  one step's input and output", rest(price.steps_bytes), price.steps_bytes);
    let name = format!("  {} blocks of {}", price.blocks, size(price.block_bytes));
    out.row(&name, rest(price.blocks_bytes), price.blocks_bytes);
    if price.served_bytes > 0 {
        let name = format!("  files in memory, and {} open to send", price.transfers);
        out.row(&name, rest(price.served_bytes), price.served_bytes);
    }
    for listener in &price.listeners {
        let name = format!("  {}, {} on {}", listener.section, listener.service, listener.address);
        out.row(&name, rest(listener.bytes), listener.bytes);
    }
    out.row("all processes", price.rest_bytes(), price.full_bytes());
    if price.master {
        let new = price.workers * (price.worker_rest_bytes() + CELL_BYTES as u64);
        out.row("all, while a reload replaces the workers", price.rest_bytes() + new, price.reload_bytes());
    }
    let Rows(mut out) = out;
    let limit = price.limit_bytes;
    if price.master && limit > 0 && price.reload_bytes() > limit {
        let (needed, limit) = (size(price.reload_bytes()), size(limit));
        let _ =
            writeln!(out, "a reload needs {needed}, over [Memory] Limit = {limit}: it will be refused, an upgrade too");
    }
    for listener in &price.listeners {
        let _ = writeln!(
            out,
            "{}: {} connections a worker, each {} bytes idle, busy with blocks up to {}",
            listener.section,
            listener.connections,
            price.idle_bytes,
            size(price.busy_bytes),
        );
    }
    let _ = writeln!(out, "open files: {} a worker, of {} that it may have", price.files, price.files_max);
    let _ = writeln!(out, "{}", price.log.line());
    let total = size(price.kernel_bytes());
    let _ = writeln!(out, "the kernel's socket buffers, beside all this and outside [Memory] Limit: {total}");
    for Listener { section, kernel, .. } in &price.listeners {
        let _ = writeln!(
            out,
            "  {section}: {} x ({} receive + {} send) = {}, {}",
            kernel.sockets,
            size(kernel.receive_bytes),
            size(kernel.send_bytes),
            size(kernel.bytes()),
            if kernel.bounded { "at the most" } else { "more as the kernel sees fit" },
        );
    }
    out
}

struct Rows(String);

impl Rows {
    fn head(&mut self) {
        let _ = writeln!(self.0, "{:<NAME_COLUMNS$}{:>9}{:>11}", "memory", "at rest", "full load");
    }

    fn row(&mut self, name: &str, rest: u64, full: u64) {
        let _ = writeln!(self.0, "  {:<width$}{:>9}{:>11}", name, size(rest), size(full), width = NAME_COLUMNS - 2);
    }
}

/// A size as the configuration reads it, never less than it is.
pub fn size(bytes: u64) -> String {
    match bytes {
        0 => "0".to_string(),
        // Past this nobody counts kilobytes.
        HUGE_BYTES.. => format!("{}M", bytes.div_ceil(1024 * 1024)),
        _ => format!("{}K", bytes.div_ceil(1024)),
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{MACHINE, settings};
    use super::*;

    #[test]
    fn a_size_is_never_told_smaller_than_it_is() {
        for (bytes, shown) in [(0, "0"), (1, "1K"), (1_024, "1K"), (1_025, "2K"), ((100 << 20) + 1, "101M")] {
            assert_eq!(size(bytes), shown);
        }
    }

    #[test]
    fn the_table_fits_a_terminal_and_names_every_listener() {
        let mut settings = settings(2, &[64, 1_024], 256);
        settings.sockets[1].name = "plc".into();
        let text = Price::of(&settings, &MACHINE).table();
        assert!(text.lines().all(|line| line.len() <= 100), "{text}");
        assert!(text.contains("worker, each of 2") && text.contains("[Socket plc]"), "{text}");
    }
}
