//! What a path leads to when it is not a file: a fixed answer, or another place. And what is the name of a file.
//!
//! An answer is `/path STATUS TYPE text`, a redirect `/path URL`. Paths are compared after decoding, so they are
//! written plainly here.

use super::{cut, line, value};
use crate::http::status::Status;
use crate::limits::{FILE_NAME_BYTES_MAX, ROUTE_PATH_BYTES_MAX, ROUTE_TEXT_BYTES_MAX};

/// A fixed answer to every path that begins so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer<'t> {
    pub path: &'t str,
    pub status: Status,
    pub media_type: &'t str,
    pub text: &'t str,
}

/// Where every path that begins so is found instead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Redirect<'t> {
    pub path: &'t str,
    pub to: &'t str,
}

/// What is wrong with a part of a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wrong {
    /// No path, or one that no request can have.
    Path,
    /// No status of a final answer, or one that is not spoken here.
    Status,
    /// A status that has no content, with a text.
    Silent,
    MediaType,
    /// A quote that does not end, or too many bytes.
    Text,
    /// No place a browser could go to.
    Target,
    /// Something behind the end.
    Tail,
}

/// Reads an answer; the part that is wrong otherwise.
pub fn answer(text: &str) -> Result<Answer<'_>, (&str, Wrong)> {
    let (path, rest) = word(text);
    let (status, rest) = word(rest);
    let (media_type, rest) = word(rest);
    let told = |part, wrong| Err((if str::is_empty(part) { text } else { part }, wrong));
    if !is_path(path) {
        return told(path, Wrong::Path);
    }
    let Some(status) = final_status(status) else { return told(status, Wrong::Status) };
    let is_silent = status.is_bodiless();
    if !(is_media_type(media_type) || is_silent && media_type.is_empty()) {
        return told(media_type, Wrong::MediaType);
    }
    let body = match rest.strip_prefix('"') {
        Some(quoted) => quoted.strip_suffix('"'),
        None => Some(rest),
    };
    match body.filter(|body| body.len() <= ROUTE_TEXT_BYTES_MAX) {
        None => told(rest, Wrong::Text),
        Some(body) if is_silent && !body.is_empty() => told(rest, Wrong::Silent),
        Some(body) => Ok(Answer { path, status, media_type, text: body }),
    }
}

/// A status that ends a request and that this server speaks.
fn final_status(text: &str) -> Option<Status> {
    let code = value::digits(text)?;
    Status::ALL.iter().copied().find(|status| u64::from(status.code()) == code && code >= 200)
}

/// Reads a redirect; the part that is wrong otherwise.
pub fn redirect(text: &str) -> Result<Redirect<'_>, (&str, Wrong)> {
    let (path, rest) = word(text);
    let (to, tail) = word(rest);
    let told = |part, wrong| Err((if str::is_empty(part) { text } else { part }, wrong));
    if !is_path(path) {
        return told(path, Wrong::Path);
    }
    if !is_target(to) {
        return told(to, Wrong::Target);
    }
    if tail.is_empty() { Ok(Redirect { path, to }) } else { told(tail, Wrong::Tail) }
}

/// The path of either.
pub fn path(text: &str) -> &str {
    word(text).0
}

/// The name of a file in any one folder, as a request may ask for it.
pub fn is_name(text: &str) -> bool {
    let foreign = |byte: u8| matches!(byte, b'/' | b'\\' | b'"');
    !text.is_empty() && text.len() <= FILE_NAME_BYTES_MAX && !text.starts_with('.') && !text.bytes().any(foreign)
}

/// The first word, and what follows without the blanks around it.
fn word(text: &str) -> (&str, &str) {
    let text = line::trim(text);
    let bytes = text.bytes().take_while(|byte| !matches!(byte, b' ' | b'\t')).count();
    let (word, rest) = text.split_at_checked(bytes).unwrap_or((text, ""));
    (word, line::trim(rest))
}

/// A path as a request has it once it is decoded and checked.
fn is_path(text: &str) -> bool {
    let is_plain =
        text.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'%' | b'?' | b'#' | b'"' | b'\\'));
    let mut folders = cut::pieces(text, b'/').skip(1).peekable();
    let mut is_whole = text.starts_with('/') && text.len() <= ROUTE_PATH_BYTES_MAX;
    while let Some(folder) = folders.next() {
        is_whole &= !folder.starts_with('.') && (!folder.is_empty() || folders.peek().is_none());
    }
    is_plain && is_whole
}

fn is_media_type(text: &str) -> bool {
    let is_token = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'"');
    cut::first(text, b'/').is_some_and(|(kind, subtype)| is_token(kind) && is_token(subtype))
}

/// A URL of another server, or a path of this one.
fn is_target(text: &str) -> bool {
    let is_plain = text.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'<' | b'>' | b'\\'));
    let is_place = ["/", "http://", "https://"].iter().any(|start| text.starts_with(start));
    is_plain && is_place && text.len() <= ROUTE_TEXT_BYTES_MAX
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_has_a_path_a_status_a_type_and_a_text() {
        let pong = Answer { path: "/ping", status: Status::Ok, media_type: "text/plain", text: "pong" };
        assert_eq!(answer("/ping 200 text/plain pong"), Ok(pong));
        assert_eq!(answer("/ping\t200  text/plain \"pong\""), Ok(pong));
        assert_eq!(answer("/ 503 text/html;charset=utf-8 \" a  b \"").unwrap().text, " a  b ");
        assert_eq!(answer("/x 200 text/plain").unwrap().text, "");
        assert_eq!(answer("/generate_204 204").unwrap().media_type, "");
        for (text, part, wrong) in [
            ("ping 200 text/plain x", "ping", Wrong::Path),
            ("/a/../b 200 text/plain x", "/a/../b", Wrong::Path),
            ("/a//b 200 text/plain", "/a//b", Wrong::Path),
            ("/%41 200 text/plain", "/%41", Wrong::Path),
            ("/.git 200 text/plain", "/.git", Wrong::Path),
            ("/ping", "/ping", Wrong::Status),
            ("/ping 100 text/plain x", "100", Wrong::Status),
            ("/ping 600 text/plain x", "600", Wrong::Status),
            ("/ping 299 text/plain x", "299", Wrong::Status),
            ("/ping ok", "ok", Wrong::Status),
            ("/ping 200", "/ping 200", Wrong::MediaType),
            ("/ping 200 pong", "pong", Wrong::MediaType),
            ("/ping 204 text/plain x", "x", Wrong::Silent),
            ("/ping 200 text/plain \"x", "\"x", Wrong::Text),
        ] {
            assert_eq!(answer(text), Err((part, wrong)), "{text}");
        }
    }

    #[test]
    fn a_redirect_has_a_path_and_a_place() {
        let old = Redirect { path: "/old", to: "https://example.net/a?b=c#d" };
        assert_eq!(redirect(" /old  https://example.net/a?b=c#d "), Ok(old));
        assert_eq!(redirect("/ /new/"), Ok(Redirect { path: "/", to: "/new/" }));
        for (text, part, wrong) in [
            ("old /new", "old", Wrong::Path),
            ("/old", "/old", Wrong::Target),
            ("/old new", "new", Wrong::Target),
            ("/old javascript:x", "javascript:x", Wrong::Target),
            ("/old /new /newer", "/newer", Wrong::Tail),
        ] {
            assert_eq!(redirect(text), Err((part, wrong)), "{text}");
        }
    }

    #[test]
    fn a_name_is_that_of_a_file_in_one_folder() {
        assert!(is_name("index.html") && is_name("Start Seite.htm"));
        for bad in ["", ".", "..", ".htaccess", "a/b", "../a", "a\\b"] {
            assert!(!is_name(bad), "{bad}");
        }
    }
}
