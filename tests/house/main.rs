//! The rules of the house that no compiler checks. Each names what it found and where.

use std::fs;
use std::path::{Path, PathBuf};

/// What the top level may hold besides dot-files and licences.
const TOP_LEVEL: &[&str] = &["Cargo.toml", "Cargo.lock", "README.md", "conf", "core", "shell", "tests", "target"];

/// Where `unsafe` may stand: the one folder that speaks to the kernel, and the face that C calls.
const UNSAFE_ALLOWED: &[&str] = &["shell/src/os/", "core/c/"];

/// Lines of a source file before its tests. A reader should be able to hold a file in mind.
const LINES_MAX: usize = 400;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace").to_path_buf()
}

struct Source {
    /// From the root, with `/`.
    path: String,
    text: String,
}

impl Source {
    /// What ships: everything before `#[cfg(test)] mod ...`, and nothing of a file that is all tests.
    fn shipped(&self) -> &str {
        if self.path.ends_with("/tests.rs") {
            return "";
        }
        let tests = self.text.find("#[cfg(test)]\nmod ").unwrap_or(self.text.len());
        &self.text[..tests]
    }

    /// The shipped lines as words, without comments and without the insides of strings; numbered from one.
    fn words(&self) -> impl Iterator<Item = (usize, &str)> {
        self.shipped().lines().enumerate().flat_map(|(at, line)| {
            let code = line.split("//").next().unwrap_or("");
            let outside = code.split('"').step_by(2);
            let words = outside.flat_map(|part| part.split(|c: char| !c.is_alphanumeric() && c != '_' && c != ':'));
            words.filter(|word| !word.is_empty()).map(move |word| (at + 1, word))
        })
    }

    /// `path:line` of each word that `is` what we look for.
    fn find(&self, is: impl Fn(&str) -> bool) -> Vec<String> {
        self.words().filter(|(_, word)| is(word)).map(|(at, word)| format!("{}:{at}: {word}", self.path)).collect()
    }
}

/// Every Rust file below these folders.
fn sources(folders: &[&str]) -> Vec<Source> {
    let root = root();
    let mut todo: Vec<PathBuf> = folders.iter().map(|folder| root.join(folder)).collect();
    let mut found = Vec::new();
    while let Some(folder) = todo.pop() {
        for entry in fs::read_dir(&folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display())).flatten() {
            let path = entry.path();
            if path.is_dir() && path.file_name().is_some_and(|name| name != "target") {
                todo.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).expect("a source file is text");
                let path = path.strip_prefix(&root).expect("below the root").display().to_string();
                found.push(Source { path, text });
            }
        }
    }
    assert!(!found.is_empty(), "no sources under {folders:?}");
    found
}

fn nothing(found: Vec<String>, rule: &str) {
    assert!(found.is_empty(), "{rule}\n  {}", found.join("\n  "));
}

#[test]
fn the_top_level_holds_what_the_design_names_and_nothing_else() {
    let names = fs::read_dir(root()).expect("the root").flatten().map(|entry| entry.file_name());
    let strangers = names
        .map(|name| name.to_string_lossy().into_owned())
        .filter(|name| !name.starts_with('.') && !name.starts_with("LICENSE") && !TOP_LEVEL.contains(&name.as_str()));
    nothing(strangers.collect(), "not a top-level name of this project:");
}

#[test]
fn unsafe_stands_only_where_the_system_or_c_is_spoken_to() {
    let elsewhere = sources(&["core", "shell"]).into_iter();
    let elsewhere = elsewhere.filter(|source| !UNSAFE_ALLOWED.iter().any(|folder| source.path.starts_with(folder)));
    nothing(elsewhere.flat_map(|s| s.find(|word| word == "unsafe")).collect(), "`unsafe` outside its folders:");
    let root = fs::read_to_string(root().join("core/src/lib.rs")).expect("the core");
    for attribute in ["#![no_std]", "#![forbid(unsafe_code)]"] {
        assert!(root.lines().any(|line| line == attribute), "core/src/lib.rs must say {attribute}");
    }
}

#[test]
fn the_core_uses_no_heap_no_std_no_atomics_and_no_floats() {
    let outlaw = |word: &str| {
        let first = word.split("::").next().unwrap_or("");
        matches!(first, "std" | "alloc" | "f32" | "f64") || word.contains("sync::atomic")
    };
    nothing(sources(&["core/src"]).iter().flat_map(|s| s.find(outlaw)).collect(), "not in the core:");
}

#[test]
fn a_file_is_short_enough_to_be_read() {
    let long = sources(&["core/src", "shell/src"]).into_iter().filter_map(|source| {
        let lines = source.shipped().lines().count();
        (lines > LINES_MAX).then(|| format!("{}: {lines} lines", source.path))
    });
    nothing(long.collect(), &format!("more than {LINES_MAX} lines before the tests:"));
}

/// The scanner itself: what it must see, and what it must not take for code.
#[test]
fn the_scanner_sees_code_and_neither_comments_nor_strings_nor_tests() {
    let text = "// unsafe\nlet a = \"unsafe\"; unsafe { x } // unsafe\n\n#[cfg(test)]\nmod tests { unsafe {} }\n";
    let source = Source { path: "a.rs".into(), text: text.into() };
    assert_eq!(source.find(|word| word == "unsafe"), ["a.rs:2: unsafe"]);
    assert_eq!(source.shipped().lines().count(), 3);
    let source = Source { path: "b.rs".into(), text: "#![forbid(unsafe_code)]\nuse std::vec::Vec;".into() };
    assert_eq!(source.find(|word| word == "unsafe"), [""; 0]);
    assert_eq!(source.find(|word| word.starts_with("std")), ["b.rs:2: std::vec::Vec"]);
}
