//! Every kind of address, and several listeners with services of their own in one server.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Ipv6Addr, Shutdown, SocketAddr, TcpListener, UdpSocket};
use std::os::unix::net::UnixStream;

use rustix::process::Signal;

use crate::client::{hear_end, pattern, say};
use crate::rig::{ECHO, Echo, Rig, connect};
use crate::server::{DEADLINE, exists, free_port};

/// A machine may be built without IPv6; a gate's is not.
fn has_ipv6() -> bool {
    let has = TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).is_ok();
    assert!(has || std::env::var_os("TIDEGATE_REQUIRE_CLIENTS").is_none(), "IPv6 is required here");
    if !has {
        println!("skipped: this machine has no IPv6");
    }
    has
}

fn echoes_and_ends(mut stream: impl Read + Write, end: impl FnOnce(&mut dyn Write)) {
    let message = pattern(11, 0, 40_000);
    stream.write_all(message).unwrap();
    end(&mut stream);
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    assert!(answer == message);
}

#[test]
fn a_unix_socket_echoes_and_ends() {
    let rig = Rig::start(2, "", |_| "[Socket]\nListenAddress = unix:tg.sock\n".into());
    let path = rig.server.directory.join("tg.sock");
    for _ in 0..20 {
        let stream = UnixStream::connect(&path).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        let end = stream.try_clone().unwrap();
        echoes_and_ends(stream, |_| end.shutdown(Shutdown::Write).unwrap());
    }
    rig.stop(Signal::QUIT);
    assert!(!exists(&path));
}

#[test]
fn an_ipv6_listener_serves_ipv6_and_leaves_the_ipv4_port_to_others() {
    if !has_ipv6() {
        return;
    }
    let rig = Rig::echo(Echo { socket: "ListenAddress = ::1", ..ECHO });
    let address: SocketAddr = (Ipv6Addr::LOCALHOST, rig.server.port).into();
    say(&connect(address).unwrap(), b"six");
    assert!(TcpListener::bind((Ipv4Addr::LOCALHOST, rig.server.port)).is_ok());
    rig.stop(Signal::QUIT);
}

#[test]
fn an_address_for_all_serves_peers_of_both_families() {
    if !has_ipv6() {
        return;
    }
    let rig = Rig::echo(Echo { workers: 2, socket: "ListenAddress = *", ..ECHO });
    let mut addresses: Vec<SocketAddr> =
        vec![(Ipv4Addr::LOCALHOST, rig.server.port).into(), (Ipv6Addr::LOCALHOST, rig.server.port).into()];
    addresses.extend(own_address().map(|ip| SocketAddr::new(ip, rig.server.port)));
    for address in addresses {
        for stream in (0..10).map(|_| connect(address).unwrap()) {
            let end = stream.try_clone().unwrap();
            echoes_and_ends(stream, |_| end.shutdown(Shutdown::Write).unwrap());
        }
    }
    rig.stop(Signal::QUIT);
}

/// An address of this machine that is not loopback, if it has a way out. Nothing is sent.
fn own_address() -> Option<std::net::IpAddr> {
    let probe = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).ok()?;
    probe.connect(("192.0.2.1", 9)).ok()?;
    Some(probe.local_addr().ok()?.ip()).filter(|ip| !ip.is_loopback())
}

#[test]
fn several_listeners_have_services_limits_and_deadlines_of_their_own() {
    let (discard, short) = (free_port(), free_port());
    let rig = Rig::start(1, "", |server| {
        format!(
            "[Socket]\nListenPort = {}\nConnections = 4\n\
             [Socket sink]\nListenPort = {discard}\nService = discard\n\
             [Socket short]\nListenPort = {short}\nIdleTimeout = 1\n\
             [Socket local]\nListenAddress = unix:tg.sock\n",
            server.port
        )
    });
    let at = |port: u16| connect((Ipv4Addr::LOCALHOST, port).into()).unwrap();
    // The first listener is full; the others have slots of their own.
    let full = rig.connect_many(6);
    full[..4].iter().for_each(|stream| say(stream, b"in"));
    let mut sink = at(discard);
    sink.write_all(&[1; 100_000]).unwrap();
    sink.shutdown(Shutdown::Write).unwrap();
    hear_end(&sink);
    let brief = at(short);
    say(&brief, b"quickly");
    hear_end(&brief);
    let mut local = UnixStream::connect(rig.server.directory.join("tg.sock")).unwrap();
    local.write_all(b"local").unwrap();
    let mut answer = [0; 5];
    local.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"local");
    full[..4].iter().for_each(|stream| say(stream, b"in"));
    rig.stop(Signal::QUIT);
}
