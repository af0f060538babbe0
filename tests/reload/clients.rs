//! Clients that never stop asking: some with a connection for each question, some with one for many.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

/// What clients met.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Told {
    pub echoes: usize,
    /// Connections that were not taken.
    pub refused: usize,
    /// Answers that were not the question.
    pub wrong: usize,
    /// Questions without a whole answer: the first of a connection, or a later one of which a part was answered.
    pub lost: usize,
    /// Later questions met by a close: the worker was at rest when it left. Asked again on a new connection.
    pub asked_again: usize,
}

pub struct Clients {
    over: Arc<AtomicBool>,
    threads: Vec<JoinHandle<Told>>,
}

impl Clients {
    pub const COUNT: usize = 4;

    pub fn start(port: u16) -> Self {
        let over = Arc::new(AtomicBool::new(false));
        let threads = (0..Self::COUNT)
            .map(|number| {
                let over = over.clone();
                let questions = if number % 2 == 0 { 1 } else { 200 };
                std::thread::spawn(move || ask(port, questions, &over))
            })
            .collect();
        Self { over, threads }
    }

    pub fn end(self) -> Told {
        self.over.store(true, Ordering::Relaxed);
        let mut sum = Told::default();
        for thread in self.threads {
            let told = thread.join().unwrap();
            sum.echoes += told.echoes;
            sum.refused += told.refused;
            sum.wrong += told.wrong;
            sum.lost += told.lost;
            sum.asked_again += told.asked_again;
        }
        sum
    }
}

fn ask(port: u16, questions: usize, over: &AtomicBool) -> Told {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let mut told = Told::default();
    let mut number = 0_u64;
    while !over.load(Ordering::Relaxed) {
        let Ok(mut client) = TcpStream::connect_timeout(&address, Duration::from_secs(10)) else {
            told.refused += 1;
            continue;
        };
        client.set_nodelay(true).unwrap();
        client.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        for turn in 0..questions {
            if over.load(Ordering::Relaxed) {
                break;
            }
            number += 1;
            let question = format!("question {number:>20}");
            let mut answer = vec![0; question.len()];
            match exchange(&mut client, question.as_bytes(), &mut answer) {
                Ok(()) if answer == question.as_bytes() => told.echoes += 1,
                Ok(()) => told.wrong += 1,
                Err(0) if turn > 0 => {
                    told.asked_again += 1;
                    break;
                }
                Err(_) => {
                    told.lost += 1;
                    break;
                }
            }
        }
        // A breath, so that the ports of closed connections suffice.
        std::thread::sleep(Duration::from_micros(500));
    }
    told
}

/// Asks once; on failure how much of the answer came.
fn exchange(client: &mut TcpStream, question: &[u8], answer: &mut [u8]) -> Result<(), usize> {
    client.write_all(question).map_err(|_| 0_usize)?;
    let mut got = 0;
    while got < answer.len() {
        match client.read(&mut answer[got..]) {
            Ok(0) => return Err(got),
            Ok(count) => got += count,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(_) => return Err(got),
        }
    }
    Ok(())
}

/// Whether someone answers there.
pub fn echoes(port: u16) -> bool {
    let Ok(mut client) = TcpStream::connect((Ipv4Addr::LOCALHOST, port)) else { return false };
    client.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let mut answer = [0; 4];
    client.write_all(b"ping").is_ok() && client.read_exact(&mut answer).is_ok() && answer == *b"ping"
}

/// A client in the middle of an answer it does not read: its worker has something to wait for.
pub fn slow_reader(port: u16) -> (TcpStream, usize) {
    let mut client = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
    client.set_nonblocking(true).unwrap();
    let (mut sent, mut quiet) = (0, 0);
    while quiet < 40 {
        match client.write(&[b'x'; 65_536]) {
            Ok(count) => (sent, quiet) = (sent + count, 0),
            Err(_) => {
                quiet += 1;
                std::thread::sleep(Duration::from_millis(5));
            }
        }
    }
    client.set_nonblocking(false).unwrap();
    client.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    (client, sent)
}
