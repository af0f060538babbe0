//! The storm: everything an operator and bad luck do to a server, while 64 clients count every byte.
//!
//! Reloads, upgrades, killed workers and renamed logs in an order that the seed decides. Afterwards nobody was refused,
//! no reply was broken except on connections that a killed worker held, nothing was left behind, and every event is
//! in the logs exactly once.

mod books;
mod clients;
mod disturbances;
mod ledger;

use std::collections::BTreeMap;
use std::fs;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::client::Random;
use crate::full;
use crate::proc::descriptors;
use crate::server::{Server, is_gone, send, wait_until};
use books::Books;
use clients::Clients;
use disturbances::{ROWS, Row, Site};
use ledger::Ledger;

const SEED: u64 = 0x51DE_6A7E;
/// The shortened form has this part of each disturbance.
const SHORT: usize = 10;
/// Between two disturbances: the log writes five lines a second of a kind, and the load goes on in peace for a while.
const PAUSE: Duration = Duration::from_millis(150);

/// What processes take, in KiB: what would be free without them. Of the named kinds only.
fn pss_kib(pids: &[i32], kinds: &[&str]) -> u64 {
    let of = |pid: &i32| -> u64 {
        let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap();
        let value = |line: &str| line.trim().trim_end_matches(" kB").parse::<u64>().unwrap();
        text.lines()
            .filter_map(|line| line.split_once(':'))
            .filter(|(kind, _)| kinds.contains(kind))
            .map(|(_, v)| value(v))
            .sum()
    };
    pids.iter().map(of).sum()
}

/// What must be the same after the storm as before.
#[derive(Debug)]
struct Rest {
    processes: usize,
    descriptors: usize,
    /// What is written to. Of the files' pages more is ours when others who run the program leave.
    master_own_kib: u64,
    all_own_kib: u64,
    all_kib: u64,
}

const OWN: &[&str] = &["Pss_Anon", "Pss_Shmem"];

impl Rest {
    /// Once only the master and two workers that have just begun are there.
    fn of(site: &mut Site) -> Self {
        disturbances::reload(site);
        let mut all = Vec::new();
        wait_until("the old processes to leave", || {
            all = site.family();
            all.len() == 1 + disturbances::WORKERS
        });
        let master = site.master();
        Self {
            processes: all.len(),
            descriptors: descriptors(master),
            master_own_kib: pss_kib(&[master], OWN),
            all_own_kib: pss_kib(&all, OWN),
            all_kib: pss_kib(&all, &["Pss"]),
        }
    }
}

/// KiB at full load, as `-t` announces them.
fn priced_kib(server: &Server) -> u64 {
    let json = String::from_utf8(server.run(&["-t", "--json", "-c", "tg.conf"]).stdout).unwrap();
    let figure = json.split("\"full_load_bytes\":").nth(1).unwrap();
    figure.split(|c: char| !c.is_ascii_digit()).next().unwrap().parse::<u64>().unwrap() / 1_024
}

/// Every disturbance as often as asked for, in an order that the seed decides.
fn plan(random: &mut Random) -> Vec<&'static Row> {
    let times = |row: &Row| if full() { row.times } else { row.times.div_ceil(SHORT) };
    let mut plan: Vec<&Row> = ROWS.iter().flat_map(|row| std::iter::repeat_n(row, times(row))).collect();
    for at in (1..plan.len()).rev() {
        plan.swap(at, random.below(at as u64 + 1) as usize);
    }
    plan
}

#[test]
fn a_storm_of_changes_under_load_refuses_nobody_breaks_nothing_and_leaves_nothing_behind() {
    let ledger = Arc::new(Ledger::default());
    let mut site = Site::start(ledger.clone());
    // Each has happened once before anything is measured.
    ROWS.iter().for_each(|row| (row.act)(&mut site));
    let before = Rest::of(&mut site);
    let clients = Clients::start(site.server.port, ledger.clone());
    let began = Instant::now();
    let mut random = Random(SEED);
    let mut done = BTreeMap::new();
    for row in plan(&mut random) {
        thread::sleep(PAUSE);
        (row.act)(&mut site);
        *done.entry(row.name).or_insert(0) += 1;
    }
    let told = clients.end();
    let took = began.elapsed();
    let after = Rest::of(&mut site);
    let priced = priced_kib(&site.server);
    eprintln!("{took:.1?}, {done:?}\n{told:#?}\n{} connections held by killed workers", ledger.condemned());
    eprintln!("before {before:?}\nafter  {after:?}, priced {priced} KiB");
    assert_eq!((told.refused, &told.broken), (0, &Vec::new()), "seed {SEED:#x}");
    assert!(told.excused <= ledger.condemned());
    assert!(told.requests > 100 * done.values().sum::<usize>(), "hardly any load: {told:?}");
    assert_eq!((after.processes, after.descriptors), (before.processes, before.descriptors));
    assert!(before.master_own_kib > 0 && after.master_own_kib <= before.master_own_kib + 64, "the master grew");
    assert!(after.all_own_kib <= before.all_own_kib + 192, "the server grew");
    assert!(after.all_kib <= priced, "more than its price");
    end(&mut site);
    Books::read(&site.server.directory).check(&site.happened);
}

/// Ends the server in order and sees that nothing of it stays.
fn end(site: &mut Site) {
    let master = site.master();
    send(master, Signal::QUIT);
    wait_until("the end", || is_gone(master) && site.family().is_empty());
    let (_, said) = site.server.end();
    assert_eq!(said, "");
}
