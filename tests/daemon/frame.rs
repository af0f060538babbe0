//! The frame service: whole, cut, damaged and too many frames; silence; and clients that are not ours.

use std::io::Write as _;
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::Signal;
use tidegate_core::frame::{ECHO, ERROR, Frame, HEARTBEAT, Refusal};

use crate::client::{hear, hear_end};
use crate::clients_of_others::{Client, is_installed};
use crate::rig::{ECHO as ONE, Echo, Rig};

fn serve(keys: &str) -> Rig {
    Rig::echo(Echo { socket: &format!("Service = frame\n{keys}"), ..ONE })
}

fn bytes(code: u16, body: &[u8]) -> Vec<u8> {
    [&Frame { code, body }.header().unwrap()[..], body].concat()
}

fn error(code: u16, refusal: Refusal) -> Vec<u8> {
    bytes(ERROR, &[code.to_be_bytes(), (refusal as u16).to_be_bytes()].concat())
}

fn tell(mut stream: &TcpStream, message: &[u8]) {
    stream.write_all(message).unwrap();
}

/// Sends this, and expects what is answered and then the end.
fn last_words(rig: &Rig, sent: &[u8], answered: &[u8]) {
    let stream = rig.connect();
    tell(&stream, sent);
    hear(&stream, answered);
    hear_end(&stream);
}

#[test]
fn pipelined_frames_are_answered_in_order_up_to_the_longest() {
    let rig = serve("");
    let stream = rig.connect();
    let long: Vec<u8> = (0..29_992_u32).map(|at| at as u8).collect();
    let echoes = [bytes(ECHO, b"one"), bytes(ECHO, &long), bytes(ECHO, b""), bytes(ECHO, &long)].concat();
    for _ in 0..5 {
        tell(&stream, &[&echoes[..], &bytes(99, b"?"), &bytes(HEARTBEAT, b"x")].concat());
        hear(&stream, &[&echoes[..], &error(99, Refusal::UnknownCode), &bytes(HEARTBEAT, b"")].concat());
    }
    let log = rig.stop(Signal::QUIT);
    assert!(log.contains("frames 30") && log.contains("frame_unknown_codes 5"), "{log}");
}

#[test]
fn a_frame_that_arrives_in_two_parts_cut_anywhere_is_one_frame() {
    let rig = serve("");
    let frames = [bytes(ECHO, b"a body"), bytes(HEARTBEAT, b"")].concat();
    let streams: Vec<TcpStream> = (0..=frames.len()).map(|_| rig.connect()).collect();
    for (cut, stream) in streams.iter().enumerate() {
        tell(stream, &frames[..cut]);
    }
    std::thread::sleep(Duration::from_millis(50));
    for (cut, stream) in streams.iter().enumerate() {
        tell(stream, &frames[cut..]);
        hear(stream, &frames);
    }
    rig.stop(Signal::QUIT);
}

#[test]
fn a_damaged_frame_closes_behind_the_answers_before_it_and_is_counted() {
    let rig = serve("MaxFrame = 100");
    let good = bytes(ECHO, b"good");
    let mut bad = bytes(ECHO, b"bad!");
    bad[9] ^= 0x20;
    last_words(&rig, &[&good[..], &bad, &good].concat(), &[&good[..], &error(0, Refusal::Crc)].concat());
    last_words(&rig, &[0, 101], &error(0, Refusal::Length));
    last_words(&rig, &[&good[..], &[0, 7]].concat(), &[&good[..], &error(0, Refusal::Length)].concat());
    let log = rig.stop(Signal::QUIT);
    assert!(log.contains("frame_bad_crcs 1") && log.contains("frame_bad_lengths 2"), "{log}");
}

#[test]
fn who_sends_more_frames_than_the_flood_limit_is_closed_and_others_are_not() {
    let rig = serve("FloodCount = 10\nFloodInterval = 1h");
    let (beat, other) = (bytes(HEARTBEAT, b""), rig.connect());
    last_words(&rig, &beat.repeat(11), &[&beat.repeat(10)[..], &error(0, Refusal::Flood)].concat());
    tell(&other, &beat.repeat(10));
    hear(&other, &beat.repeat(10));
    drop(other);
    let log = rig.stop(Signal::QUIT);
    assert!(log.contains("frame_floods 1"), "{log}");
}

#[test]
fn a_silent_client_is_closed_after_the_heartbeat_time_and_one_that_beats_is_not() {
    let rig = serve("Heartbeat = 1s");
    let (silent, beating, within) = (rig.connect(), rig.connect(), rig.connect());
    let start = Instant::now();
    tell(&within, &bytes(ECHO, b"never whole")[..9]);
    for _ in 0..10 {
        tell(&beating, &bytes(HEARTBEAT, b""));
        hear(&beating, &bytes(HEARTBEAT, b""));
        std::thread::sleep(Duration::from_millis(200));
    }
    hear_end(&silent);
    hear_end(&within);
    assert!(start.elapsed() >= Duration::from_secs(1));
    tell(&beating, &bytes(ECHO, b"still here"));
    hear(&beating, &bytes(ECHO, b"still here"));
    drop(beating);
    let log = rig.stop(Signal::QUIT);
    assert!(log.contains("idle_timeout 2"), "{log}");
}

#[test]
fn a_person_at_the_bench_calls_and_pings() {
    let rig = serve("MaxFrame = 1000");
    let place = rig.address().to_string();
    let run = |words: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tidegate"));
        let output = command.args(words).current_dir(&rig.server.directory).stdin(Stdio::null()).output().unwrap();
        (output.status.code().unwrap(), output.stdout, String::from_utf8(output.stderr).unwrap())
    };
    let (code, out, said) = run(&["ping", &place]);
    assert!(code == 0 && String::from_utf8_lossy(&out).contains("answered in"), "{said}");
    assert_eq!(run(&["call", &place, "1", "--hex", "00 ff:0a"]).1, [0, 255, 10]);
    std::fs::write(rig.server.directory.join("body"), "of a file").unwrap();
    assert_eq!(run(&["call", &place, "0x1", "--file", "body"]).1, b"of a file");
    assert!(run(&["call", &place, "2"]).1.starts_with(b"tidegate "));
    let (code, out, said) = run(&["call", &place, "99"]);
    assert!(code == 76 && out.is_empty() && said.contains("nobody answers code 99"), "{code} {said}");
    std::fs::write(rig.server.directory.join("long"), [0; 993]).unwrap();
    let (code, _, said) = run(&["call", &place, "1", "--file", "long"]);
    assert!(code == 76 && said.contains("MaxFrame"), "{code} {said}");
    assert_eq!(run(&["call", &place, "1", "--file", "missing"]).0, 66);
    assert_eq!(run(&["call", &place]).0, 64);
    let mut stdin = Command::new(env!("CARGO_BIN_EXE_tidegate"));
    let mut child =
        stdin.args(["call", &place, "1", "-"]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(b"typed").unwrap();
    assert_eq!(child.wait_with_output().unwrap().stdout, b"typed");
    rig.stop(Signal::QUIT);
    let (code, _, said) = {
        let output = Command::new(env!("CARGO_BIN_EXE_tidegate")).args(["ping", &place]).output().unwrap();
        (output.status.code(), output.stdout, String::from_utf8(output.stderr).unwrap())
    };
    assert!(code == Some(69) && said.contains(&place), "{code:?} {said}");
}

#[test]
fn the_client_in_the_readme_speaks_the_protocol() {
    if !is_installed("python3", "--version") {
        return;
    }
    let readme = include_str!("../../README.md");
    let script = readme.split("```python\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    let rig = serve("");
    let port = rig.server.port.to_string();
    let output = Client::start(Command::new("python3").args(["-c", script, "127.0.0.1", &port])).converse(b"");
    let output = String::from_utf8(output).unwrap();
    assert!(output.starts_with("(1, b'hello')\n(2, b'tidegate "), "{output}");
    rig.stop(Signal::QUIT);
}
