//! What no single line shows: a listener without a port, and two listeners in one place.
//!
//! These wait until the command line has had its say, because it may add what the file lacks.

use super::Address;
use super::directives::Directive;
use super::document::{Document, Section};
use super::fault::Fault;
use super::problem::{Problem, Report};

/// A key whose default is an example: it must be written.
pub fn must_be_written(directive: &Directive) -> bool {
    directive.key == "ListenPort"
}

impl Document<'_> {
    /// The checks between keys and sections, once the file and every `-g` are read.
    pub fn finish(&self, report: &mut dyn FnMut(&Problem<'_>)) -> Result<(), u32> {
        let mut report = Report::new(report);
        for (at, socket) in self.sections("Socket").enumerate() {
            let Some(here) = home(&socket) else {
                if let Some(place) = socket.heading() {
                    report.add(place, Fault::PortMissing);
                }
                continue;
            };
            if let Some(twin) = self.sections("Socket").take(at).find(|other| home(other) == Some(here)) {
                let key = if socket.is_set("ListenPort") && here.1 != 0 { "ListenPort" } else { "ListenAddress" };
                if let Some(place) = socket.place(key) {
                    report.add(place, Fault::AddressTaken { line: twin.line() });
                }
            }
        }
        report.verdict(())
    }
}

/// Where a socket listens; a unix address has no port.
fn home<'t>(socket: &Section<'_, 't>) -> Option<(Address<'t>, u64)> {
    match socket.address("ListenAddress") {
        path @ Address::Unix(_) => Some((path, 0)),
        address => socket.is_set("ListenPort").then(|| (address, socket.number("ListenPort"))),
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
}
