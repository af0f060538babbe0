//! A page with the names in a folder: plain HTML, names in order, those that begin with a dot left out.
//!
//! It is written into memory set aside for it. A folder with more names than fit is cut, and the page says so.

use std::fmt::Write as _;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;

use rustix::fs::{FileType, RawDir};

/// Names on one page.
const NAMES_MAX: usize = 512;
/// What the kernel fills with entries at a time.
const ENTRIES_BYTES: usize = 4_096;
/// What is kept free for the end of the page.
const TAIL_BYTES: usize = 96;

/// Memory for one page, and the names it is made of.
pub const fn bytes(page_bytes: usize) -> usize {
    2 * page_bytes
}

/// Writes the page of a folder into the second half of `memory`; the first is for the names. `None` if the folder
/// cannot be read.
pub fn write<'m>(folder: &OwnedFd, path: &[u8], memory: &'m mut [u8]) -> Option<&'m [u8]> {
    let (names, page) = memory.split_at_mut(memory.len() / 2);
    let mut found = Names { text: names, used: 0, places: [(0, 0, false); NAMES_MAX], count: 0, cut: false };
    found.read(folder)?;
    let Names { text, places, count, mut cut, .. } = found;
    let mut places = places;
    let places = &mut places[..count];
    let name = |place: &(u16, u8, bool)| &text[place.0 as usize..place.0 as usize + place.1 as usize];
    places.sort_unstable_by(|a, b| (!a.2, name(a)).cmp(&(!b.2, name(b))));
    let mut page = Page { text: page, used: 0 };
    let _ =
        write!(page, "<!DOCTYPE html>\n<meta charset=utf-8>\n<title>/{0}</title>\n<h1>/{0}</h1>\n<pre>\n", Html(path));
    if !path.is_empty() {
        let _ = page.write_str("<a href=\"../\">../</a>\n");
    }
    for place in places.iter() {
        let (name, slash) = (name(place), if place.2 { "/" } else { "" });
        let before = page.used;
        let line = writeln!(page, "<a href=\"./{}{slash}\">{}{slash}</a>", Url(name), Html(name));
        if line.is_err() || page.text.len() - page.used < TAIL_BYTES {
            (page.used, cut) = (before, true);
            break;
        }
    }
    let _ = page.write_str(if cut { "</pre>\n<p>And more than a page holds.\n" } else { "</pre>\n" });
    let Page { text, used } = page;
    Some(&text[..used])
}

/// The names of a folder, and which of them are folders.
struct Names<'m> {
    text: &'m mut [u8],
    used: usize,
    places: [(u16, u8, bool); NAMES_MAX],
    count: usize,
    cut: bool,
}

impl Names<'_> {
    fn read(&mut self, folder: &OwnedFd) -> Option<()> {
        let mut entries = [MaybeUninit::uninit(); ENTRIES_BYTES];
        let mut entries = RawDir::new(folder, &mut entries);
        while let Some(entry) = entries.next() {
            let entry = entry.ok()?;
            let name = entry.file_name().to_bytes();
            if name.starts_with(b".") {
                continue;
            }
            let Some(into) = self.text.get_mut(self.used..self.used + name.len()).filter(|_| self.count < NAMES_MAX)
            else {
                self.cut = true;
                return Some(());
            };
            let Ok(at) = u16::try_from(self.used) else {
                self.cut = true;
                return Some(());
            };
            into.copy_from_slice(name);
            self.places[self.count] = (at, name.len() as u8, entry.file_type() == FileType::Directory);
            (self.used, self.count) = (self.used + name.len(), self.count + 1);
        }
        Some(())
    }
}

/// A page that is full refuses.
struct Page<'m> {
    text: &'m mut [u8],
    used: usize,
}

impl std::fmt::Write for Page<'_> {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        let end = self.used + text.len();
        self.text.get_mut(self.used..end).ok_or(std::fmt::Error)?.copy_from_slice(text.as_bytes());
        self.used = end;
        Ok(())
    }
}

/// A name as text of a page. Bytes that are no UTF-8 are shown as such.
struct Html<'n>(&'n [u8]);

impl std::fmt::Display for Html<'_> {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for chunk in self.0.utf8_chunks() {
            for letter in chunk.valid().chars() {
                match letter {
                    '&' => out.write_str("&amp;")?,
                    '<' => out.write_str("&lt;")?,
                    '>' => out.write_str("&gt;")?,
                    '"' => out.write_str("&quot;")?,
                    letter if letter.is_control() => out.write_char('\u{FFFD}')?,
                    letter => out.write_char(letter)?,
                }
            }
            if !chunk.invalid().is_empty() {
                out.write_char('\u{FFFD}')?;
            }
        }
        Ok(())
    }
}

/// A name as part of a URL.
struct Url<'n>(&'n [u8]);

impl std::fmt::Display for Url<'_> {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|byte| match byte {
            b'-' | b'.' | b'_' | b'~' => out.write_char(*byte as char),
            byte if byte.is_ascii_alphanumeric() => out.write_char(*byte as char),
            byte => write!(out, "%{byte:02X}"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(names: &[&str], memory: usize) -> String {
        let folder =
            std::env::temp_dir().join(format!("tidegate-listing-{}-{memory}-{}", std::process::id(), names.len()));
        std::fs::create_dir_all(&folder).unwrap();
        for name in names {
            match name.strip_suffix('/') {
                Some(name) => std::fs::create_dir_all(folder.join(name)).unwrap(),
                None => std::fs::write(folder.join(name), "").unwrap(),
            }
        }
        let opened = std::fs::File::open(&folder).unwrap().into();
        let mut memory = vec![0; memory];
        let page = String::from_utf8(write(&opened, b"a/", &mut memory).unwrap().to_vec()).unwrap();
        std::fs::remove_dir_all(&folder).unwrap();
        page
    }

    #[test]
    fn names_come_in_order_folders_first_and_hidden_ones_not_at_all() {
        let page = listed(&["b", "a", "z/", ".hidden", "y/"], 8_192);
        let lines: Vec<&str> = page.lines().filter(|line| line.starts_with("<a")).collect();
        assert_eq!(
            lines,
            [
                "<a href=\"../\">../</a>",
                "<a href=\"./y/\">y/</a>",
                "<a href=\"./z/\">z/</a>",
                "<a href=\"./a\">a</a>",
                "<a href=\"./b\">b</a>"
            ]
        );
        assert!(page.contains("<title>/a/</title>") && page.ends_with("</pre>\n"), "{page}");
    }

    #[test]
    fn no_name_leaves_its_place_in_the_page() {
        let page = listed(&["<script>alert(1)", "a\"b", "100%&", "javascript:x", "a b\n", "\u{e9}"], 8_192);
        for line in [
            "<a href=\"./%3Cscript%3Ealert%281%29\">&lt;script&gt;alert(1)</a>",
            "<a href=\"./a%22b\">a&quot;b</a>",
            "<a href=\"./100%25%26\">100%&amp;</a>",
            "<a href=\"./javascript%3Ax\">javascript:x</a>",
            "<a href=\"./a%20b%0A\">a b\u{FFFD}</a>",
            "<a href=\"./%C3%A9\">\u{e9}</a>",
        ] {
            assert!(page.contains(line), "{line}\n{page}");
        }
    }

    #[test]
    fn a_folder_that_is_too_large_is_cut_and_the_page_says_so() {
        let names: Vec<String> = (0..700).map(|at| format!("name-{at:04}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        for memory in [2_048, 8_192, 32_768, 1 << 20] {
            let page = listed(&names, memory);
            assert!(page.ends_with("And more than a page holds.\n") && page.len() <= memory / 2, "{memory}");
        }
    }
}
