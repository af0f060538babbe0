//! What no single line shows: a listener without a port, two listeners in one place, more connections than a worker
//! can number, a key of another service.
//!
//! These wait until the command line has had its say, because it may add what the file lacks.

use super::Address;
use super::directives::{frame, http};
use super::document::{Document, Section};
use super::fault::Fault;
use super::kind::Directive;
use super::problem::{Problem, Report};
use super::routes;
use crate::limits::{CONNECTIONS_MAX, HTTP_BLOCK_BYTES_MIN};

/// A key whose default is an example: it must be written.
pub fn must_be_written(directive: &Directive) -> bool {
    directive.key == "ListenPort"
}

impl Document<'_> {
    /// The checks between keys and sections, once the file and every `-g` are read. The error is the number of
    /// mistakes.
    pub fn finish(&self, report: &mut dyn FnMut(&Problem<'_>)) -> Result<(), u32> {
        let mut report = Report::new(report);
        self.check(&mut report);
        report.verdict(())
    }

    /// Leaves out what a refused line may have held: a guess would be a second complaint about one slip.
    pub(super) fn check(&self, report: &mut Report<'_>) {
        let (mut connections, mut enough) = (0_u64, true);
        self.check_blocks(report);
        for (at, socket) in self.sections("Socket").enumerate() {
            connections = connections.saturating_add(socket.number("Connections"));
            if enough && connections > u64::from(CONNECTIONS_MAX) {
                enough = false;
                if let Some(place) = socket.place("Connections").or(socket.heading()) {
                    report.add(place, Fault::TooManyConnections);
                }
            }
            check_service(&socket, report);
            if socket.doubtful() {
                continue;
            }
            let Some(here) = Home::of(&socket) else {
                if let Some(place) = socket.heading() {
                    report.add(place, Fault::PortMissing);
                }
                continue;
            };
            let mut earlier = self.sections("Socket").take(at).filter(|other| !other.doubtful());
            if let Some(twin) = earlier.find(|other| Home::of(other).is_some_and(|home| home.overlaps(here))) {
                let key = if here.port == 0 { "ListenAddress" } else { "ListenPort" };
                if let Some(place) = socket.place(key) {
                    let same = Home::of(&twin) == Some(here);
                    report.add(place, Fault::AddressTaken { line: twin.line(), same });
                }
            }
        }
    }
}

impl Document<'_> {
    /// The head of an HTTP answer has to fit one block, for there may be no more.
    fn check_blocks(&self, report: &mut Report<'_>) {
        let memory = self.section("Memory");
        let serves = self.sections("Socket").any(|socket| socket.text("Service") == http::SERVICE);
        if let (true, Some(place)) =
            (serves && memory.size("BlockSize") < HTTP_BLOCK_BYTES_MIN, memory.place("BlockSize"))
        {
            report.add(place, Fault::BlocksTooSmall { service: http::SERVICE });
        }
    }
}

/// What is said to a service that is not there would be ignored; a path leads to one place.
fn check_service(socket: &Section<'_, '_>, report: &mut Report<'_>) {
    for (service, directives) in [(http::SERVICE, http::DIRECTIVES), (frame::SERVICE, frame::DIRECTIVES)] {
        let is_other = socket.text("Service") != service && !socket.unsure();
        for directive in directives.iter().filter(|_| is_other) {
            if let Some(entry) = socket.entries(directive.key).find(|entry| entry.value() != directive.default) {
                report.add(entry.place(), Fault::KeyOfService { directive, service });
            }
        }
    }
    let routes =
        || socket.entries("Answer").chain(socket.entries("Redirect")).filter(|entry| !entry.value().is_empty());
    for (at, entry) in routes().enumerate() {
        let path = routes::path(entry.value());
        if let Some(twin) = routes().take(at).find(|twin| routes::path(twin.value()) == path) {
            report.add(entry.place(), Fault::RouteTaken { path, line: twin.line() });
        }
    }
}

/// The keys that say where a socket listens, and what it does.
pub const HOME_KEYS: &[&str] = &["ListenPort", "ListenAddress"];
pub const SERVICE_KEYS: &[&str] = &["Service"];

/// Whether a refused line may have held one of these keys.
pub fn clouds(fault: &Fault<'_>, keys: &[&str]) -> bool {
    match fault {
        Fault::BadValue { directive, .. } | Fault::KeyRepeated { directive, .. } => keys.contains(&directive.key),
        Fault::UnknownKey { nearest: Some(key), .. } => keys.contains(key),
        Fault::KeyElsewhere { .. } | Fault::BadPart { .. } | Fault::KeyTooOften { .. } => false,
        _ => true,
    }
}

/// Where a socket listens; a unix address has port 0.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Home<'t> {
    address: Address<'t>,
    port: u64,
}

impl<'t> Home<'t> {
    fn of(socket: &Section<'_, 't>) -> Option<Self> {
        match socket.address("ListenAddress") {
            address @ Address::Unix(_) => Some(Self { address, port: 0 }),
            address => socket.is_set("ListenPort").then(|| Self { address, port: socket.number("ListenPort") }),
        }
    }

    /// Whether the kernel would refuse the second of the two (`EADDRINUSE`). `*` is one socket for both families.
    fn overlaps(self, other: Self) -> bool {
        let covers = |wide, narrow| match (wide, narrow) {
            (Address::Any, _) => true,
            (Address::V4(wide), Address::V4(_)) => wide.is_unspecified(),
            (Address::V6(wide, _), Address::V6(..)) => wide.is_unspecified(),
            _ => false,
        };
        let (a, b) = (self.address, other.address);
        self.port == other.port && (a == b || self.port != 0 && (covers(a, b) || covers(b, a)))
    }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use std::borrow::ToOwned as _;
    use std::vec::Vec;

    use super::*;

    /// Lines of the mistakes.
    fn lines(text: &str, assignment: Option<&'static str>) -> Vec<(u32, u32)> {
        let text: &'static str = text.to_owned().leak();
        let mut document = Document::parse(text.as_bytes(), &mut |problem| panic!("{problem:?}")).unwrap();
        if let Some(assignment) = assignment {
            document.set(assignment, &mut |problem| panic!("{problem:?}")).unwrap();
        }
        let mut found = Vec::new();
        let result = document.finish(&mut |problem| found.push((problem.line, problem.column)));
        assert_eq!(result.err().unwrap_or(0) as usize, found.len());
        found
    }

    #[test]
    fn a_socket_needs_a_port_unless_it_is_a_path() {
        assert_eq!(lines("\n [Socket a]\n", None), [(2, 2)]);
        assert_eq!(lines("[Socket]\nListenAddress = unix:/x", None), []);
        assert_eq!(lines("[Socket]\n", Some("Socket.ListenPort=1")), []);
    }

    #[test]
    fn two_sockets_in_one_place_are_a_mistake_however_the_address_is_spelt() {
        let two = |a: &str, b: &str| lines(&std::format!("[Socket]\n{a}\n[Socket]\n{b}\n"), None);
        assert_eq!(two("ListenPort=1", "ListenPort=1"), [(4, 12)]);
        assert_eq!(two("ListenPort=1\nListenAddress=::1", "ListenPort=1\nListenAddress=[0:0::1]"), [(5, 12)]);
        assert_eq!(two("ListenAddress=unix:/a", "ListenAddress=unix:/a\nListenPort=3"), [(4, 15)]);
        assert_eq!(two("ListenPort=1", "ListenPort=2"), []);
        assert_eq!(two("ListenPort=1\nListenAddress=127.0.0.1", "ListenPort=1\nListenAddress=127.0.0.2"), []);
    }

    #[test]
    fn an_address_that_holds_another_is_a_mistake_as_the_kernel_sees_it() {
        let two = |a: &str, b: &str| {
            let socket = |address: &str| std::format!("[Socket]\nListenAddress={address}\nListenPort=1\n");
            let both = |a, b| !lines(&(socket(a) + &socket(b)), None).is_empty();
            assert_eq!(both(a, b), both(b, a), "{a} {b}");
            both(a, b)
        };
        for (a, b) in [("*", "127.0.0.1"), ("*", "::"), ("*", "::1"), ("0.0.0.0", "10.0.0.1"), ("::", "fe80::1%2")] {
            assert!(two(a, b), "{a} {b}");
        }
        for (a, b) in [("0.0.0.0", "::"), ("::", "127.0.0.1"), ("*", "unix:/x"), ("10.0.0.1", "10.0.0.2")] {
            assert!(!two(a, b), "{a} {b}");
        }
        assert!(two("::ffff:127.0.0.1", "127.0.0.1"));
    }

    #[test]
    fn a_key_of_another_service_is_a_mistake_unless_the_service_itself_was_refused() {
        let text = "[Socket]\nListenPort = 1\nRoot = /www\n";
        assert_eq!(lines(text, None), [(3, 8)]);
        assert_eq!(lines(text, Some("Socket.Service=http")), []);
        assert_eq!(lines(text, Some("Socket.Service=frame")), [(3, 8)]);
        let frames = "[Socket]\nListenPort = 1\nHeartbeat = 2s\n";
        assert_eq!(lines(frames, Some("Socket.Service=http")), [(3, 13)]);
        assert_eq!(lines(frames, Some("Socket.Service=frame")), []);
        assert_eq!(lines("[Socket]\nListenPort = 1\nIndex = index.html\nAnswer =\n", None), []);
        for slip in ["Service = htpp", "Servcie = http", "Service http"] {
            let text = std::format!("{text}{slip}\n");
            let mut told = 0;
            let _ = Document::load(text.as_bytes(), [], &mut |_| told += 1);
            assert_eq!(told, 1, "{slip}");
        }
    }

    #[test]
    fn a_path_leads_to_one_place_of_its_socket() {
        let text = "[Socket]\nListenPort = 1\nService = http\nAnswer = /a 204\n[Socket b]\nListenPort = 2\n\
                    Service = http\nAnswer = /a 204\n";
        assert_eq!(lines(text, None), []);
        assert_eq!(lines(text, Some("Socket b.Redirect=/a /b")), [(1, 19)]);
    }

    #[test]
    fn connections_of_all_sockets_together_have_a_bound_and_are_told_once() {
        let socket =
            |port: u32, connections: u32| std::format!("[Socket]\nListenPort = {port}\nConnections = {connections}\n");
        assert_eq!(lines(&(socket(1, CONNECTIONS_MAX - 1) + &socket(2, 1)), None), []);
        assert_eq!(lines(&(socket(1, CONNECTIONS_MAX - 1) + &socket(2, 2) + &socket(3, 2)), None), [(6, 15)]);
        assert_eq!(lines(&(socket(1, CONNECTIONS_MAX) + "[Socket]\nListenPort = 2"), None), [(4, 1)]);
    }
}
