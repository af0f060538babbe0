//! What one listener serves, as its configuration says it. Lent, like the rules of a listener.

use crate::http::head::Limits;
use crate::http::status::Status;

/// A listener's site. The default has nothing but files beneath their root.
#[derive(Clone, Copy, Debug)]
pub struct Site<'m> {
    pub limits: Limits,
    /// Fixed answers, by prefix; the longest that fits is taken, whatever the order.
    pub routes: &'m [Route<'m>],
    /// The file that stands for its directory; empty for none.
    pub index: &'m str,
    /// The path of a file that is sent with every 404 to a `GET`; empty for a short text.
    pub not_found: &'m str,
}

impl Site<'_> {
    pub const DEFAULT: Self = Self { limits: Limits::DEFAULT, routes: &[], index: "index.html", not_found: "" };
}

impl Default for Site<'_> {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// A fixed answer to everything below a prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Route<'m> {
    /// Begins with a slash. `/a` is for `/a` and all below `/a/`; `/a/` only for what is below.
    pub prefix: &'m str,
    pub answer: Fixed<'m>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fixed<'m> {
    /// `Answer = PREFIX STATUS TYPE "TEXT"`.
    Text { status: Status, kind: &'m str, text: &'m str },
    /// `Redirect = PREFIX URL`.
    Redirect { status: Status, url: &'m str },
}

impl<'m> Site<'m> {
    /// The answer for a path, and which of the routes it is.
    #[inline]
    pub fn fixed(&self, path: &[u8]) -> Option<(usize, Fixed<'m>)> {
        let fits = |route: &Route<'_>| {
            path.strip_prefix(route.prefix.as_bytes())
                .is_some_and(|rest| route.prefix.ends_with('/') || matches!(rest, [] | [b'/', ..]))
        };
        let routes = self.routes.iter().enumerate().filter(|(_, route)| fits(route));
        routes.max_by_key(|(_, route)| route.prefix.len()).map(|(at, route)| (at, route.answer))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_prefix_answers_and_only_whole_names_count() {
        let text = |text| Fixed::Text { status: Status::Ok, kind: "text/plain", text };
        let route = |prefix| Route { prefix, answer: text(prefix) };
        let routes = [route("/a"), route("/a/b/"), route("/a/b"), route("/c/")];
        let site = Site { routes: &routes, ..Site::default() };
        for (path, prefix) in [
            ("/a", Some("/a")),
            ("/a/", Some("/a")),
            ("/a/bc", Some("/a")),
            ("/a/b", Some("/a/b")),
            ("/a/b/c", Some("/a/b/")),
            ("/ab", None),
            ("/c", None),
            ("/c/d", Some("/c/")),
            ("/", None),
        ] {
            assert_eq!(site.fixed(path.as_bytes()).map(|(_, answer)| answer), prefix.map(text), "{path}");
        }
    }
}
