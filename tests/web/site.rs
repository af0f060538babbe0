//! A server with a folder of files.

use std::fs;
use std::path::{Path, PathBuf};

use rustix::process::Signal;

use crate::client::Client;
use crate::rig::Rig;

pub struct Web {
    pub rig: Rig,
}

impl Web {
    /// One worker; these lines stand in `[Socket]`.
    pub fn start(socket: &str) -> Self {
        Self::with("", socket, |_| ())
    }

    /// As `start`, with lines of `[Memory]` and with files that are there before the server is.
    pub fn with(memory: &str, socket: &str, fill: impl FnOnce(&Path)) -> Self {
        let rig = Rig::start(1, "", |server| {
            let root = server.directory.join("www");
            fs::create_dir_all(&root).unwrap();
            write(&root, "index.html", "<p>start</p>\n");
            write(&root, "1k.txt", "0123456789abcdef".repeat(64));
            fill(&root);
            let www = if socket.contains("Root =") { "" } else { "Root = www" };
            format!(
                "[Memory]\n{memory}\n[Socket]\nListenPort = {}\nListenAddress = 127.0.0.1\nService = http\n{www}\n{socket}\n",
                server.port
            )
        });
        Self { rig }
    }

    pub fn root(&self) -> PathBuf {
        self.rig.server.directory.join("www")
    }

    pub fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        write(&self.root(), name, text);
    }

    pub fn connect(&self) -> Client {
        Client::new(self.rig.connect())
    }

    /// One answer on a connection of its own.
    pub fn get(&self, path: &str) -> (u16, String) {
        let answer = self.connect().get(path);
        (answer.status, String::from_utf8_lossy(&answer.body).into_owned())
    }

    /// Ends it; the whole log.
    pub fn stop(self) -> String {
        self.rig.stop(Signal::TERM)
    }
}

/// Writes a file below a folder, with the folders on the way.
pub fn write(root: &Path, name: &str, text: impl AsRef<[u8]>) {
    let path = root.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

/// Sets when a file was changed, in seconds since 1970.
pub fn set_modified(root: &Path, name: &str, seconds: u64) {
    let file = fs::File::options().append(true).open(root.join(name)).unwrap();
    file.set_modified(std::time::UNIX_EPOCH + std::time::Duration::from_secs(seconds)).unwrap();
}
