//! A server to be asked, and what its answers hold.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;

use rustix::net::{AddressFamily, SocketType};
use rustix::process::Signal;

use crate::server::{DEADLINE, Server, free_port, send};

/// Starts a server with these keys of the process, and one listener for each of these texts.
pub fn serve(process: &str, listeners: &[(&str, u16, &str)]) -> Server {
    let server = Server::with("");
    configure(&server, process, listeners);
    server.start()
}

pub fn configure(server: &Server, process: &str, listeners: &[(&str, u16, &str)]) {
    let mut text = format!("[Process]\nPidFile = tg.pid\n{process}\n[Log]\nFile = tg.log\n");
    for (label, port, keys) in listeners {
        text.push_str(&format!("[Socket {label}]\nListenAddress = 127.0.0.1\nListenPort = {port}\n{keys}\n"));
    }
    server.write_conf(&text);
}

/// `-s status` with these words too.
pub fn asked(server: &Server, words: &[&str]) -> String {
    let output = server.run(&[&["-c", "tg.conf", "-s", "status"], words].concat());
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!((output.status.code(), said.as_str()), (Some(0), ""));
    String::from_utf8(output.stdout).unwrap()
}

pub fn json(server: &Server) -> String {
    asked(server, &["--json"])
}

/// The number behind these names, each looked for behind the one before it.
pub fn number(json: &str, path: &[&str]) -> u64 {
    let mut rest = json;
    for name in path {
        let quoted = format!("\"{name}\"");
        rest = rest.split_once(&quoted).unwrap_or_else(|| panic!("no {name} of {path:?} in {json}")).1;
    }
    let digits: String = rest.trim_start_matches(':').chars().take_while(char::is_ascii_digit).collect();
    digits.parse().unwrap_or_else(|_| panic!("{path:?} is no number in {json}"))
}

pub fn log(server: &Server) -> String {
    fs::read_to_string(server.directory.join("tg.log")).unwrap_or_default()
}

/// Connects from 127.0.0.`host`.
pub fn connect(host: u8, port: u16) -> TcpStream {
    let fd = rustix::net::socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
    rustix::net::bind(&fd, &SocketAddr::from((Ipv4Addr::new(127, 0, 0, host), 0))).unwrap();
    rustix::net::connect(&fd, &SocketAddr::from((Ipv4Addr::LOCALHOST, port))).unwrap();
    let stream = TcpStream::from(fd);
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    stream
}

/// One echo; false if the server ends the connection instead.
pub fn is_served(mut client: &TcpStream) -> bool {
    let mut answer = [0; 4];
    client.write_all(b"ping").is_ok() && client.read_exact(&mut answer).is_ok() && answer == *b"ping"
}

/// So many connections, one echo in each.
pub fn visit(port: u16, times: usize) {
    (0..times).for_each(|_| assert!(is_served(&connect(1, port))));
}

pub fn control(server: &Server) -> UnixStream {
    let client = UnixStream::connect(server.directory.join("tg.pid.sock")).unwrap();
    client.set_read_timeout(Some(DEADLINE)).unwrap();
    client
}

/// Stops the server; its log has nothing that a worker must not do.
pub fn stop(mut server: Server) {
    send(server.pid(), Signal::TERM);
    let (code, said) = server.end();
    let log = log(&server);
    assert_eq!((code, said.as_str()), (Some(0), ""), "{log}");
    assert!(!log.contains("after the seal") && !log.contains("killed by signal 6"), "{log}");
    assert!(!server.directory.join("tg.pid.sock").exists());
}

pub fn ports<const N: usize>() -> [u16; N] {
    [(); N].map(|()| free_port())
}
