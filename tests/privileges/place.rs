//! Boxes that lack something at boot: an address, a writable disk, any privilege.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::process::Command;
use std::thread;

use rustix::process::Signal;
use rustix::thread::{UnshareFlags, unshare_unsafe};

use crate::server::{Server, send, wait_until};
use crate::{NOBODY, Running, as_nobody, echoes, echoes_here, has, is_root, is_there, status};

fn ip(words: &str) {
    let output = Command::new("ip").args(words.split(' ')).output().unwrap();
    assert!(output.status.success(), "ip {words}: {}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn an_address_that_comes_after_the_start_is_served_from_then_on() {
    if !has("ip") {
        return;
    }
    // A thread may live in a network of its own, and so does what it starts.
    let test = || {
        // SAFETY: no other thread shares what is parted here.
        if !is_there("network namespace", unsafe { unshare_unsafe(UnshareFlags::NEWNET) }.is_ok()) {
            return;
        }
        ip("link set lo up");
        let mut addresses: Vec<(IpAddr, &str)> = vec![(Ipv4Addr::new(192, 0, 2, 7).into(), "192.0.2.7/24 dev lo")];
        if std::path::Path::new("/proc/sys/net/ipv6").exists() {
            let address = Ipv6Addr::new(0x2001, 0xDB8, 0, 0, 0, 0, 0, 7);
            addresses.push((address.into(), "2001:db8::7/64 dev lo nodad"));
        }
        let server = Server::with("");
        let port = server.port;
        let sockets = addresses
            .iter()
            .enumerate()
            .map(|(at, (address, _))| format!("[Socket s{at}]\nListenAddress = {address}\nListenPort = {port}\n"));
        server.write_conf(&format!("[Process]\nPidFile = tg.pid\n{}", sockets.collect::<String>()));
        let mut server = server.start();
        server.workers(1);
        assert!(addresses.iter().all(|(address, _)| !echoes(*address, port)), "nobody can reach them yet");
        for (address, added) in addresses {
            ip(&format!("addr add {added}"));
            wait_until("an echo", || echoes(address, port));
        }
        send(server.pid(), Signal::TERM);
        assert_eq!(server.end().0, Some(0));
    };
    thread::spawn(test).join().unwrap();
}

/// The command in a world where no file system of ours can be written.
fn read_only(server: &Server, command: &Command) -> Running {
    let directory = server.directory.display();
    let script = format!(
        "mount --make-rprivate / && mount --bind {directory} {directory} && mount -o remount,bind,ro {directory} && \
         mount -o remount,bind,ro / && cd {directory} && ! touch probe && ! touch /probe && exec \"$@\""
    );
    let mut unshare = Command::new("unshare");
    unshare.args(["-m", "sh", "-c", &script, "sh"]).arg(command.get_program()).args(command.get_args());
    Running::start(&mut unshare)
}

#[test]
fn a_box_without_a_writable_disk_or_any_privilege_is_served_all_the_same() {
    if !is_root() || !has("unshare") || !has("setpriv") {
        return;
    }
    let probe = Command::new("unshare").args(["-m", "true"]).status();
    if !is_there("mount namespace", probe.is_ok_and(|status| status.success())) {
        return;
    }
    let server = Server::with("");
    let socket = format!("[Socket]\nListenAddress = 127.0.0.1\nListenPort = {}\n", server.port);
    server.write_conf(&socket);
    let mut as_root = Command::new(env!("CARGO_BIN_EXE_tidegate"));
    as_root.args(["-c", "tg.conf"]);
    let mut as_nobody = as_nobody(&server);
    as_nobody.args(["-c", "tg.conf"]);
    for (command, user) in [(&as_root, 0), (&as_nobody, NOBODY)] {
        let running = read_only(&server, command);
        wait_until("an echo", || echoes_here(server.port));
        assert_eq!(status(running.pid(), "Uid").split(' ').next(), Some(user.to_string().as_str()));
        send(running.pid(), Signal::QUIT);
        let (code, said) = running.end();
        assert_eq!(code, Some(0), "{said}");
        assert!(said.ends_with("#master: stopped\n"), "the log goes to standard error: {said}");
    }
    // A log that it cannot write does not stop it, and is on standard error; a pid file is a sentence with its key.
    std::fs::create_dir_all(server.directory.join("some")).unwrap();
    server.write_conf(&format!("[Log]\nFile = some/../new\n{socket}"));
    let running = read_only(&server, &as_root);
    wait_until("an echo", || echoes_here(server.port));
    send(running.pid(), Signal::QUIT);
    let (code, said) = running.end();
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("EROFS") && said.contains("[Log] File") && said.ends_with("#master: stopped\n"), "{said}");
    server.write_conf(&format!("[Process]\nPidFile = some/../new\n{socket}"));
    let (code, said) = read_only(&server, &as_root).end();
    assert_eq!(code, Some(73), "{said}");
    assert!(said.contains("EROFS") && said.contains("[Process] PidFile"), "{said}");
}
