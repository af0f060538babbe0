//! A document with the core parser's face and little behind it, so that the process model can be driven meanwhile.

use std::fmt::Write as _;

/// Section, key, default.
const KEYS: [(&str, &str, &str); 20] = [
    ("Process", "Daemon", "off"),
    ("Process", "Workers", "1"),
    ("Process", "PidFile", ""),
    ("Process", "OpenFiles", "1024"),
    ("Process", "DrainTimeout", "30"),
    ("Process", "RespawnLimit", "10"),
    ("Log", "File", "stderr"),
    ("Log", "Level", "notice"),
    ("Memory", "Blocks", "64"),
    ("Memory", "BlockSize", "4096"),
    ("Socket", "ListenPort", "5678"),
    ("Socket", "ListenAddress", "127.0.0.1"),
    ("Socket", "Service", "echo"),
    ("Socket", "Connections", "1024"),
    ("Socket", "Backlog", "128"),
    ("Socket", "IdleTimeout", "60"),
    ("Socket", "RequestTimeout", "30"),
    ("Socket", "WriteTimeout", "30"),
    ("Socket", "DBInfo", ""),
    ("Socket", "PerClient", "0"),
];

pub const DEFAULT: &str = "[Socket]\nListenPort = 5678\n";

#[derive(Debug)]
pub struct Problem {
    line: usize,
    text: String,
}

impl Problem {
    pub fn write(&self, file: &str, out: &mut String) {
        let _ = writeln!(out, "{file}:{}:1: {}", self.line, self.text);
    }
}

#[derive(Debug, Default)]
struct Part {
    name: String,
    label: String,
    values: Vec<(String, String)>,
}

#[derive(Debug, Default)]
pub struct Document {
    parts: Vec<Part>,
}

pub struct Section<'a> {
    name: &'static str,
    part: Option<&'a Part>,
}

impl Document {
    pub fn parse(bytes: &[u8], report: &mut dyn FnMut(&Problem)) -> Result<Self, u32> {
        let mut document = Self::default();
        let mut problems = 0;
        for (number, line) in (1..).zip(String::from_utf8_lossy(bytes).lines()) {
            let line = line.trim();
            let known = if let Some(head) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
                let (name, label) = head.split_once(' ').unwrap_or((head, ""));
                document.parts.push(Part { name: name.into(), label: label.trim().into(), values: Vec::new() });
                KEYS.iter().any(|(section, ..)| *section == name)
            } else if line.is_empty() || line.starts_with(['#', ';']) {
                true
            } else if let (Some((key, value)), Some(part)) = (line.split_once('='), document.parts.last_mut()) {
                part.values.push((key.trim().into(), value.trim().into()));
                KEYS.iter().any(|(section, name, _)| *section == part.name && *name == key.trim())
            } else {
                false
            };
            if !known {
                problems += 1;
                report(&Problem { line: number, text: format!("'{line}' is not known") });
            }
        }
        if problems == 0 { Ok(document) } else { Err(problems) }
    }

    pub fn set(&mut self, assignment: &str, report: &mut dyn FnMut(&Problem)) {
        let parts = assignment.split_once('=').and_then(|(name, value)| Some((name.split_once('.')?, value)));
        match parts {
            Some(((section, key), value)) if KEYS.iter().any(|(s, k, _)| *s == section && *k == key) => {
                if !self.parts.iter().any(|part| part.name == section) {
                    self.parts.push(Part { name: section.into(), ..Part::default() });
                }
                for part in self.parts.iter_mut().filter(|part| part.name == section) {
                    part.values.push((key.into(), value.into()));
                }
            }
            _ => report(&Problem { line: 0, text: format!("'{assignment}' is not known") }),
        }
    }

    pub fn finish(&mut self, _report: &mut dyn FnMut(&Problem)) {}

    pub fn section(&self, name: &'static str) -> Section<'_> {
        Section { name, part: self.parts.iter().find(|part| part.name == name) }
    }

    pub fn sections(&self, name: &'static str) -> impl Iterator<Item = Section<'_>> {
        self.parts.iter().filter(move |part| part.name == name).map(move |part| Section { name, part: Some(part) })
    }
}

impl Section<'_> {
    pub fn label(&self) -> &str {
        self.part.map_or("", |part| &part.label)
    }

    pub fn text(&self, key: &str) -> &str {
        let default = KEYS.iter().find(|(s, k, _)| *s == self.name && *k == key).map_or("", |(.., default)| default);
        let written = self.part.and_then(|part| part.values.iter().rev().find(|(name, _)| name == key));
        written.map_or(default, |(_, value)| value)
    }

    pub fn number(&self, key: &str) -> u64 {
        self.text(key).parse().unwrap_or(0)
    }

    pub fn number_or_auto(&self, key: &str) -> Option<u64> {
        self.text(key).parse().ok()
    }

    pub fn size(&self, key: &str) -> u64 {
        self.number(key)
    }

    pub fn time_ms(&self, key: &str) -> u64 {
        self.number(key) * 1_000
    }

    pub fn switch(&self, key: &str) -> bool {
        matches!(self.text(key), "1" | "on" | "yes")
    }
}

pub fn help(out: &mut String) {
    for (section, key, default) in KEYS {
        let _ = writeln!(out, "[{section}] {key} = {default}");
    }
}

pub fn dump(document: &Document, out: &mut String) {
    for part in &document.parts {
        let head = if part.label.is_empty() { part.name.clone() } else { format!("{} {}", part.name, part.label) };
        let _ = writeln!(out, "[{head}]");
        for (key, value) in &part.values {
            let _ = writeln!(out, "{key} = {value}");
        }
    }
}
