extern crate std;

use std::format;
use std::string::String;

use super::*;
use crate::net::PackedPeer;
use crate::stats::{Counter, Reason};

pub struct Text(pub String);

impl uWrite for Text {
    type Error = core::convert::Infallible;

    fn write_str(&mut self, text: &str) -> Result<(), Self::Error> {
        self.0.push_str(text);
        Ok(())
    }
}

fn written(status: &Status<'_>, form: Form) -> String {
    let mut out = Text(String::new());
    let Ok(()) = status.write(form, &mut out);
    out.0
}

/// One listener that was met, one that was not, one text that is all trouble.
pub fn with_status(act: impl FnOnce(&Status<'_>)) {
    let totals = Stats::new();
    totals.add_at(0, Counter::Accepted);
    totals.add_at(0, Counter::RefusedPerClient);
    totals.live(0, 1, 1);
    totals.close(7_000, 2_500, 0, Reason::IdleTimeout, PackedPeer::UNIX);
    totals.reply_ms.record(5);
    let listeners = [
        Listener { label: "plc", service: "echo", address: Address::All(5678), connections: 64 },
        Listener { label: "", service: "echo", address: Address::Unix("/run/a\"b\\c\n\u{1b}\u{e9}"), connections: 1 },
    ];
    act(&Status {
        now_ms: 10_000,
        version: "1.2.3",
        configuration: "/etc/tg.conf",
        facts: Facts { pid: 42, workers_live: 1, workers_wanted: 2, reload_failed: true, ..Facts::default() },
        listeners: &listeners,
        blocks: 256,
        block_bytes: 2_048,
        totals: &totals,
    });
}

/// A reader of JSON that knows no more than whether it is: what follows one value.
fn value(text: &str) -> Option<&str> {
    let list = |open: char, close: char| -> Option<&str> {
        let mut rest = text.strip_prefix(open)?;
        if let Some(rest) = rest.strip_prefix(close) {
            return Some(rest);
        }
        loop {
            if open == '{' {
                rest = value(rest).filter(|_| rest.starts_with('"'))?.strip_prefix(':')?;
            }
            rest = value(rest)?;
            match rest.strip_prefix(',') {
                Some(more) => rest = more,
                None => return rest.strip_prefix(close),
            }
        }
    };
    match text.chars().next()? {
        '{' => list('{', '}'),
        '[' => list('[', ']'),
        '"' => {
            let mut rest = text[1..].chars();
            loop {
                match rest.next()? {
                    '"' => return Some(rest.as_str()),
                    '\\' => match rest.next()? {
                        'u' => {
                            let digits = rest.as_str().get(..4)?;
                            u32::from_str_radix(digits, 16).ok()?;
                            rest = rest.as_str()[4..].chars();
                        }
                        c => {
                            "\"\\/bfnrt".find(c)?;
                        }
                    },
                    c => {
                        (c >= ' ').then_some(())?;
                    }
                }
            }
        }
        '0'..='9' => Some(text.trim_start_matches(|c: char| c.is_ascii_digit())),
        _ => ["true", "false", "null"].iter().find_map(|word| text.strip_prefix(word)),
    }
}

#[test]
fn the_json_is_json_whatever_the_configuration_is_called() {
    with_status(|status| {
        let json = written(status, Form::Json);
        assert_eq!(value(&json), Some("\n"), "{json}");
        for part in [
            "{\"version\":\"1.2.3\",\"pid\":42,\"uptime_ms\":10000,",
            "\"last_reload_failed\":true,\"upgrading\":false",
            "\"section\":\"[Socket plc]\",\"service\":\"echo\",\"address\":\"*:5678\",\"connections\":64,\"active\":1",
            "\"refused\":{\"denied\":0,\"per_client\":1,\"full\":0}",
            "unix:/run/a\\\"b\\\\c\\u000a\\u001b\u{e9}\"",
            "\"allocations_after_seal\":0",
            "\"last_closes\":[{\"ago_ms\":3000,\"life_ms\":2500,\"reason\":\"idle_timeout\",\"peer\":\"unix\",\"section\":\"[Socket plc]\"}]",
        ] {
            assert!(json.contains(part), "{part} in {json}");
        }
    });
}

#[test]
fn without_listeners_and_closes_it_is_json_too() {
    with_status(|status| {
        let json = written(&Status { listeners: &[], totals: &Stats::new(), ..*status }, Form::Json);
        assert_eq!(value(&json), Some("\n"), "{json}");
    });
}

#[test]
fn the_text_names_each_limit_by_its_key_and_ends_with_the_allocations() {
    with_status(|status| {
        let text = written(status, Form::Text);
        for part in [
            "tidegate 1.2.3, process 42, up 10 s\n",
            "the last reload failed",
            "workers 1, wanted 2",
            "[Socket plc], echo on *:5678\n",
            "by PerClient 1, ",
            "p99 up to 7 ms",
            "3 s ago: idle_timeout of unix on [Socket plc], after 2 s\n",
            "unix:/run/a\"b\\c??\u{e9}\n",
        ] {
            assert!(text.contains(part), "{part} in {text}");
        }
        assert!(text.lines().last().unwrap().starts_with(LAST_WORDS), "{text}");
        assert!(text.lines().all(|line| line.len() < 160), "{text}");
    });
}

#[test]
fn no_part_is_longer_than_stated_in_the_worst_case() {
    let worst = "\u{1}".repeat(1_000);
    let listener = Listener { label: &worst, service: &worst, address: Address::Unix(&worst), connections: u32::MAX };
    let totals = Stats::new();
    for close in 0..CLOSES_KEPT as u64 {
        let longest = "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff%4294967295]:65535".parse().unwrap();
        let peer = PackedPeer::pack(crate::net::Peer::Ip(longest));
        totals.close(u64::MAX - close, u64::MAX, 15, Reason::RequestTimeout, peer);
    }
    let facts =
        Facts { respawns: u64::MAX, pid: u32::MAX, reloads: u32::MAX, workers_wanted: u32::MAX, ..Facts::default() };
    let status = Status {
        now_ms: u64::MAX,
        version: &worst,
        configuration: &worst,
        facts,
        listeners: &[listener; LISTENERS_MAX],
        blocks: u32::MAX,
        block_bytes: u32::MAX,
        totals: &totals,
    };
    // Counts of a server that has counted to the end: as many digits as there can be.
    let grown = |text: &str| text.len() + text.matches(|c: char| c.is_ascii_digit()).count() * 20;
    for form in [Form::Text, Form::Json] {
        for number in 0..PARTS {
            let mut out = Text(String::new());
            let Ok(()) = status.write_part(form, number, &mut out);
            let long = match Part::of(number) {
                Part::Head | Part::Listener(_) | Part::Close(_) => out.0.len() + 20 * 12,
                _ => grown(&out.0),
            };
            assert!(long <= PART_BYTES_MAX, "{form:?} {:?}: {long}", Part::of(number));
        }
        let whole = written(&status, form);
        assert!(form == Form::Text || value(&whole) == Some("\n"), "{whole}");
    }
    assert_eq!(format!("{:?}", Part::of(PARTS - 1)), "End");
}

#[test]
fn times_are_said_in_their_two_largest_units() {
    for (ms, said) in [
        (0, "0 ms"),
        (999, "999 ms"),
        (59_999, "59 s"),
        (61_000, "1 min 1 s"),
        (3_660_000, "1 h 1 min"),
        (90_000_000, "1 d 1 h"),
    ] {
        let mut out = Text(String::new());
        let Ok(()) = text::span(&mut out, ms);
        assert_eq!(out.0, said);
    }
}
