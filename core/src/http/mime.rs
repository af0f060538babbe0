//! Content types by a name's extension. Text says that it is UTF-8, so that no browser guesses.

/// A content type, by its place in the table of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Kind(u8);

/// For names that say nothing.
const UNKNOWN: &str = "application/octet-stream";

/// The bit that makes letters small, and leaves digits and dots what they are.
const SMALL: u64 = u64::from_ne_bytes([0x20; 8]);

const fn key(extension: &str) -> u64 {
    let bytes = extension.as_bytes();
    assert!(bytes.len() <= 7 && !bytes.is_empty());
    let (mut key, mut at) = (0, 0);
    while at < bytes.len() {
        key = key << 8 | (bytes[at] | 0x20) as u64;
        at += 1;
    }
    key
}

macro_rules! types {
    ($($($extension:literal)+ => $type:literal,)*) => {
        /// What boxes serve, the likeliest first.
        const TYPES: &[(u64, &str)] = &[$($((key($extension), $type),)+)*];
    };
}

types! {
    "html" "htm" => "text/html; charset=utf-8",
    "css" => "text/css; charset=utf-8",
    "js" "mjs" => "text/javascript; charset=utf-8",
    "txt" "log" "conf" "ini" => "text/plain; charset=utf-8",
    "json" "map" => "application/json",
    "png" => "image/png",
    "jpg" "jpeg" => "image/jpeg",
    "svg" => "image/svg+xml",
    "ico" => "image/vnd.microsoft.icon",
    "gif" => "image/gif",
    "webp" => "image/webp",
    "avif" => "image/avif",
    "woff2" => "font/woff2",
    "woff" => "font/woff",
    "ttf" => "font/ttf",
    "otf" => "font/otf",
    "xml" => "application/xml",
    "csv" => "text/csv; charset=utf-8",
    "md" => "text/markdown; charset=utf-8",
    "yaml" "yml" => "application/yaml",
    "wasm" => "application/wasm",
    "pdf" => "application/pdf",
    "zip" => "application/zip",
    "gz" => "application/gzip",
    "tar" => "application/x-tar",
    "xz" => "application/x-xz",
    "zst" => "application/zstd",
    "deb" => "application/vnd.debian.binary-package",
    "mp3" => "audio/mpeg",
    "ogg" => "audio/ogg",
    "wav" => "audio/wav",
    "flac" => "audio/flac",
    "mp4" => "video/mp4",
    "webm" => "video/webm",
    "m3u8" => "application/vnd.apple.mpegurl",
    "ts" => "video/mp2t",
}

impl Kind {
    /// The content type of a path, by what follows the last dot of its last segment; in any case of letters.
    pub fn of(path: &[u8]) -> Self {
        let word = match path.last_chunk::<8>() {
            Some(end) => u64::from_be_bytes(*end),
            None => path.iter().fold(0, |word, byte| word << 8 | u64::from(*byte)),
        };
        // No letter becomes a dot when the bit of small letters is set, and a slash is in no extension.
        let word = word | SMALL;
        let dots = word ^ u64::from_ne_bytes([b'.'; 8]);
        let dots = dots.wrapping_sub(u64::from_ne_bytes([1; 8])) & !dots & u64::from_ne_bytes([0x80; 8]);
        let bits = dots.trailing_zeros() & !7;
        let key = word & 1u64.checked_shl(bits).map_or(0, |end| end.wrapping_sub(1));
        // Zero is for names that say nothing, which is what memory that was never written says too.
        TYPES.iter().position(|of| of.0 == key).map_or(Self(0), |at| Self(at.wrapping_add(1) as u8))
    }

    /// As it is written behind `Content-Type: `.
    pub fn text(self) -> &'static str {
        TYPES.get(usize::from(self.0).wrapping_sub(1)).map_or(UNKNOWN, |of| of.1)
    }
}

const _: () = assert!(TYPES.len() < u8::MAX as usize);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_the_type_of_its_last_extension() {
        for (path, kind) in [
            ("/index.html", "text/html; charset=utf-8"),
            ("/A.HTML", "text/html; charset=utf-8"),
            ("/a.tar.gz", "application/gzip"),
            ("/a.woff2", "font/woff2"),
            ("/a.b/c", UNKNOWN),
            ("/html", UNKNOWN),
            ("/a.", UNKNOWN),
            ("/a.somethinglong", UNKNOWN),
            ("", UNKNOWN),
            ("/html", UNKNOWN),
            ("html", UNKNOWN),
            ("a/b.c/.js/d", UNKNOWN),
            ("/x.js", "text/javascript; charset=utf-8"),
            ("/1.m3u8", "application/vnd.apple.mpegurl"),
        ] {
            assert_eq!(Kind::of(path.as_bytes()).text(), kind, "{path}");
        }
    }

    #[test]
    fn no_extension_has_two_types() {
        for (at, one) in TYPES.iter().enumerate() {
            assert!(TYPES.iter().skip(at + 1).all(|other| other.0 != one.0), "{}", one.1);
        }
    }
}
