//! The HTTP service against tables of raw bytes, hostile paths, and another parser.
//!
//! `pretend` has the files and routes, `play` is one connection, `client` reads what comes back and is strict about it,
//! `table` explains the format of the cases. HTTP_CASE=FILE:LINE runs one of them.

mod client;
mod hostile;
mod oracle;
mod play;
mod pretend;
mod table;

macro_rules! tables {
    ($($test:ident: $file:literal,)*) => {
        const FILES: &[(&str, &str)] = &[$(($file, include_str!(concat!("cases/", $file))),)*];
        $(#[test] fn $test() { run($file); })*
    };
}

tables! {
    whole_requests_are_answered: "valid.http",
    what_is_no_request_is_refused: "invalid.http",
    messages_that_two_readers_would_cut_differently_are_refused: "smuggling.http",
    every_limit_is_kept_and_told: "limits.http",
    bodies_are_passed_over_within_their_bound: "bodies.http",
    parts_of_files_are_sent_as_asked: "ranges.http",
    what_the_client_holds_is_not_sent_again: "conditionals.http",
    a_programs_routes_answer_before_the_files: "routes.http",
}

fn run(file: &str) {
    let wanted = std::env::var("HTTP_CASE").unwrap_or_default();
    let text = FILES.iter().find(|(name, _)| *name == file).expect("a file of this name").1;
    let mut failed = Vec::new();
    for case in table::cases(file, text) {
        if !wanted.is_empty() && case.place != wanted {
            continue;
        }
        if std::panic::catch_unwind(|| case.run()).is_err() {
            failed.push(format!("{}: {}", case.place, case.bytes.escape_ascii()));
        }
    }
    assert!(failed.is_empty(), "{} cases of {file} failed:\n{}", failed.len(), failed.join("\n"));
}

#[test]
fn there_are_cases_enough_to_mean_something() {
    let all: usize = FILES.iter().map(|(name, text)| table::cases(name, text).len()).sum();
    assert!(all >= 250, "only {all} cases");
}
