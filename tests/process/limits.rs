//! Who gets in and who does not, on real sockets.

use std::fs;
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};

use std::time::{Duration, Instant};

use rustix::net::{AddressFamily, SocketType, bind, connect, socket};
use rustix::process::Signal;

use super::server::{DEADLINE, Server, send, wait_until};

/// A server of one worker whose listener has these keys too.
fn serve(keys: &str) -> Server {
    let server = Server::with("Workers = 1");
    let text = fs::read_to_string(server.directory.join("tg.conf")).unwrap();
    server.write_conf(&format!("{text}{keys}\n"));
    let mut server = server.start();
    server.workers(1);
    server
}

/// A client whose own address is 127.0.0.`host`.
fn client(server: &Server, host: u8) -> TcpStream {
    let fd = socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
    bind(&fd, &SocketAddr::from((Ipv4Addr::new(127, 0, 0, host), 0))).unwrap();
    connect(&fd, &SocketAddr::from((Ipv4Addr::LOCALHOST, server.port))).unwrap();
    let stream = TcpStream::from(fd);
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    stream
}

/// Whether it is served: an echo, or the end.
fn is_served(mut client: &TcpStream) -> bool {
    let mut answer = [0; 2];
    match client.write_all(b"hi").and_then(|()| client.read(&mut answer)) {
        Ok(0) => false,
        Ok(_) => true,
        Err(error) => {
            let kind = error.kind();
            assert!(matches!(kind, ErrorKind::ConnectionReset | ErrorKind::BrokenPipe), "{error}");
            false
        }
    }
}

/// Stops it and returns what it said.
fn said(mut server: Server) -> String {
    send(server.pid(), Signal::TERM);
    let (code, said) = server.end();
    assert_eq!(code, Some(0), "{said}");
    said
}

#[test]
fn a_denied_client_is_closed_at_once_and_an_allowed_one_served() {
    let server = serve("Allow = 127.0.0.0/30, ::1\nDeny = 127.0.0.2");
    for (host, served) in [(1, true), (2, false), (3, true), (4, false)] {
        assert_eq!(is_served(&client(&server, host)), served, "127.0.0.{host}");
    }
    let said = said(server);
    assert!(said.contains("127.0.0.2:") && said.contains("refused (Allow, Deny)"), "{said}");
}

#[test]
fn a_client_with_all_its_connections_waits_for_none_and_holds_up_no_one() {
    let server = serve("PerClient = 2");
    let (one, two) = (client(&server, 1), client(&server, 1));
    assert!(is_served(&one) && is_served(&two));
    assert!(!is_served(&client(&server, 1)));
    assert!(is_served(&client(&server, 2)));
    drop(one);
    // Its end has to be heard first.
    wait_until("the place", || is_served(&client(&server, 1)));
    let said = said(server);
    assert!(said.contains("refused, it has 2 connections already (PerClient)"), "{said}");
}

#[test]
fn over_the_rate_clients_wait_and_are_served_later() {
    let server = serve("AcceptRate = 5");
    let start = Instant::now();
    for _ in 0..10 {
        assert!(is_served(&client(&server, 1)));
    }
    // Five at once, five more in a second.
    assert!(start.elapsed() >= Duration::from_millis(900), "{:?}", start.elapsed());
    assert!(said(server).contains("5 connections in a second (AcceptRate)"));
}

#[test]
fn a_full_listener_refuses_at_once_where_that_is_wanted() {
    let server = serve("Connections = 2\nWhenFull = refuse");
    let (first, second) = (client(&server, 1), client(&server, 1));
    assert!(is_served(&first) && is_served(&second));
    assert!(!is_served(&client(&server, 1)));
    drop(first);
    wait_until("room for a third", || is_served(&client(&server, 1)));
    assert!(is_served(&second));
    let said = said(server);
    assert!(said.contains("refused, all connections taken (Connections, WhenFull)"), "{said}");
}

#[test]
fn in_a_full_listener_the_most_silent_makes_room_where_that_is_wanted() {
    let server = serve("Connections = 2\nWhenFull = oldest");
    let (mut first, second) = (client(&server, 1), client(&server, 1));
    assert!(is_served(&first));
    std::thread::sleep(Duration::from_millis(20));
    assert!(is_served(&second));
    let third = client(&server, 1);
    assert!(is_served(&third));
    assert_eq!(first.read(&mut [0]).unwrap(), 0, "the first is closed");
    assert!(is_served(&second) && is_served(&third));
    let said = said(server);
    assert!(said.contains("(Connections, WhenFull): closing 127.0.0.1:"), "{said}");
}
