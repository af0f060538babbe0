//! The first screen, for someone who started the server by hand: what listens, how to try it, how to stop it.

use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::os::file;
use crate::settings::{Address, Settings, Socket};

/// Listeners named one by one; a few words for the rest keep the screen under ten lines.
const SHOWN_MAX: usize = 4;

pub fn show(settings: &Settings, conf_name: &str) {
    // Whoever stopped reading does not stop us.
    let _ = file::write_line(rustix::stdio::stderr(), text(settings, conf_name).as_bytes());
}

fn text(settings: &Settings, conf_name: &str) -> String {
    let mut out = format!("tidegate {} serves {conf_name}\n", env!("CARGO_PKG_VERSION"));
    for Socket { service, address, http, .. } in settings.sockets.iter().take(SHOWN_MAX) {
        let _ = match host(address) {
            Some((host, port)) if http.status => {
                writeln!(out, "  {service:<8} on {address}, status page http://{}/status", SocketAddr::new(host, port))
            }
            _ => writeln!(out, "  {service:<8} on {address}"),
        };
    }
    if settings.sockets.len() > SHOWN_MAX {
        let _ = writeln!(out, "  and {} more", settings.sockets.len() - SHOWN_MAX);
    }
    if let Some(socket) = settings.sockets.iter().find(|socket| socket.service != "http") {
        let _ = writeln!(out, "try it:  printf 'hello\\n' | {}", client(&socket.address));
    }
    let pid = rustix::process::getpid().as_raw_nonzero();
    let _ = writeln!(out, "stop it: Ctrl-C, or kill -QUIT {pid} to let connections finish");
    out.push_str("more:    tidegate -h, and tidegate --help-conf for every configuration key\n");
    out
}

fn client(address: &Address) -> String {
    match (address, host(address)) {
        (Address::Unix(path), _) => format!("nc -NU {}", path.display()),
        (_, Some((host, port))) => format!("nc -N {host} {port}"),
        (_, None) => String::new(),
    }
}

/// Where someone on this machine reaches a listener; `None` for a path.
fn host(address: &Address) -> Option<(IpAddr, u16)> {
    match address {
        Address::Ip(ip) => {
            let host = match ip.ip() {
                IpAddr::V4(v4) if v4.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
                IpAddr::V6(v6) if v6.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
                host => host,
            };
            Some((host, ip.port()))
        }
        Address::All(port) => Some((Ipv4Addr::LOCALHOST.into(), *port)),
        Address::Unix(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_screen_is_short_and_can_be_typed() {
        let socket = |address: &str| Socket {
            service: "echo".into(),
            address: Address::Ip(address.parse().unwrap()),
            ..Socket::default()
        };
        let mut settings = Settings { sockets: vec![socket("0.0.0.0:5678")], ..Settings::default() };
        assert!(text(&settings, "x").contains("| nc -N 127.0.0.1 5678\n"));
        settings.sockets[0].http.status = true;
        settings.sockets[0].service = "http".into();
        let page = text(&settings, "x");
        assert!(page.contains("on 0.0.0.0:5678, status page http://127.0.0.1:5678/status\n"), "{page}");
        settings.sockets = vec![socket("[::]:1"); 16];
        let text = text(&settings, "x");
        assert!(text.contains("| nc -N ::1 1\n") && text.contains("and 12 more"), "{text}");
        assert!(text.lines().count() < 10);
    }
}
