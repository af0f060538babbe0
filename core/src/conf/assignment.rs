//! What the command line adds to a file: `-g 'Section.Key=value'`, which wins over the file; of a key that may stand
//! several times it is one more.
//!
//! Without a NAME it means the first section of its kind, as [`Document::section`] does.

use super::document::Document;
use super::entry::Entry;
use super::fault::Fault;
use super::line::{self, Refusal};
use super::problem::{Origin, Place, Problem, Report};
use super::{cut, judge, names};

impl<'t> Document<'t> {
    /// Sets one key, in a new section if there is none yet. A refused assignment changes nothing.
    pub fn set(&mut self, assignment: &'t str, report: &mut dyn FnMut(&Problem<'_>)) -> Result<(), u32> {
        let mut report = Report::new(report);
        self.assign(assignment, &mut report);
        report.verdict(())
    }

    pub(super) fn assign(&mut self, assignment: &'t str, report: &mut Report<'_>) {
        if let Err((place, fault)) = self.try_assign(Place::whole(Origin::CommandLine, 1, assignment.as_bytes())) {
            report.add(place, fault);
        }
    }

    fn try_assign(&mut self, place: Place<'t>) -> Result<(), Refusal<'t>> {
        let text = line::text(place)?;
        let refused = (place, Fault::NoAssignment);
        let (target, written) = cut::first(text, b'=').ok_or(refused)?;
        // A NAME may hold dots, a key never does.
        let (section, key) = cut::last(target, b'.').ok_or(refused)?;
        let ((name, label), key, written) = (line::heading(section), line::trim(key), line::trim(written));
        // A file could not hold such a heading, so a dump could not be read back.
        if label.is_some_and(|label| label.bytes().any(|byte| byte == b']')) {
            return Err(refused);
        }
        let kind = names::section(name).map_err(|fault| (place.at(name), fault))?;
        let directive = names::directive(kind, key).map_err(|fault| (place.at(key), fault))?;
        judge::value(place, directive, written)?;
        let found = self.parts.iter().position(|part| part.kind == kind && (label.is_none() || part.label == label));
        let part = match found {
            Some(part) => part,
            None => self.on_heading(place, kind, label)?,
        };
        let entry = Entry::new(part, directive, place, written);
        let once = directive.kind.times_max() == 1;
        match self.entries.iter_mut().find(|old| once && old.is_of(part, directive)) {
            Some(old) => *old = entry,
            None => {
                self.may_stand(part, directive).map_err(|fault| (place.at(key), fault))?;
                self.add_entry(entry).map_err(|fault| (place, fault))?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use super::*;
    use crate::conf::tests::Text;

    fn refusal(assignment: &str) -> std::string::String {
        let mut out = Text::default();
        let mut document = Document::default();
        let result = document.set(assignment, &mut |problem| {
            let _ = problem.write("tidegate.conf", &mut out);
        });
        assert_eq!((result, document.parts.len()), (Err(1), 0));
        out.0
    }

    fn parse(text: &str) -> Document<'_> {
        Document::parse(text.as_bytes(), &mut |problem| panic!("{problem:?}")).unwrap()
    }

    #[test]
    fn the_command_line_wins_over_the_file_and_over_itself() {
        let mut document = parse("[Socket a]\nListenPort = 1\n[Socket b.c]\nListenPort = 2\n");
        for assignment in
            ["Socket.ListenPort=3", "socket b.c.listenport = 4", "Socket b.c.ListenPort=5", "Log.Level=info"]
        {
            assert_eq!(document.set(assignment, &mut |problem| panic!("{problem:?}")), Ok(()));
        }
        let ports = document.sections("Socket").map(|socket| socket.number("ListenPort"));
        assert!(ports.eq([3, 5]));
        assert_eq!(document.section("Log").text("Level"), "info");
        assert_eq!(document.section("Log").line(), 0);
    }

    #[test]
    fn a_key_that_may_stand_several_times_is_added_to_up_to_its_bound() {
        let mut document = parse("[Socket]\nListenPort = 1\nService = http\nAnswer = /0 204\n");
        for text in ["Socket.Answer=/1 204", "Socket.Answer=/2 204", "Socket.Answer=/3 204", "Socket.Answer=/4 204"] {
            document.set(text, &mut |problem| panic!("{problem:?}")).unwrap();
        }
        let paths: std::vec::Vec<_> = document.section("Socket").answers("Answer").map(|answer| answer.path).collect();
        assert_eq!(paths, ["/0", "/1", "/2", "/3", "/4"]);
        for text in ["Socket.Answer=/5 204", "Socket.Answer=/6 204", "Socket.Answer=/7 204"] {
            document.set(text, &mut |problem| panic!("{problem:?}")).unwrap();
        }
        assert_eq!(document.set("Socket.Answer=/8 204", &mut |_| ()), Err(1));
        assert_eq!(document.section("Socket").answers("Answer").count(), 8);
    }

    #[test]
    fn a_section_that_is_absent_is_made() {
        let mut document = parse("");
        document.set("Socket plc.DBInfo=\" a \"", &mut |_| ()).unwrap();
        let socket = document.section("Socket");
        assert_eq!((socket.label(), socket.text("DBInfo")), (Some("plc"), " a "));
    }

    #[test]
    fn a_refused_assignment_is_shown_and_changes_nothing() {
        let shown = refusal("Socket.ListenPort=0");
        let expected = "-g:1:19: ListenPort must be a number from 1 to 65535, not \"0\"
    Socket.ListenPort=0
                      ^
";
        assert_eq!(shown, expected);
        for bad in [
            "",
            "Workers=1",
            "Process.Workers",
            ".=",
            "Log x.Level=info",
            "Log.Workers=1",
            "Log.Level=\"",
            "Log.File=\0",
            "Socket a]b.ListenPort=1",
        ] {
            refusal(bad);
        }
    }
}
