//! Sixteen well-behaved clients beside the hostile ones: half stay connected, half come anew for each exchange.

use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::client::{pattern, say};

pub const BYSTANDERS: usize = 16;
/// Between two exchanges of one client.
const REST: Duration = Duration::from_millis(20);
/// Nobody waits longer for an answer, however busy the machine: served is served.
const PATIENCE: Duration = Duration::from_secs(2);

/// Whether clients come anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Visits {
    /// Every other one.
    Half,
    /// None: newcomers are not to be served at once.
    Never,
}

pub struct Bystanders {
    over: Arc<AtomicBool>,
    threads: Vec<JoinHandle<usize>>,
    began: Instant,
}

impl Bystanders {
    /// All have been served once when this returns.
    pub fn start(visits: Visits, connect: impl Fn() -> TcpStream + Clone + Send + 'static) -> Self {
        let over = Arc::new(AtomicBool::new(false));
        let client = |number: usize| {
            let (over, connect) = (over.clone(), connect.clone());
            let stays = visits == Visits::Never || number.is_multiple_of(2);
            let mut stream = connect();
            say(&stream, b"here");
            thread::spawn(move || {
                let mut exchanges = 0;
                while !over.load(Relaxed) {
                    thread::sleep(REST);
                    let asked = Instant::now();
                    if !stays {
                        drop(stream);
                        stream = connect();
                    }
                    say(&stream, pattern(number as u64, exchanges, 200));
                    let waited = asked.elapsed();
                    assert!(waited < PATIENCE, "client {number} waited {waited:?} for exchange {exchanges}");
                    exchanges += 1;
                }
                exchanges as usize
            })
        };
        let threads = (0..BYSTANDERS).map(client).collect();
        Self { over, threads, began: Instant::now() }
    }

    /// Each must have been served all along.
    pub fn end(self) {
        let lasted = self.began.elapsed();
        self.over.store(true, Relaxed);
        for thread in self.threads {
            let exchanges = thread.join().expect("a well-behaved client was not served");
            assert!(exchanges as u128 >= lasted.as_millis() / 1_000, "{exchanges} exchanges in {lasted:?}");
        }
    }
}
