//! The word of a server that starts to whoever waits for it: a daemon's parent, or the server it is to replace.
//!
//! One byte through a pipe, the exit code: 0 once it serves, else followed by the sentence. A pipe that closes without
//! a word is a death that nobody foresaw.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::io::{self, Errno};
use rustix::pipe::{PipeFlags, pipe_with};

use crate::exit::{self, Failure};

/// Far more than the longest report of a bad configuration.
const WORD_BYTES_MAX: usize = 64 * 1024;

/// The side that starts. Dropped unspoken, it counts as a failure.
pub struct Ready(OwnedFd);

/// The side that waits.
pub struct Ear {
    reader: OwnedFd,
    word: Vec<u8>,
    /// Nothing more will come.
    over: bool,
}

pub fn pipe() -> io::Result<(Ear, Ready)> {
    let (reader, writer) = pipe_with(PipeFlags::CLOEXEC)?;
    Ok((Ear { reader, word: Vec::new(), over: false }, Ready(writer)))
}

impl Ready {
    /// The word is good; false if nobody is there to hear it.
    pub fn good(self) -> bool {
        io::write(&self.0, &[exit::OK]).is_ok()
    }

    pub fn failed(self, failure: &Failure) {
        let mut word = vec![failure.code];
        word.extend_from_slice(failure.text.as_bytes());
        let _ = io::write(&self.0, &word);
    }
}

impl From<OwnedFd> for Ready {
    fn from(writer: OwnedFd) -> Self {
        Self(writer)
    }
}

impl AsFd for Ready {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl Ear {
    /// Waits for the whole word.
    pub fn wait(&mut self) -> io::Result<()> {
        while !self.over && !self.is_good() {
            self.take()?;
        }
        Ok(())
    }

    /// Takes what has been said so far and does not wait.
    pub fn listen(&mut self) -> io::Result<()> {
        io::ioctl_fionbio(&self.reader, true)?;
        while !self.over && !self.is_good() {
            match self.take() {
                Err(Errno::AGAIN) => return Ok(()),
                outcome => outcome?,
            }
        }
        Ok(())
    }

    pub fn is_good(&self) -> bool {
        self.word.first() == Some(&exit::OK)
    }

    /// Why it does not serve, as far as it said so.
    pub fn failure(&self) -> Option<Failure> {
        let (code, text) = self.word.split_first().filter(|_| !self.is_good())?;
        Some(Failure::new(*code, String::from_utf8_lossy(text)))
    }

    /// What to watch for more to come.
    pub fn watched(&self) -> Option<BorrowedFd<'_>> {
        (!self.over && !self.is_good()).then(|| self.reader.as_fd())
    }

    fn take(&mut self) -> io::Result<()> {
        let mut part = [0; 512];
        match io::read(&self.reader, &mut part) {
            Ok(count) => {
                self.word.extend_from_slice(&part[..count]);
                self.over = count == 0 || self.word.len() >= WORD_BYTES_MAX;
                Ok(())
            }
            Err(Errno::INTR) => Ok(()),
            Err(errno) => Err(errno),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_good_word_a_sentence_and_silence_are_told_apart() {
        let _alone = crate::os::process::no_forks();
        let (mut ear, ready) = pipe().unwrap();
        ear.listen().unwrap();
        assert!(!ear.is_good() && ear.failure().is_none() && ear.watched().is_some());
        assert!(ready.good());
        ear.wait().unwrap();
        assert!(ear.is_good() && ear.failure().is_none() && ear.watched().is_none());
        let (mut ear, ready) = pipe().unwrap();
        ready.failed(&Failure::new(exit::CONFIG, "no".repeat(1_000)));
        ear.listen().unwrap();
        assert_eq!(ear.failure(), Some(Failure::new(exit::CONFIG, "no".repeat(1_000))));
        let (mut ear, ready) = pipe().unwrap();
        drop(ready);
        ear.listen().unwrap();
        assert!(!ear.is_good() && ear.failure().is_none() && ear.watched().is_none());
        let (ear, ready) = pipe().unwrap();
        drop(ear);
        assert!(!ready.good(), "nobody hears it");
    }
}
