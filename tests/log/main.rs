//! The log from outside: its bounds, its targets, and disks that are full, missing or read-only.

mod away;
#[allow(dead_code)]
#[path = "../process/server.rs"]
mod server;
mod size;
mod targets;

use std::fs;
use std::io::Read as _;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::PathBuf;
use std::time::Duration;

use rustix::net::{AddressFamily, SocketType, bind, connect, socket};
use server::Server;

/// A server of two listeners: one echoes, the other refuses everyone, which is a line for each client.
struct Logged {
    server: Server,
    refusing: u16,
}

impl Logged {
    fn with(process: &str, log: &str) -> Self {
        let logged = Self { server: Server::with(""), refusing: server::free_port() };
        logged.write_conf(process, log);
        logged
    }

    fn write_conf(&self, process: &str, log: &str) {
        let Self { server: Server { port, .. }, refusing } = self;
        self.server.write_conf(&format!(
            "[Process]\nPidFile = tg.pid\n{process}\n[Log]\n{log}\n\
             [Socket]\nListenAddress = 127.0.0.1\nListenPort = {port}\n\
             [Socket refusing]\nListenAddress = 127.0.0.1\nListenPort = {refusing}\nDeny = 127.0.0.0/8\n"
        ));
    }

    fn start(self) -> Self {
        Self { server: self.server.start(), ..self }
    }

    /// Makes a worker say that it refused this client; waits until it has.
    fn refuse(&self, client: u16) {
        let [high, low] = client.to_be_bytes();
        let socket = socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
        bind(&socket, &SocketAddr::from((Ipv4Addr::new(127, 1, high, low), 0))).unwrap();
        connect(&socket, &SocketAddr::from((Ipv4Addr::LOCALHOST, self.refusing))).unwrap();
        let mut stream = TcpStream::from(socket);
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        // Closed, with or without a reset; what matters is that it has an end.
        assert!(matches!(stream.read(&mut [0]), Ok(0) | Err(_)));
    }

    fn serves(&self) -> bool {
        use std::io::Write as _;
        let Ok(mut client) = TcpStream::connect((Ipv4Addr::LOCALHOST, self.server.port)) else { return false };
        client.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        let mut answer = [0; 4];
        client.write_all(b"ping").is_ok() && client.read_exact(&mut answer).is_ok() && answer == *b"ping"
    }

    fn path(&self, name: &str) -> PathBuf {
        self.server.directory.join(name)
    }

    fn log(&self) -> String {
        fs::read_to_string(self.path("tg.log")).unwrap_or_default()
    }
}

/// How a refusal of this client begins.
fn refused(client: u16) -> String {
    let [high, low] = client.to_be_bytes();
    format!("listener 1: 127.1.{high}.{low}:")
}
