//! What the core's steps cost, in instructions: the same number on a busy machine and on a quiet one.
//!
//! Without arguments this program runs itself under callgrind, twice for each case: (count at 2N - count at N) / N is
//! what one round costs, free of start-up. The table is compared with `instructions.txt`; `BLESS=1` rewrites that
//! file. With `--only CASE N` it does N rounds of one case and nothing else.

mod cases;
mod world;

use std::fmt::Write;
use std::process::{Command, ExitCode, exit};

use cases::{CASES, ROUNDS};

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/instructions.txt");

/// More than this above the number on file fails; so does this much below it, because then the file should say so.
const ABOVE_PERCENT: f64 = 2.0;
const BELOW_PERCENT: f64 = 5.0;
/// Both, when the numbers on file were counted with another compiler or on another kind of machine.
const FOREIGN_PERCENT: f64 = 10.0;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    match words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => judge(),
        ["--only", name, rounds] => {
            let case = CASES.iter().find(|case| case.0 == name).unwrap_or_else(|| fail("no such case"));
            (case.2)(rounds.parse().unwrap_or_else(|_| fail("N is a number")));
            ExitCode::SUCCESS
        }
        _ => fail("usage: tidegate-bench [--only CASE N]"),
    }
}

fn judge() -> ExitCode {
    if cfg!(debug_assertions) {
        fail("a debug build counts its own checks: cargo run --release -p tidegate-bench");
    }
    let file = std::fs::read_to_string(FILE).unwrap_or_default();
    let (here, there) = (machine(), file.lines().find_map(|line| line.strip_prefix("# counted with ")));
    let bless = std::env::var_os("BLESS").is_some_and(|value| value == "1");
    let (mut above, mut below) = (ABOVE_PERCENT, BELOW_PERCENT);
    if !bless && there != Some(&here) {
        println!("NOTE: counted on file with {}, here with {here}:", there.unwrap_or("nothing"));
        println!("      numbers are compared within {FOREIGN_PERCENT} %.");
        (above, below) = (FOREIGN_PERCENT, FOREIGN_PERCENT);
    }
    let mut fresh = format!("# Instructions a round; see main.rs.\n# counted with {here}\n");
    let mut failed = 0;
    println!("{:<14} {:>12} {:>10} {:>8}   one round", "case", "instructions", "on file", "change");
    for (name, what, _) in CASES {
        let cost = (count(name, 2 * ROUNDS) - count(name, ROUNDS)) as f64 / f64::from(ROUNDS);
        writeln!(fresh, "{name:<14} {cost:10.1}   {what}").expect("a string takes all");
        let known = file.lines().map(str::split_whitespace).find_map(|mut words| {
            (words.next() == Some(name)).then(|| words.next().and_then(|number| number.parse::<f64>().ok()))?
        });
        let change = known.map(|known| (cost / known - 1.0) * 100.0);
        let verdict = match change {
            _ if bless => "",
            None => "   FAILED: not on file",
            Some(change) if change > above => "   FAILED: dearer",
            Some(change) if change < -below => "   FAILED: cheaper, update the file",
            Some(_) => "",
        };
        failed += u32::from(!verdict.is_empty());
        let known = known.map_or("-".into(), |known| format!("{known:.1}"));
        let change = change.map_or("-".into(), |change| format!("{change:+.1}%"));
        println!("{name:<14} {cost:>12.1} {known:>10} {change:>8}   {what}{verdict}");
    }
    if bless {
        std::fs::write(FILE, fresh).unwrap_or_else(|error| fail(&format!("{FILE}: {error}")));
        println!("written to {FILE}");
    }
    if failed > 0 {
        println!(
            "{failed} of {} changed. If that is meant: BLESS=1 cargo run --release -p tidegate-bench",
            CASES.len()
        );
    }
    ExitCode::from(u8::from(failed > 0))
}

/// The instructions of a whole run.
fn count(name: &str, rounds: u32) -> i64 {
    let myself = std::env::current_exe().expect("this program");
    let run = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(myself)
        .args(["--only", name, &rounds.to_string()])
        .output()
        .unwrap_or_else(|error| fail(&format!("valgrind: {error}")));
    let said = String::from_utf8_lossy(&run.stderr);
    let total = said.lines().find_map(|line| line.split_once("Collected :")?.1.trim().parse().ok());
    match total {
        Some(total) if run.status.success() => total,
        _ => fail(&format!("{name}: valgrind failed\n{said}")),
    }
}

/// What the numbers depend on besides this source.
fn machine() -> String {
    let said = Command::new(std::env::var_os("RUSTC").unwrap_or("rustc".into())).arg("--version").output();
    let version = said.map(|said| String::from_utf8_lossy(&said.stdout).trim().to_string());
    format!("{} on {}", version.unwrap_or_else(|error| fail(&format!("rustc: {error}"))), std::env::consts::ARCH)
}

fn fail(why: &str) -> ! {
    eprintln!("tidegate-bench: {why}");
    exit(1)
}
