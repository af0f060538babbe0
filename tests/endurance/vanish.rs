//! Clients that are gone without a word, a pulled cable or lost packets: the kernel's watch frees their slots within
//! what is configured, long before `IdleTimeout` would.

use std::io::Write as _;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use rustix::net::sockopt;
use rustix::process::Signal;

use crate::bystanders::{BYSTANDERS, Bystanders, Visits};
use crate::client::say;
use crate::namespaces::{HERE, Namespaces};
use crate::proc::descriptors;
use crate::rig::{ECHO, Echo, Rig, connect};
use crate::server::wait_until;

const GONE: usize = 48;
/// On top of the configured time, for a busy machine.
const GRACE: Duration = Duration::from_secs(1);
/// Silent for a second, then asked three times a second apart.
const KEEPALIVE: Duration = Duration::from_secs(4);
const USER_TIMEOUT: Duration = Duration::from_secs(2);

#[derive(Clone, Copy, Debug)]
enum How {
    /// The cable is pulled while all is silent.
    Pulled,
    /// Packets are lost while all is silent.
    Lost,
    /// The cable is pulled while the server has more to send than the clients take.
    PulledWhileSending,
}

/// Serves 48 clients on a cable and the well-behaved ones on the loopback; the cable fails; how long until the slots
/// are back.
fn vanish(name: &str, how: How, keys: &str) -> Option<Duration> {
    let spaces = Namespaces::make(name)?;
    let keys = format!("ListenAddress = *\nIdleTimeout = 10m\nWriteTimeout = 10m\n{keys}");
    let rig = spaces.here(|| Rig::echo(Echo { socket: &keys, ..ECHO }));
    let port = rig.server.port;
    let before = descriptors(rig.worker());
    let far: Vec<TcpStream> = spaces.there(|| (0..GONE).map(|_| narrow(SocketAddr::from((HERE, port)))).collect());
    far.iter().for_each(|stream| say(stream, b"here"));
    let near = |()| connect((Ipv4Addr::LOCALHOST, port).into()).unwrap();
    let near: Mutex<Vec<TcpStream>> = Mutex::new(spaces.here(|| [(); BYSTANDERS].map(near).into()));
    let near = Arc::new(near);
    let bystanders = Bystanders::start(Visits::Never, move || near.lock().unwrap().pop().unwrap());
    let all = descriptors(rig.worker());
    if let How::PulledWhileSending = how {
        far.iter().for_each(fill);
    }
    match how {
        How::Pulled | How::PulledWhileSending => spaces.pull(),
        How::Lost => spaces.lose(),
    }
    let began = Instant::now();
    assert_eq!(all, before + BYSTANDERS + GONE);
    assert_eq!(descriptors(rig.worker()), all, "they are still taken for alive");
    wait_until("the slots", || descriptors(rig.worker()) == before + BYSTANDERS);
    let waited = began.elapsed();
    bystanders.end();
    let log = rig.stop(Signal::QUIT);
    assert!(log.contains(&format!("reset {GONE}")), "{log}");
    drop(far);
    eprintln!("{how:?}: slots back after {waited:.2?}");
    Some(waited)
}

/// As [`Rig::connect_narrow`], to any address.
fn narrow(to: SocketAddr) -> TcpStream {
    let stream = connect(to).unwrap();
    sockopt::set_socket_recv_buffer_size(&stream, 64 * 1_024).unwrap();
    stream
}

/// Sends until the server has answers that this client's kernel takes no more of. Not for long: the watch on such a
/// client has begun.
fn fill(mut stream: &TcpStream) {
    stream.set_nonblocking(true).unwrap();
    let mut refusals = 0;
    while refusals < 5 {
        match stream.write(&[b'x'; 65_536]) {
            Ok(0..) => refusals = 0,
            Err(_) => {
                refusals += 1;
                thread::sleep(Duration::from_millis(1));
            }
        }
    }
}

#[test]
fn a_pulled_cable_and_lost_packets_free_silent_clients_within_the_keepalive() {
    thread::scope(|scope| {
        for (name, how) in [("silent", How::Pulled), ("lost", How::Lost)] {
            scope.spawn(move || {
                let Some(waited) = vanish(name, how, "KeepAlive = 1s") else { return };
                assert!(waited < KEEPALIVE + GRACE, "{how:?}: {waited:?}");
            });
        }
    });
}

#[test]
fn a_user_timeout_cuts_the_keepalive_short() {
    let Some(waited) = vanish("short", How::Pulled, "KeepAlive = 1s\nUserTimeout = 2s") else { return };
    assert!(waited < USER_TIMEOUT + GRACE, "{waited:?}");
}

#[test]
fn a_cable_pulled_in_the_middle_of_replies_frees_their_slots_within_the_user_timeout() {
    // Not every client is owed a byte at that moment: the KeepAlive is for those that are not. The kernel looks at the
    // time when it sends again, after pauses that double; before the KeepAlive alone would have freed anyone.
    let Some(waited) = vanish("sending", How::PulledWhileSending, "KeepAlive = 1s\nUserTimeout = 2s") else { return };
    assert!(waited < KEEPALIVE, "{waited:?}");
}
