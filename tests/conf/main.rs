//! The configuration language from outside: golden mistakes, the installed files, and texts that are torn and bent.
//!
//! `BLESS=1` rewrites what a test expects; read the difference before it is committed.

mod golden;
mod installed;
mod torn;

use std::path::{Path, PathBuf};

use tidegate_core::conf::{Document, Problem};

/// A growing text that `ufmt` writes to.
#[derive(Default)]
struct Text(String);

impl ufmt::uWrite for Text {
    type Error = core::convert::Infallible;

    fn write_str(&mut self, text: &str) -> Result<(), Self::Error> {
        self.0.push_str(text);
        Ok(())
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn golden_files() -> Vec<PathBuf> {
    let folder = root().join("tests/conf/bad");
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> = entries.filter(|path| path.extension().is_some_and(|end| end == "conf")).collect();
    files.sort();
    files
}

/// Compares a file with what it should hold, or writes it where `BLESS=1` asks for that.
fn expect(path: &Path, found: &str) {
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(path, found).unwrap();
    }
    let expected = std::fs::read_to_string(path).unwrap_or_default();
    assert_eq!(found, expected, "{}", path.display());
}

/// What an operator sees of a file: the mistakes of its lines and those between them.
fn mistakes(name: &str, text: &[u8]) -> String {
    let mut out = Text::default();
    let mut told = 0;
    let mut report = |problem: &Problem<'_>| {
        told += 1;
        let _ = problem.write(name, &mut out);
    };
    let result = Document::load(text, [], &mut report);
    assert_eq!(result.err().unwrap_or(0), told);
    out.0
}
