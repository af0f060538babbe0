//! Counts that nothing takes back, and limits that can be seen.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::time::Duration;

use rustix::process::Signal;

use crate::ask::{asked, configure, connect, is_served, json, log, number, ports, serve, stop, visit};
use crate::server::{Server, is_gone, send, wait_until};

fn accepted(server: &Server, section: &str) -> u64 {
    number(&json(server), &[section, "accepted"])
}

fn accepted_in_all(server: &Server) -> u64 {
    number(&json(server), &["counts", "accepted"])
}

/// HUP, and the old workers gone.
fn reload(server: &mut Server, workers: usize) {
    let old = crate::server::children(server.pid());
    send(server.pid(), Signal::HUP);
    wait_until("the old workers to go", || old.iter().all(|worker| is_gone(*worker)));
    server.workers(workers);
}

#[test]
fn counts_survive_killed_workers_and_reloads_that_move_rename_and_remove_listeners() {
    let [a, b] = ports();
    let mut server = serve("Workers = 2\nRespawnLimit = 0", &[("a", a, ""), ("b", b, "")]);
    visit(a, 30);
    visit(b, 7);
    wait_until("the closes", || number(&json(&server), &["connections", "closed"]) == 37);
    for killed in 1..=3 {
        let worker = server.workers(2)[0];
        send(worker, Signal::KILL);
        wait_until("the respawn", || number(&json(&server), &["respawns"]) == killed);
        server.workers(2);
        assert_eq!((accepted(&server, "[Socket a]"), accepted(&server, "[Socket b]")), (30, 7));
    }
    // A connection that a killed worker held is neither active any more nor closed for a reason.
    let held: Vec<TcpStream> = (0..4).map(|_| connect(1, a)).collect();
    assert!(held.iter().all(is_served));
    assert_eq!(number(&json(&server), &["connections", "active"]), 4);
    server.workers(2).into_iter().for_each(|worker| send(worker, Signal::KILL));
    wait_until("the respawns", || number(&json(&server), &["respawns"]) == 5);
    server.workers(2);
    let after = json(&server);
    assert_eq!((number(&after, &["connections", "active"]), number(&after, &["[Socket a]", "active"])), (0, 0));
    assert_eq!(number(&after, &["[Socket a]", "accepted"]), 34);
    // The sections change places, then one goes and another comes.
    configure(&server, "Workers = 2\nRespawnLimit = 0", &[("b", b, ""), ("a", a, "")]);
    reload(&mut server, 2);
    visit(b, 1);
    assert_eq!((accepted(&server, "[Socket a]"), accepted(&server, "[Socket b]")), (34, 8));
    configure(&server, "Workers = 2\nRespawnLimit = 0", &[("c", a, ""), ("b", b, "")]);
    reload(&mut server, 2);
    visit(a, 2);
    assert_eq!((accepted(&server, "[Socket c]"), accepted(&server, "[Socket b]")), (2, 8));
    let last = json(&server);
    assert_eq!(number(&last, &["accepted_by_listeners_gone"]), 34);
    assert_eq!(number(&last, &["counts", "accepted"]), 44);
    assert_eq!((number(&last, &["reloads"]), number(&last, &["draining"])), (2, 0));
    let request_counts: u64 = number(&last, &["reply_ms", "count"]);
    assert_eq!(request_counts, 44);
    stop(server);
}

#[test]
fn every_refusal_and_every_wait_is_counted_at_its_listener_by_its_limit() {
    let [denying, few, refusing, full, hasty] = ports();
    let server = serve(
        "Workers = 1",
        &[
            ("denying", denying, "Deny = 127.0.0.2"),
            ("few", few, "PerClient = 2"),
            ("refusing", refusing, "Connections = 1\nWhenFull = refuse"),
            ("full", full, "Connections = 1"),
            ("hasty", hasty, "AcceptRate = 2"),
        ],
    );
    assert!(is_served(&connect(1, denying)) && !is_served(&connect(2, denying)) && !is_served(&connect(2, denying)));
    let held = [connect(1, few), connect(1, few), connect(1, refusing), connect(1, full)];
    assert!(held.iter().all(is_served));
    assert!(!is_served(&connect(1, few)) && !is_served(&connect(1, refusing)) && !is_served(&connect(1, refusing)));
    visit(hasty, 3);
    let now = json(&server);
    for (section, path, count) in [
        ("[Socket denying]", ["refused", "denied"], 2),
        ("[Socket few]", ["refused", "per_client"], 1),
        ("[Socket refusing]", ["refused", "full"], 2),
        ("[Socket full]", ["waited", "full"], 1),
    ] {
        assert_eq!(number(&now, &[section, path[0], path[1]]), count, "{section} {path:?}: {now}");
    }
    assert!(number(&now, &["[Socket hasty]", "waited", "rate"]) >= 1, "{now}");
    for (section, active, peak) in [("[Socket few]", 2, 2), ("[Socket denying]", 0, 1), ("[Socket full]", 1, 1)] {
        assert_eq!((number(&now, &[section, "active"]), number(&now, &[section, "peak"])), (active, peak), "{now}");
    }
    let text = asked(&server, &[]);
    assert!(text.contains("refused by Allow and Deny 2, by PerClient 0, because full 0"), "{text}");
    drop(held);
    stop(server);
}

#[test]
fn the_last_closes_name_reason_listener_and_peer() {
    let [quick, slow] = ports();
    let server = serve("Workers = 1", &[("quick", quick, "IdleTimeout = 300ms"), ("slow", slow, "")]);
    let idle = connect(3, quick);
    let peer = idle.local_addr().unwrap();
    assert_eq!((&idle).read(&mut [0]).unwrap(), 0);
    let text = asked(&server, &[]);
    assert!(text.contains(&format!("idle_timeout of {peer} on [Socket quick], after ")), "{text}");
    let reset = connect(4, slow);
    let peer = reset.local_addr().unwrap();
    assert!(is_served(&reset));
    rustix::net::sockopt::set_socket_linger(&reset, Some(Duration::ZERO)).unwrap();
    drop(reset);
    let close = format!("\"reason\":\"reset\",\"peer\":\"{peer}\",\"section\":\"[Socket slow]\"}}");
    wait_until("the reset", || json(&server).contains(&close));
    stop(server);
}

#[test]
fn a_leaver_is_told_as_draining_and_its_counts_stay() {
    let [port] = ports();
    let mut server = serve("Workers = 1\nDrainTimeout = 1m", &[("a", port, "")]);
    let mut stuck = connect(1, port);
    stuck.set_nonblocking(true).unwrap();
    // Until no more fits anywhere: the reply to it cannot leave.
    let mut refusals = 0;
    while refusals < 50 {
        refusals = if stuck.write(&[b'x'; 65_536]).is_ok_and(|count| count > 0) { 0 } else { refusals + 1 };
        if refusals > 0 {
            std::thread::sleep(Duration::from_millis(2));
        }
    }
    let before = json(&server);
    assert!(number(&before, &["blocks", "taken"]) > 0 && number(&before, &["blocks", "peak"]) > 0, "{before}");
    send(server.pid(), Signal::HUP);
    wait_until("the leaver", || number(&json(&server), &["draining"]) == 1);
    let during = json(&server);
    assert_eq!((number(&during, &["live"]), number(&during, &["wanted"])), (2, 1));
    assert_eq!(number(&during, &["connections", "active"]), 1);
    assert!(asked(&server, &[]).contains("workers 2, wanted 1, draining 1"));
    drop(stuck);
    wait_until("its end", || number(&json(&server), &["draining"]) == 0);
    let after = json(&server);
    assert_eq!((number(&after, &["connections", "active"]), number(&after, &["counts", "accepted"])), (0, 1));
    assert_eq!((number(&after, &["blocks", "taken"]), number(&after, &["connections", "closed"])), (0, 1));
    send(server.pid(), Signal::WINCH);
    wait_until("nobody", || json(&server).contains("\"parked\":true") && number(&json(&server), &["live"]) == 0);
    assert_eq!(accepted_in_all(&server), 1);
    server.write_conf("[Socket]\nListenPort = 0\n[Process]\nPidFile = tg.pid\n");
    send(server.pid(), Signal::HUP);
    // Only then another: a master that is slow to read would take the good one.
    wait_until("the failure", || log(&server).contains("stays in force"));
    configure(&server, "Workers = 1\nDrainTimeout = 1m", &[("a", port, "")]);
    wait_until("its mention", || json(&server).contains("last_reload_failed\":true"));
    send(server.pid(), Signal::HUP);
    server.workers(1);
    visit(port, 1);
    assert_eq!(accepted_in_all(&server), 2);
    stop(server);
}

#[test]
fn what_others_read_as_json_says_what_the_text_says() {
    let runs = Command::new("python3").arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    if !runs.is_ok_and(|status| status.success()) {
        assert!(std::env::var_os("TIDEGATE_REQUIRE_CLIENTS").is_none(), "python3 is required here");
        println!("skipped: python3 is not installed");
        return;
    }
    let [port] = ports();
    // A label with everything that JSON has to escape and a configuration may hold.
    let server = serve("Workers = 2", &[("q\"\\\u{e9}", port, "")]);
    visit(port, 12);
    wait_until("the closes", || number(&json(&server), &["connections", "closed"]) == 12);
    let script = "import json, sys\n\
        s = json.load(sys.stdin)\n\
        l = s['listeners'][0]\n\
        assert l['section'] == '[Socket q\"\\\\\u{e9}]', l\n\
        assert l['accepted'] == s['counts']['accepted'] == s['connections']['closed'] == 12\n\
        assert sum(s['closed'].values()) == 12 and s['closed']['ended'] == 12\n\
        for name in 'reply_ms', 'life_ms', 'awake_us':\n\
        \x20   assert sum(s[name]['below_powers_of_two']) == s[name]['count'], name\n\
        assert s['reply_ms']['count'] == s['life_ms']['count'] == 12 and s['awake_us']['count'] > 12\n\
        assert s['allocations_after_seal'] == 0 and s['workers'] == dict(live=2, wanted=2, draining=0, respawns=0)\n\
        assert len(s['last_closes']) == 12 and all(c['ago_ms'] < 60000 for c in s['last_closes'])\n";
    let mut python = Command::new("python3");
    let mut python = python.args(["-c", script]).stdin(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    python.stdin.take().unwrap().write_all(json(&server).as_bytes()).unwrap();
    let output = python.wait_with_output().unwrap();
    assert!(output.status.success(), "{}{}", String::from_utf8_lossy(&output.stderr), json(&server));
    stop(server);
}
