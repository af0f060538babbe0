//! The server's status as one of its processes can tell it: the board's counts beside the names in its configuration.

use heapless::Vec;
use tidegate_core::limits::LISTENERS_MAX;
use tidegate_core::status::{self, Listener, Status};

use crate::board::Board;
use crate::settings::{Address, Settings, Socket};

/// What a process needs for it. Asks for no memory, so a sealed process can.
#[derive(Clone, Copy)]
pub struct View<'a> {
    pub board: Board,
    pub settings: &'a Settings,
    pub conf_name: &'a str,
}

impl status::Board for View<'_> {
    fn look(&self, now_ms: u64, show: &mut dyn FnMut(&Status<'_>)) {
        let (facts, totals) = self.board.read();
        let listeners: Vec<Listener<'_>, LISTENERS_MAX> =
            self.settings.sockets.iter().take(LISTENERS_MAX).map(listener).collect();
        show(&Status {
            now_ms,
            version: env!("CARGO_PKG_VERSION"),
            configuration: self.conf_name,
            facts,
            listeners: &listeners,
            blocks: self.settings.memory.blocks,
            block_bytes: self.settings.memory.block_bytes,
            totals: &totals,
        });
    }
}

fn listener(socket: &Socket) -> Listener<'_> {
    let address = match &socket.address {
        Address::Ip(ip) => status::Address::Ip(*ip),
        Address::All(port) => status::Address::All(*port),
        // What is written in a configuration is text; only the prefix of the command line may be something else.
        Address::Unix(path) => status::Address::Unix(path.to_str().unwrap_or("a path that is no text")),
    };
    Listener { label: &socket.name, service: &socket.service, address, connections: socket.connections }
}
