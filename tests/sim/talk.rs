//! What a client says and what it must hear: the oracle of each protocol, checked byte by byte as it comes.

use crate::house::Protocol;
use crate::pages::{LATE, conversation};
use crate::plan::Plan;
use crate::rng::{Rng, pattern};
use crate::services::RETURN;

pub struct Talk {
    out: Vec<u8>,
    pub sent: usize,
    heard: Vec<u8>,
    expect: Expect,
    /// The server closes after this many bytes of ours; what we send behind them is nobody's.
    quits_at: Option<usize>,
}

enum Expect {
    /// These bytes and no others.
    Exactly(Vec<u8>),
    /// A place in the log, then the log from there on, up to this line of ours at least.
    Log { own: Vec<u8> },
    /// These lines in order, and ticks between them.
    Lines { answers: Vec<u8> },
    /// These answers, each beginning at one of these places; the last word may cut them short there.
    Answers { all: Vec<u8>, starts: Vec<usize> },
    /// Whatever comes.
    Anything,
}

impl Talk {
    /// A conversation of the protocol, small enough to be legal for the plan's sizes.
    pub fn of(protocol: Protocol, plan: &Plan, key: u64, rng: &mut Rng) -> Self {
        let size = rng.pick(&[0, 1, 10, 100, 1000, 3000]);
        let bytes = |n: usize| -> Vec<u8> { (0..n).map(|at| pattern(key, at)).collect() };
        let mut quits_at = None;
        let (out, expect) = match protocol {
            Protocol::Echo => (bytes(size), Expect::Exactly(bytes(size))),
            Protocol::Discard => (bytes(size), Expect::Exactly(Vec::new())),
            Protocol::Frame => {
                let (mut out, replies) = frames(plan.scratch.min(256), rng);
                if rng.chance(400) {
                    out.push(0);
                    quits_at = Some(out.len());
                    out.extend(bytes(rng.pick(&[0, 5, 200, 2000])));
                }
                (out, Expect::Exactly(replies))
            }
            Protocol::Chat => {
                let own = format!("<{key}> {}\n", "x".repeat(rng.below(plan.scratch / 2)));
                let own = own.as_bytes()[own.len().saturating_sub(plan.scratch)..].to_vec();
                (own.clone(), Expect::Log { own })
            }
            Protocol::Lines => {
                let (mut out, most) = (Vec::new(), plan.scratch.min(200) - 1);
                for line in 0..rng.below(12) {
                    let text: String =
                        (0..rng.below(most)).map(|at| (b'a' + pattern(key, line * 999 + at) % 26) as char).collect();
                    out.extend(format!("{text}\n").bytes());
                }
                let answers = out.to_ascii_uppercase();
                (out, Expect::Lines { answers })
            }
            Protocol::Http => {
                let (mut out, all, starts, closes) = conversation(rng);
                if closes {
                    quits_at = Some(out.len());
                    out.extend(bytes(rng.pick(&[0, 5, 200])));
                }
                (out, Expect::Answers { all, starts })
            }
        };
        Self { out, sent: 0, heard: Vec::new(), expect, quits_at }
    }

    pub fn rubbish(rng: &mut Rng) -> Self {
        let out = (0..rng.between(100, 6000)).map(|_| rng.next() as u8).collect();
        Self { out, sent: 0, heard: Vec::new(), expect: Expect::Anything, quits_at: None }
    }

    pub fn to_send(&self, most: usize) -> &[u8] {
        let rest = &self.out[self.sent..];
        &rest[..most.min(rest.len())]
    }

    pub fn is_sent(&self) -> bool {
        self.sent >= self.quits_at.unwrap_or(self.out.len())
    }

    /// The server was told to close.
    pub fn quits(&self) -> bool {
        self.quits_at.is_some()
    }

    /// Bytes that moved, either way.
    pub fn moved(&self) -> usize {
        self.sent + self.heard.len()
    }

    /// Takes bytes from the server and panics at the first that is wrong.
    pub fn hear(&mut self, bytes: &[u8], log: &[u8]) {
        self.heard.extend(bytes);
        match &self.expect {
            Expect::Exactly(all) => {
                assert!(all.starts_with(&self.heard), "byte {} is wrong", differs(all, &self.heard));
            }
            Expect::Log { .. } => {
                let Some((at, said)) = self.heard.split_at_checked(8) else { return };
                let at = u64::from_be_bytes(at.try_into().expect("eight")) as usize;
                assert!(log[at..].starts_with(said), "not the log: byte {}", differs(&log[at..], said));
            }
            Expect::Lines { answers } => {
                let said = without_ticks(&self.heard);
                let said = said.strip_suffix(b"late\n").unwrap_or(&said);
                // The start of a tick may be heard before its rest.
                let whole = said.len() - said.iter().rev().take_while(|byte| b"ticklae".contains(byte)).count();
                assert!(answers.starts_with(&said[..whole]), "line byte {} is wrong", differs(answers, said));
            }
            Expect::Answers { all, starts } => {
                let heard = &self.heard;
                let late = |at: &usize| {
                    heard
                        .split_at_checked(*at)
                        .is_some_and(|(said, word)| all.starts_with(said) && LATE.starts_with(word))
                };
                assert!(all.starts_with(heard) || starts.iter().any(late), "byte {} is wrong", differs(all, heard));
            }
            Expect::Anything => {}
        }
    }

    /// Everything was sent and everything came back.
    pub fn is_answered(&self) -> bool {
        let whole = match &self.expect {
            Expect::Exactly(all) => self.heard.len() == all.len(),
            Expect::Answers { all, .. } => self.heard == *all,
            Expect::Log { own } => {
                self.heard.get(8..).is_some_and(|said| said.windows(own.len()).any(|window| window == own))
            }
            Expect::Lines { answers } => without_ticks(&self.heard) == *answers,
            Expect::Anything => true,
        };
        whole && self.is_sent()
    }
}

impl std::fmt::Debug for Talk {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        write!(f, "{} of {} sent, {} heard", self.sent, self.out.len(), self.heard.len())?;
        if let Expect::Exactly(all) = &self.expect { write!(f, " of {}", all.len()) } else { Ok(()) }
    }
}

/// Some messages and the replies they ask for.
fn frames(longest: usize, rng: &mut Rng) -> (Vec<u8>, Vec<u8>) {
    let (mut out, mut replies) = (Vec::new(), Vec::new());
    for _ in 0..rng.below(8) {
        let len = 3 + rng.below(longest - 4);
        let key = if rng.chance(300) { RETURN } else { rng.next() as u8 };
        let (size, begin) = (rng.pick(&[0, 1, 5, 40, 300, 2000]), out.len());
        out.push(len as u8);
        out.extend((size as u16).to_be_bytes());
        out.push(key);
        out.extend((3..len).map(|at| pattern(7, at)));
        replies.extend((0..size).map(|at| pattern(key as u64, at)));
        if key == RETURN {
            replies.extend(&out[begin..]);
        }
    }
    (out, replies)
}

fn without_ticks(heard: &[u8]) -> Vec<u8> {
    heard.split_inclusive(|byte| *byte == b'\n').filter(|line| *line != b"tick\n").flatten().copied().collect()
}

fn differs(want: &[u8], got: &[u8]) -> usize {
    got.iter().zip(want).position(|(a, b)| a != b).unwrap_or(want.len().min(got.len()))
}
