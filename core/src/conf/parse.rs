//! A file into a document. Every line is judged, whatever went wrong before it, so that one run shows every line to
//! mend; a line tells the first of its mistakes.

use super::document::{Document, Part};
use super::entry::Entry;
use super::fault::Fault;
use super::kind::SectionKind;
use super::line::{self, Refusal, Shape};
use super::problem::{Origin, Place, Problem, Report};
use super::{cross, judge, names};

const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

/// The section a key would go to.
#[derive(Clone, Copy)]
enum Current {
    /// No section yet.
    None,
    /// A heading that was refused: what its keys mean is not known.
    Unknown,
    /// A section, and its number in the document unless it found no place there.
    Known(&'static SectionKind, Option<usize>),
}

impl<'t> Document<'t> {
    /// Reads a whole configuration: the file, every assignment of `-g` in its order, then the checks between lines.
    /// All mistakes go to `report` in one run; their number is the error.
    pub fn load(
        text: &'t [u8],
        assignments: impl IntoIterator<Item = &'t str>,
        report: &mut dyn FnMut(&Problem<'_>),
    ) -> Result<Self, u32> {
        let mut document = Self::default();
        let mut report = Report::new(report);
        document.read(text, &mut report);
        for assignment in assignments {
            document.assign(assignment, &mut report);
        }
        document.check(&mut report);
        report.verdict(document)
    }

    /// Reads the lines of a file and leaves [`Document::set`] and [`Document::finish`] to the caller. Every mistake goes
    /// to `report`; their number is the error.
    pub fn parse(text: &'t [u8], report: &mut dyn FnMut(&Problem<'_>)) -> Result<Self, u32> {
        let mut document = Self::default();
        let mut report = Report::new(report);
        document.read(text, &mut report);
        report.verdict(document)
    }

    fn read(&mut self, text: &'t [u8], report: &mut Report<'_>) {
        let mut current = Current::None;
        let mut number = 0_u32;
        for bytes in text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(text).split(|byte| *byte == b'\n') {
            number = number.saturating_add(1);
            let place = Place::whole(Origin::File, number, bytes.strip_suffix(b"\r").unwrap_or(bytes));
            if let Err((place, fault)) = self.on_line(&mut current, place) {
                report.add(place, fault);
                self.on_refusal(current, &fault);
            }
        }
    }

    fn on_refusal(&mut self, current: Current, fault: &Fault<'_>) {
        if let Current::Known(_, Some(at)) = current
            && let Some(part) = self.parts.get_mut(at)
        {
            part.doubtful |= cross::clouds(fault, cross::HOME_KEYS);
            part.unsure |= cross::clouds(fault, cross::SERVICE_KEYS);
        }
    }

    fn on_line(&mut self, current: &mut Current, place: Place<'t>) -> Result<(), Refusal<'t>> {
        if let Some(kind) = line::meant_heading(place.text) {
            // Until it proves good; the keys below a heading that was refused are still judged where its name is known.
            *current = kind
                .and_then(|name| names::section(name).ok())
                .map_or(Current::Unknown, |kind| Current::Known(kind, None));
        }
        match line::shape(place, line::text(place)?)? {
            Shape::Nothing => Ok(()),
            Shape::Section { name, label } => {
                let kind = names::section(name).map_err(|fault| (place.at(name), fault))?;
                let part = self.on_heading(place, kind, label)?;
                *current = Current::Known(kind, Some(part));
                Ok(())
            }
            Shape::Assignment { key, value } => match *current {
                Current::None => {
                    let belongs = names::anywhere(key).map(|directive| directive.section);
                    Err((place.at(key), Fault::KeyOutside { key, belongs }))
                }
                Current::Unknown => line::unquote(place, value).map(|_| ()),
                Current::Known(kind, part) => self.on_assignment(place, kind, part, key, value),
            },
        }
    }

    pub(super) fn on_heading(
        &mut self,
        place: Place<'t>,
        kind: &'static SectionKind,
        label: Option<&'t str>,
    ) -> Result<usize, Refusal<'t>> {
        if let Some(label) = label {
            if !kind.labelled {
                return Err((place.at(label), Fault::LabelUnwanted { section: kind }));
            }
            if let Some(twin) = self.parts.iter().find(|part| part.kind == kind && part.label == Some(label)) {
                let line = twin.place.named_line();
                return Err((place.at(label), Fault::LabelRepeated { section: kind, label, line }));
            }
        }
        if let Some(twin) = self.parts.iter().find(|part| part.kind == kind && kind.once()) {
            return Err((place.trimmed(), Fault::SectionRepeated { section: kind, line: twin.place.named_line() }));
        }
        self.add_part(Part { kind, label, place: place.trimmed(), doubtful: false, unsure: false })
            .map_err(|fault| (place.trimmed(), fault))
    }

    fn on_assignment(
        &mut self,
        place: Place<'t>,
        kind: &'static SectionKind,
        part: Option<usize>,
        key: &'t str,
        written: &'t str,
    ) -> Result<(), Refusal<'t>> {
        let directive = names::directive(kind, key).map_err(|fault| (place.at(key), fault))?;
        if let Some(part) = part {
            self.may_stand(part, directive).map_err(|fault| (place.at(key), fault))?;
        }
        judge::value(place, directive, written)?;
        match part {
            Some(part) => {
                let entry = Entry::new(part, directive, place, written);
                self.add_entry(entry).map_err(|fault| (place.at(key), fault))
            }
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use super::*;
    use crate::conf::tests::Text;

    fn mistakes(text: &[u8]) -> std::string::String {
        let mut out = Text::default();
        let mut count = 0;
        let result = Document::parse(text, &mut |problem| {
            count += 1;
            let _ = problem.write("tidegate.conf", &mut out);
        });
        assert_eq!(result.err().unwrap_or(0), count);
        out.0
    }

    #[test]
    fn a_mistake_names_its_place_what_is_allowed_and_what_was_probably_meant() {
        let text = "\n\n\n\n\n[Process]\nWorkers = fuor\n[Socket]\nListenProt = 80\n";
        let expected = "\
tidegate.conf:7:11: Workers must be a number from 0 to 64 or auto, not \"fuor\"
    Workers = fuor
              ^^^^
tidegate.conf:9:1: unknown key \"ListenProt\" in [Socket]; did you mean \"ListenPort\"?
    ListenProt = 80
    ^^^^^^^^^^
";
        assert_eq!(mistakes(text.as_bytes()), expected);
    }

    #[test]
    fn byte_order_marks_line_ends_and_a_missing_last_line_end_are_no_mistakes() {
        assert_eq!(mistakes(b"\xEF\xBB\xBF[Log]\r\nLevel = info\r\n\r\n[Process]\nWorkers = 2\r"), "");
    }

    #[test]
    fn keys_below_an_unknown_section_are_not_called_unknown() {
        assert_eq!(mistakes(b"[Sokcet]\nListenPort = 1\nWhatever = 2\n").lines().count(), 3);
    }

    #[test]
    fn keys_below_a_refused_heading_are_still_judged_where_its_name_is_known() {
        let shown = mistakes(b"[Log\nLevel = loud\n");
        assert!(shown.contains(":1:1: ") && shown.contains(":2:9: "), "{shown}");
    }

    fn load(text: &str, assignments: &[&'static str]) -> std::string::String {
        let mut out = Text::default();
        let mut count = 0;
        let text = std::string::String::from(text).leak();
        let result = Document::load(text.as_bytes(), assignments.iter().copied(), &mut |problem| {
            count += 1;
            let _ = problem.write("f", &mut out);
        });
        assert_eq!(result.err().unwrap_or(0), count);
        let heads = out.0.lines().filter(|line| !line.starts_with(' ')).map(|line| line.split(": ").next());
        heads.flatten().collect::<std::vec::Vec<_>>().join(" ")
    }

    #[test]
    fn one_run_tells_the_mistakes_of_lines_of_the_command_line_and_between_lines() {
        let text = "[Log]\nLevel = loud\n[Socket a]\n[Socket b]\nListenPort = 7\n[Socket c]\nListenPort = 7\n";
        assert_eq!(load(text, &["Log.Size=1"]), "f:2:9 -g:1:5 f:3:1 f:7:14");
        assert_eq!(load(text, &["Socket a.ListenPort=1", "Socket c.ListenPort=8"]), "f:2:9");
        assert_eq!(load("[Socket]\nListenPort = 7\n", &[]), "");
    }

    #[test]
    fn a_refused_line_that_may_have_held_the_port_is_not_told_twice() {
        for line in ["ListenPort = 0", "ListenProt = 1", "Port = 1", "ListenPort 1", "ListenAddress = here", "\0"] {
            assert_eq!(load(&std::format!("[Socket]\n{line}\n"), &[]).split(' ').count(), 1, "{line}");
        }
        for line in ["Backlog = 0", "Backlgo = 1", "Level = info"] {
            assert_eq!(load(&std::format!("[Socket]\n{line}\n"), &[]).split(' ').count(), 2, "{line}");
        }
    }
}
