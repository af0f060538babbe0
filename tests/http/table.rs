//! The cases: text files, read and played.
//!
//!     STATUS... END | BYTES          what is answered, what becomes of the connection, and what is sent
//!         Name: value                the last answer has this field with this value
//!         !Name                      it does not have this field
//!         =body                      its body is this; =[N] that it is N bytes long
//!
//! END is `open` (at rest), `wait` (a request is not complete) or `closed`. Bytes are text with `\r \n \t \0 \\ \xNN`;
//! `{G}` begins a `GET /a.txt` with its `Host`, `{E}` is a line's end, `{X*N}` is X so many times; `{end}` and
//! `{timeout}` say what the client does afterwards, `{other}` that it came to the second listener.

use crate::client::{Answer, read};
use crate::play::{How, Played, Then, play, play_on};

pub struct Case {
    pub place: String,
    pub statuses: Vec<u16>,
    pub end: String,
    pub bytes: Vec<u8>,
    pub then: Then,
    pub listener: usize,
    checks: Vec<String>,
}

pub fn cases(name: &str, text: &str) -> Vec<Case> {
    let mut cases: Vec<Case> = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let place = format!("{name}:{}", number + 1);
        if let Some(check) = line.strip_prefix("    ") {
            cases.last_mut().unwrap_or_else(|| panic!("{place}: a check of nothing")).checks.push(check.into());
        } else if !line.is_empty() && !line.starts_with('#') {
            let (outcome, bytes) = line.split_once(" | ").unwrap_or_else(|| panic!("{place}: no bytes"));
            let mut words: Vec<&str> = outcome.split_whitespace().collect();
            let end = words.pop().expect("an end").to_string();
            assert!(["open", "wait", "closed"].contains(&end.as_str()), "{place}: {end}");
            let statuses = words.iter().map(|word| word.parse().expect("a status")).collect();
            let mut case =
                Case { place, statuses, end, bytes: Vec::new(), then: Then::Stays, listener: 0, checks: Vec::new() };
            spell(bytes, &mut case);
            cases.push(case);
        }
    }
    cases
}

/// Where the brace closes that was opened before `text`.
fn closing(text: &str) -> Option<usize> {
    let mut open = 1;
    text.bytes().position(|byte| {
        open += i32::from(byte == b'{') - i32::from(byte == b'}');
        open == 0
    })
}

/// Writes out what a line means.
fn spell(text: &str, case: &mut Case) {
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        rest = &rest[first.len_utf8()..];
        match first {
            '\\' => {
                let (escape, behind) = rest.split_at(1);
                rest = behind;
                case.bytes.push(match escape {
                    "r" => b'\r',
                    "n" => b'\n',
                    "t" => b'\t',
                    "0" => 0,
                    "\\" => b'\\',
                    "{" => b'{',
                    "x" => {
                        let (hex, behind) = rest.split_at(2);
                        rest = behind;
                        u8::from_str_radix(hex, 16).expect("two digits")
                    }
                    other => panic!("{}: \\{other}", case.place),
                });
            }
            '{' => {
                let (word, behind) = rest.split_at(closing(rest).expect("a closing brace"));
                rest = &behind[1..];
                match word {
                    "G" => case.bytes.extend_from_slice(b"GET /a.txt HTTP/1.1\r\nHost: h\r\n"),
                    "E" => case.bytes.extend_from_slice(b"\r\n"),
                    "end" => case.then = Then::Ends,
                    "timeout" => case.then = Then::TimesOut,
                    "other" => case.listener = 1,
                    word => {
                        let (what, times) = word.rsplit_once('*').unwrap_or_else(|| panic!("{}: {word}", case.place));
                        let from = case.bytes.len();
                        spell(what, case);
                        let once = case.bytes.split_off(from);
                        case.bytes.extend(once.repeat(times.parse().expect("a number")));
                    }
                }
            }
            other => case.bytes.extend_from_slice(other.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
}

impl Case {
    /// Which of the requests are `HEAD`, as far as a case needs to know.
    fn heads(&self) -> Vec<bool> {
        let text = String::from_utf8_lossy(&self.bytes).into_owned();
        let lines = text.split("\r\n").filter(|line| line.contains(" HTTP/1."));
        lines.map(|line| line.starts_with("HEAD ")).collect()
    }

    fn judge(&self, played: &Played) -> Vec<Answer> {
        let end = match played {
            Played { closed: true, .. } => "closed",
            Played { unread: 0, .. } => "open",
            _ => "wait",
        };
        let answers = read(&played.sent, &self.heads(), played.closed);
        let statuses: Vec<u16> = answers.iter().map(|answer| answer.status).collect();
        assert_eq!((statuses, end), (self.statuses.clone(), self.end.as_str()), "{}", played.sent.escape_ascii());
        if let (true, Then::Stays, Some(last)) = (played.closed, self.then, answers.last()) {
            assert!(last.closes, "the last answer says that it is the last");
        }
        for answer in answers.iter().filter(|answer| answer.status != 100) {
            assert_eq!(answer.field("date"), Some("Tue, 14 Jul 2026 03:33:20 GMT"));
        }
        answers
    }

    /// Plays it at once, cut at every byte, dripped, and through a small outbox: always the same bytes.
    pub fn run(&self) {
        let at_once = How { listener: self.listener, ..How::default() };
        let (played, mut service) = play(&self.bytes, self.then, &at_once);
        let answers = self.judge(&played);
        let counted: u64 =
            tidegate_core::http::status::Status::ALL.iter().map(|status| service.counts().statuses(*status)).sum();
        assert_eq!(counted, answers.iter().filter(|answer| answer.status != 100).count() as u64, "each is counted");
        // What it remembers of a conversation changes none.
        if !self.bytes.windows(6).any(|word| word == b"/count") {
            let again = play_on(&mut service, &self.bytes, self.then, &at_once);
            assert_eq!(again, played, "the second time");
        }
        if let Some(last) = answers.last() {
            self.checks.iter().for_each(|check| examine(last, check));
        } else {
            assert!(self.checks.is_empty(), "checks of no answer");
        }
        let len = self.bytes.len();
        for cut in 0..len {
            let how = How { cuts: vec![cut], ..at_once.clone() };
            assert_eq!(play(&self.bytes, self.then, &how).0, played, "cut at {cut}");
        }
        for (step, outbox) in [(1, 16 * 1024), (1, 700), (7, 700), (len.max(1), 330), (3, 330)] {
            let cuts = (0..len).step_by(step).collect();
            let how = How { cuts, outbox, hands_over: Some(4_096), ..at_once.clone() };
            assert_eq!(play(&self.bytes, self.then, &how).0, played, "in steps of {step}, outbox of {outbox}");
        }
    }
}

fn examine(answer: &Answer, check: &str) {
    let shown = String::from_utf8_lossy(&answer.body).into_owned();
    if let Some(name) = check.strip_prefix('!') {
        assert_eq!(answer.field(name), None, "{check}");
    } else if let Some(len) = check.strip_prefix("=[").and_then(|len| len.strip_suffix(']')) {
        assert_eq!(answer.body.len(), len.parse().expect("a length"), "{check}");
    } else if let Some(body) = check.strip_prefix('=') {
        assert_eq!(shown, body.replace("\\n", "\n"), "{check}");
    } else {
        let (name, value) = check.split_once(": ").unwrap_or_else(|| panic!("{check}: what is this?"));
        assert_eq!(answer.field(name), Some(value), "{check} in {:?}", answer.fields);
    }
}
