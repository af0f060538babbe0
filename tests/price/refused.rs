//! What cannot be paid is refused in a sentence that says what could be.

use std::os::unix::process::CommandExt as _;

use rustix::process::{Resource, Rlimit, setrlimit};

use crate::{configured, priced};

/// Every number as `N`: what a build's own files weigh is not the same everywhere.
fn without_numbers(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        match c.is_ascii_digit() {
            true if out.ends_with('N') => {}
            true => out.push('N'),
            false => out.push(c),
        }
    }
    out
}

#[test]
fn a_limit_that_is_too_low_is_refused_by_the_check_and_by_the_start() {
    for (connections, memory, advice) in [
        (19_000, "Limit = 4500K", "[Socket] Connections = N would fit"),
        (64, "Limit = 6M\nBlocks = 4096", "[Memory] Blocks = N would fit"),
        (64, "Limit = 100K", "no smaller number of connections, blocks or workers alone would fit"),
    ] {
        let server = configured(1, connections, memory);
        let sentence = format!(
            "tidegate: tg.conf: at full load the server needs NK, over [Memory] Limit = NK: {advice}, or Limit = NK\n"
        );
        let output = server.run(&["-t", "-c", "tg.conf"]);
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!((output.status.code(), without_numbers(&said)), (Some(78), sentence));
        assert!(output.stdout.is_empty());
        let start = server.run(&["-c", "tg.conf"]);
        assert_eq!(start.status.code(), Some(78));
        let directory = format!("{}/", server.directory.display());
        assert_eq!(String::from_utf8(start.stderr).unwrap().replace(&directory, ""), said);
        // What is named as enough is enough, and a kilobyte less is not.
        let enough: u64 = said.trim_end().rsplit_once(" = ").unwrap().1.trim_end_matches('K').parse().unwrap();
        for (limit, code) in [(enough, 0), (enough - 1, 78)] {
            let set = format!("Memory.Limit={limit}K");
            assert_eq!(server.run(&["-t", "-q", "-c", "tg.conf", "-g", &set]).status.code(), Some(code), "{set}");
        }
    }
}

#[test]
fn memory_that_is_not_there_is_missed_at_the_start() {
    let server = configured(1, 100_000, "Reserve = start\nBlocks = 65535");
    let mut command = server.command(&["-c", "tg.conf"]);
    limit_memory(&mut command);
    let output = command.output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(71), "{said}");
    assert_eq!(
        without_numbers(&said),
        "tidegate: [Memory] Reserve = start: a worker's NM cannot be had (N: ENOMEM, Cannot allocate memory)\n"
    );
}

#[test]
fn more_than_the_machine_has_is_missed_at_the_start() {
    let server = configured(64, 1_000_000, "Reserve = start\nBlocks = 65535\nBlockSize = 32K");
    let output = server.run(&["-c", "tg.conf"]);
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(71), "{said}");
    assert_eq!(without_numbers(&said), "tidegate: [Memory] Reserve = start needs NM now, and only NM are free\n");
}

#[test]
fn missing_descriptors_are_refused_by_the_check_and_by_the_start_with_what_would_fit() {
    let server = configured(1, 1_024, "");
    let output = server.run(&["-t", "-c", "tg.conf", "-g", "Process.OpenFiles=500"]);
    assert_eq!((output.status.code(), output.stdout.len()), (Some(78), 0));
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(
        said,
        "tidegate: tg.conf: a worker may need 1064 open files and may have 500: [Process] OpenFiles = 1064 would do, \
         or 0\n"
    );
    let start = server.run(&["-c", "tg.conf", "-g", "Process.OpenFiles=500"]);
    assert_eq!(start.status.code(), Some(78));
    let directory = format!("{}/", server.directory.display());
    assert_eq!(String::from_utf8(start.stderr).unwrap().replace(&directory, ""), said);
    for (files, code) in [(1_064, 0), (1_063, 78)] {
        let set = format!("Process.OpenFiles={files}");
        assert_eq!(server.run(&["-t", "-q", "-c", "tg.conf", "-g", &set]).status.code(), Some(code), "{set}");
    }
    let json = String::from_utf8(server.run(&["-t", "--json", "-c", "tg.conf"]).stdout).unwrap();
    assert_eq!(priced(&json, "worker", "open_files"), 1_064);
}

fn limit_memory(command: &mut std::process::Command) {
    let limit = Rlimit { current: Some(100 << 20), maximum: Some(100 << 20) };
    // SAFETY: between fork and exec only `setrlimit` is called, which takes no lock and allocates nothing.
    unsafe { command.pre_exec(move || Ok(setrlimit(Resource::As, limit)?)) };
}
