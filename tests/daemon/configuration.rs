//! The shortest configurations that serve.

use std::net::Ipv4Addr;
use std::process::Stdio;

use rustix::process::Signal;

use crate::client::exchange;
use crate::rig::connect;
use crate::server::{DEADLINE, Server, send, title, wait_until};

/// The seed's lines, with its trailing spaces, on a port of our own.
fn seed(port: u16) -> String {
    format!("[Socket]\nListenPort = {port}    \n\nDBInfo = 127.0.0.1\n")
}

#[test]
fn the_seeds_lines_are_a_configuration_that_echoes() {
    for line_end in ["\n", "\r\n"] {
        let server = Server::with("");
        server.write_conf(&seed(server.port).replace('\n', line_end));
        let mut child = server.command(&["-c", "tg.conf"]).stderr(Stdio::null()).spawn().unwrap();
        let pid = child.id() as i32;
        let outcome = std::panic::catch_unwind(|| {
            let address = (Ipv4Addr::LOCALHOST, server.port).into();
            wait_until("the title", || title(pid).starts_with("tidegate: "));
            exchange(&connect(address).unwrap(), 1, 300_000, 0);
        });
        send(pid, if outcome.is_ok() { Signal::QUIT } else { Signal::KILL });
        let mut code = None;
        wait_until("the end", || {
            code = child.try_wait().unwrap();
            code.is_some()
        });
        outcome.unwrap();
        assert_eq!(code.unwrap().code(), Some(0), "within {DEADLINE:?}");
    }
}
