//! Whether a price can be paid, and the sentence when it cannot: the figure, the key, the largest value that fits.

use super::table::size;
use super::{Machine, Price, files_needed, files_wanted};
use crate::exit::{self, Failure};
use crate::os::{memory, process, program};
use crate::settings::{Reserve, Settings};
use crate::storage::Shape;

/// The fewest blocks a configuration may ask for.
const BLOCKS_MIN: u32 = 8;

/// `[Memory] Limit` against the price at full load.
pub fn check(settings: &Settings, machine: &Machine, name: &str) -> Result<Price, Failure> {
    let price = Price::of(settings, machine);
    let (needed, limit) = (price.full_bytes(), settings.memory.limit_bytes);
    if limit == 0 || needed <= limit {
        return Ok(price);
    }
    let advice = match largest(settings, machine) {
        Some(line) => format!("{line} would fit"),
        None => "no smaller number of connections, blocks or workers alone would fit".to_string(),
    };
    let enough = size(needed);
    Err(Failure::new(
        exit::CONFIG,
        format!(
            "{name}: at full load the server needs {enough}, over [Memory] Limit = {}: {advice}, or Limit = {enough}",
            size(limit)
        ),
    ))
}

/// `[Memory] Limit` against the new configuration at full load together with the old workers until they have left.
pub fn check_reload(settings: &Settings, price: &Price, leaving_bytes: u64, name: &str) -> Result<(), Failure> {
    let (needed, limit) = (price.full_bytes().saturating_add(leaving_bytes), settings.memory.limit_bytes);
    if limit == 0 || needed <= limit {
        return Ok(());
    }
    Err(Failure::new(
        exit::CONFIG,
        format!(
            "{name}: until the old workers have left, both need {}, over [Memory] Limit = {}; a restart needs {}",
            size(needed),
            size(limit),
            size(price.full_bytes()),
        ),
    ))
}

/// The one key whose smaller value brings the price under the limit, with the largest such value: of the biggest
/// listener or the blocks, whichever costs more; then the other; then the workers.
fn largest(settings: &Settings, machine: &Machine) -> Option<String> {
    let price = Price::of(settings, machine);
    let biggest = (0..settings.sockets.len()).max_by_key(|at| settings.sockets[*at].connections)?;
    let connections = || {
        let socket = &settings.sockets[biggest];
        let most = most(1, socket.connections, settings, machine, |settings, n| {
            settings.sockets[biggest].connections = n;
        })?;
        Some(format!("{} Connections = {most}", socket.section()))
    };
    let blocks = || {
        let most = most(BLOCKS_MIN, settings.memory.blocks, settings, machine, |settings, n| {
            settings.memory.blocks = n;
        })?;
        Some(format!("[Memory] Blocks = {most}"))
    };
    let workers = || {
        let most = most(1, settings.process.workers.into(), settings, machine, |settings, n| {
            settings.process.workers = n as u16;
        })?;
        Some(format!("[Process] Workers = {most}"))
    };
    if price.blocks_bytes > price.listeners[biggest].bytes {
        blocks().or_else(connections).or_else(workers)
    } else {
        connections().or_else(blocks).or_else(workers)
    }
}

/// The largest number from `min` to below `now` with which the price fits.
fn most(min: u32, now: u32, settings: &Settings, machine: &Machine, set: impl Fn(&mut Settings, u32)) -> Option<u32> {
    let mut tried = settings.clone();
    let mut fits = |n: u32| {
        set(&mut tried, n);
        Price::of(&tried, machine).full_bytes() <= settings.memory.limit_bytes
    };
    if now <= min || !fits(min) {
        return None;
    }
    let (mut good, mut bad) = (min, now);
    while bad - good > 1 {
        let middle = good + (bad - good) / 2;
        if fits(middle) { good = middle } else { bad = middle }
    }
    Some(good)
}

/// The limit of open files against what the connections need; nothing is changed.
pub fn check_descriptors(settings: &Settings, name: &str) -> Result<(), Failure> {
    let allowed = files_wanted(settings).map_or(u64::MAX, process::open_files_within_reach);
    match files_missing(settings, allowed) {
        Some(sentence) => Err(Failure::new(exit::CONFIG, format!("{name}: {sentence}"))),
        None => Ok(()),
    }
}

fn files_missing(settings: &Settings, allowed: u64) -> Option<String> {
    let needed = files_needed(settings);
    if allowed >= u64::from(needed) {
        return None;
    }
    let biggest = settings.sockets.iter().max_by_key(|socket| socket.connections)?;
    let others = needed.saturating_sub(biggest.connections);
    let room = allowed.saturating_sub(u64::from(others));
    let advice = match (room, settings.process.open_files) {
        (0, 0) => "raise the hard limit (ulimit -Hn)".to_string(),
        (room, 0) => {
            format!("{} Connections = {room} would fit, or raise the hard limit (ulimit -Hn)", biggest.section())
        }
        _ => format!("[Process] OpenFiles = {needed} would do, or 0"),
    };
    Some(format!("a worker may need {needed} open files and may have {allowed}: {advice}"))
}

/// With `Reserve = start`, whether the memory is there now. Before anything forks, on the operator's terminal.
pub fn check_free(settings: &Settings, price: &Price) -> Result<(), Failure> {
    if settings.memory.reserve == Reserve::Use {
        return Ok(());
    }
    let needed = price.workers.saturating_mul(price.arena_bytes());
    if let Some(free) = program::available_bytes().filter(|free| *free < needed) {
        return Err(Failure::new(
            exit::OS,
            format!("[Memory] Reserve = start needs {} now, and only {} are free", size(needed), size(free)),
        ));
    }
    memory::rehearse(Shape::of(settings).bytes()).map_err(|errno| {
        let each = size(price.arena_bytes());
        Failure::of_errno(exit::OS, format_args!("[Memory] Reserve = start: a worker's {each} cannot be had"), errno)
    })
}

#[cfg(test)]
mod tests {
    use super::super::tests::{MACHINE, settings};
    use super::*;

    fn refused(settings: &Settings) -> String {
        let failure = check(settings, &MACHINE, "box.conf").unwrap_err();
        assert_eq!(failure.code, exit::CONFIG);
        failure.text
    }

    #[test]
    fn no_limit_and_the_exact_limit_are_paid() {
        let mut settings = settings(2, &[1_024], 256);
        let price = check(&settings, &MACHINE, "box.conf").unwrap();
        settings.memory.limit_bytes = price.full_bytes();
        assert!(check(&settings, &MACHINE, "box.conf").is_ok());
        settings.memory.limit_bytes -= 1;
        refused(&settings);
    }

    #[test]
    fn the_value_that_is_named_fits_and_the_next_does_not() {
        for (connections, blocks, limit) in
            [(&[9_900, 64][..], 64, 2 << 20), (&[64][..], 4_096, 3 << 20), (&[100_000][..], 256, 4 << 20)]
        {
            let mut settings = settings(1, connections, blocks);
            settings.memory.limit_bytes = limit;
            let text = refused(&settings);
            let (key, value) = text.split(": ").nth(2).unwrap().split_once(" = ").unwrap();
            let value: u32 = value.split(' ').next().unwrap().parse().unwrap();
            let mut set = |value| match key {
                "[Socket] Connections" => settings.sockets[0].connections = value,
                "[Memory] Blocks" => settings.memory.blocks = value,
                _ => panic!("{text}"),
            };
            set(value);
            let fits = settings.clone();
            let mut set = |value| match key {
                "[Socket] Connections" => settings.sockets[0].connections = value,
                _ => settings.memory.blocks = value,
            };
            set(value + 1);
            assert!(check(&fits, &MACHINE, "").is_ok(), "{text}");
            assert!(check(&settings, &MACHINE, "").is_err(), "{text}");
        }
    }

    #[test]
    fn too_many_workers_and_a_hopeless_limit_are_told_as_such() {
        let mut settings = settings(8, &[8], 8);
        settings.memory.limit_bytes = 1_700 << 10;
        assert!(refused(&settings).contains("[Process] Workers = "), "{}", refused(&settings));
        settings.memory.limit_bytes = 64 << 10;
        assert!(refused(&settings).contains("no smaller number"), "{}", refused(&settings));
    }

    #[test]
    fn descriptors_that_are_missing_are_told_with_what_would_fit() {
        let mut settings = settings(1, &[64, 1_024], 256);
        assert_eq!(files_missing(&settings, 1_128), None);
        let text = files_missing(&settings, 500).unwrap();
        assert!(text.contains("1128 open files and may have 500: [Socket] Connections = 396 would fit"), "{text}");
        settings.process.open_files = 500;
        assert!(files_missing(&settings, 500).unwrap().contains("[Process] OpenFiles = 1128 would do"));
    }
}
