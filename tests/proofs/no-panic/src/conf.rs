//! The configuration language: foreign bytes in, foreign output, and every lookup on a document nobody knows.

use core::mem::MaybeUninit;

use tidegate_core::conf::{self, Address, Document, Fault, Origin, Problem, Section};
use ufmt::uWrite;

use crate::world::{Lent, number};

unsafe extern "C" {
    fn world_write(text: *const u8, len: usize) -> bool;
    fn world_problem(origin: Origin, line: u32, column: u32, fault: &Fault<'_>);
    fn world_section(section: &Section<'_, '_>);
}

/// Takes any text, or refuses it, as the world pleases.
pub struct Page;

impl uWrite for Page {
    type Error = ();

    fn write_str(&mut self, text: &str) -> Result<(), ()> {
        // SAFETY: foreign and never linked; here and below.
        if unsafe { world_write(text.as_ptr(), text.len()) } { Ok(()) } else { Err(()) }
    }
}

fn show(problem: &Problem<'_>, file: &str) {
    // SAFETY: as above.
    unsafe { world_problem(problem.origin, problem.line, problem.column, &problem.fault) }
    if problem.write(file, &mut Page).is_err() {
        let _ = problem.fault.write(&mut Page);
    }
}

// Reading.

#[unsafe(no_mangle)]
pub extern "C" fn conf_parse(at: &mut MaybeUninit<Document<'static>>, text: Lent<u8>, file: Lent<u8>) -> u32 {
    let file = file.text();
    keep(at, Document::parse(text.get(), &mut |problem| show(problem, file)))
}

#[unsafe(no_mangle)]
pub extern "C" fn conf_load(
    at: &mut MaybeUninit<Document<'static>>,
    text: Lent<u8>,
    assignments: Lent<&'static str>,
    file: Lent<u8>,
) -> u32 {
    let (assignments, file) = (assignments.get().iter().copied(), file.text());
    keep(at, Document::load(text.get(), assignments, &mut |problem| show(problem, file)))
}

fn keep(at: &mut MaybeUninit<Document<'static>>, result: Result<Document<'static>, u32>) -> u32 {
    match result {
        Ok(document) => {
            at.write(document);
            0
        }
        Err(count) => count,
    }
}

#[unsafe(no_mangle)]
pub extern "C" fn conf_default(at: &mut MaybeUninit<Document<'static>>) {
    at.write(Document::default());
}

#[unsafe(no_mangle)]
pub extern "C" fn conf_set(document: &mut Document<'static>, assignment: Lent<u8>, file: Lent<u8>) -> u32 {
    let file = file.text();
    document.set(assignment.text(), &mut |problem| show(problem, file)).err().unwrap_or(0)
}

#[unsafe(no_mangle)]
pub extern "C" fn conf_finish(document: &Document<'static>, file: Lent<u8>) -> u32 {
    let file = file.text();
    document.finish(&mut |problem| show(problem, file)).err().unwrap_or(0)
}

/// A mistake from elsewhere, about a place nobody knows.
#[unsafe(no_mangle)]
pub extern "C" fn conf_show(problem: &Problem<'static>, file: Lent<u8>) {
    show(problem, file.text());
}

/// What the world found wrong with a value.
#[unsafe(no_mangle)]
pub extern "C" fn conf_unfit(
    section: &Section<'static, 'static>,
    key: Lent<u8>,
    must: Lent<u8>,
    file: Lent<u8>,
) -> bool {
    section.unfit(key.text(), must.text()).map(|problem| show(&problem, file.text())).is_some()
}

// Looking up.

#[unsafe(no_mangle)]
pub extern "C" fn conf_section(document: &Document<'static>, name: Lent<u8>) {
    // SAFETY: as above.
    unsafe { world_section(&document.section(name.text())) }
}

#[unsafe(no_mangle)]
pub extern "C" fn conf_sections(document: &Document<'static>, name: Lent<u8>) {
    let mut sections = document.sections(name.text());
    let skipped = sections.nth(number() as usize);
    for section in skipped.into_iter().chain(sections) {
        // SAFETY: as above.
        unsafe { world_section(&section) }
    }
}

/// What a lookup found, all kinds of value at once.
#[repr(C)]
pub struct Found {
    name: &'static str,
    label: Option<&'static str>,
    text: &'static str,
    address: Address<'static>,
    numbers: [u64; 4],
    routes: [usize; 2],
    line: u32,
    facts: [bool; 4],
}

#[unsafe(no_mangle)]
pub extern "C" fn conf_lookup(
    section: &Section<'static, 'static>,
    key: Lent<u8>,
    kind: i32,
    found: &mut MaybeUninit<Found>,
) {
    let (section, key) = (*section, key.text());
    // Each kind for itself as well: what one lookup checks must not excuse another.
    let all = kind == 0;
    found.write(Found {
        name: section.name(),
        label: section.label(),
        text: if all || kind == 1 { section.text(key) } else { "" },
        address: if all || kind == 2 { section.address(key) } else { Address::Any },
        numbers: [
            if all || kind == 3 { section.number(key) } else { 0 },
            if all || kind == 4 { section.number_or_auto(key).unwrap_or(u64::MAX) } else { 0 },
            if all || kind == 5 { section.size(key) } else { 0 },
            if all || kind == 6 { section.time_ms(key) } else { 0 },
        ],
        routes: [
            if all || kind == 8 { section.answers(key).map(|answer| answer.text.len()).max().unwrap_or(0) } else { 0 },
            if all || kind == 9 { section.redirects(key).map(|there| there.to.len()).max().unwrap_or(0) } else { 0 },
        ],
        line: section.line(),
        facts: [section.is_set(key), (all || kind == 7) && section.switch(key), section.present(), all],
    });
}

#[unsafe(no_mangle)]
pub extern "C" fn conf_get_string(document: &Document<'static>, key: Lent<u8>, into: &mut &'static str) -> bool {
    document.get_string(key.text()).map(|text| *into = text).is_some()
}

#[unsafe(no_mangle)]
pub extern "C" fn conf_get_int_default(document: &Document<'static>, key: Lent<u8>, default: i64) -> i64 {
    document.get_int_default(key.text(), default)
}

#[unsafe(no_mangle)]
pub extern "C" fn conf_address(text: Lent<u8>, into: &mut MaybeUninit<Address<'static>>) -> bool {
    Address::read(text.text()).map(|address| into.write(address)).is_some()
}

// Printing.

#[unsafe(no_mangle)]
pub extern "C" fn conf_print(document: &Document<'static>, what: i32) -> bool {
    match what {
        0 => conf::help(&mut Page),
        1 => conf::reference(&mut Page),
        _ => conf::dump(document, &mut Page),
    }
    .is_ok()
}

/// Through a trait object, as a caller with several outputs writes.
#[unsafe(no_mangle)]
pub extern "C" fn conf_print_to_any(document: &Document<'static>, problem: &Problem<'static>, file: Lent<u8>) -> bool {
    let page: &mut dyn uWrite<Error = ()> = &mut Page;
    conf::dump(document, page).is_ok() && problem.write(file.text(), page).is_ok()
}
