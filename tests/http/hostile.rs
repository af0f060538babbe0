//! Paths meant to leave the root, to name what is hidden, or to be read twice.

use crate::play::{How, Then, play};

/// What a file system would have to be asked for to be in danger is never asked for.
fn is_safe(path: &str) -> bool {
    !path.is_empty()
        && path.split('/').all(|name| !name.is_empty() && !name.starts_with('.'))
        && !path.contains('\\')
        && !path.chars().any(|c| c.is_control())
}

/// The status, and what the world was asked to open.
fn ask(target: &[u8]) -> (u16, Vec<String>) {
    let request = [b"GET ", target, b" HTTP/1.1\r\nHost: h\r\n\r\n"].concat();
    let (played, service) = play(&request, Then::Stays, &How::default());
    let status = std::str::from_utf8(&played.sent[9..12]).unwrap().parse().unwrap();
    (status, service.files.asked)
}

/// What is asked for, and which status may come back.
const HOSTILE: &[(&str, &[u16])] = &[
    ("/../etc/passwd", &[400]),
    ("/../../etc/passwd", &[400]),
    ("/..", &[400]),
    ("/../", &[400]),
    ("/dir/../../etc/passwd", &[400]),
    ("/dir/../../../../../../../../etc/passwd", &[400]),
    ("/./../etc/passwd", &[400]),
    ("/dir/./../../etc/passwd", &[400]),
    ("//../etc/passwd", &[400]),
    ("///../etc/passwd", &[400]),
    ("/dir//../../etc/passwd", &[400]),
    ("/%2e%2e/etc/passwd", &[400]),
    ("/%2E%2E/etc/passwd", &[400]),
    ("/.%2e/etc/passwd", &[400]),
    ("/%2e./etc/passwd", &[400]),
    ("/%2e%2e%2fetc%2fpasswd", &[400]),
    ("/..%2fetc/passwd", &[400]),
    ("/..%2Fetc/passwd", &[400]),
    ("/dir%2f..%2f..%2fetc/passwd", &[400]),
    ("/%2fetc/passwd", &[400]),
    ("/%2f%2fetc/passwd", &[400]),
    ("/..%5cetc/passwd", &[400]),
    ("/..\\etc\\passwd", &[400]),
    ("/..\\/etc/passwd", &[400]),
    ("/\\..\\..\\etc", &[400]),
    ("/dir\\..\\..\\etc", &[400]),
    ("/%5c..%5c..%5cetc", &[400]),
    ("/c:\\windows\\system32", &[400]),
    ("/C:/windows/win.ini", &[404]),
    ("/%252e%252e/etc/passwd", &[404]),
    ("/%252e%252e%252fetc%252fpasswd", &[404]),
    ("/%25%32%65%25%32%65/etc/passwd", &[404]),
    ("/..%252f..%252fetc/passwd", &[404]),
    ("/%c0%ae%c0%ae/etc/passwd", &[400]),
    ("/%c0%ae%c0%ae%c0%afetc", &[400]),
    ("/..%c0%afetc/passwd", &[404]),
    ("/%e0%80%ae%e0%80%ae/etc", &[400]),
    ("/%f0%80%80%ae/etc", &[400]),
    ("/%u002e%u002e/etc", &[400]),
    ("/%uff0e%uff0e/etc", &[400]),
    ("/%ef%bc%8e%ef%bc%8e/etc/passwd", &[404]),
    ("/....//....//etc/passwd", &[404]),
    ("/..../etc/passwd", &[404]),
    ("/.../etc/passwd", &[404]),
    ("/..;/etc/passwd", &[404]),
    ("/..;a=b/..;/etc", &[404]),
    ("/.;/etc", &[404]),
    ("/..%20/etc", &[404]),
    ("/..%09/etc", &[400]),
    ("/..%00/etc/passwd", &[400]),
    ("/..%0d/etc", &[400]),
    ("/..%0a/etc", &[400]),
    ("/a.txt%00", &[400]),
    ("/a.txt%00.html", &[400]),
    ("/%00/../etc", &[400]),
    ("/a.txt%0d%0aX: y", &[400]),
    ("/a.txt%7f", &[400]),
    ("/.git/config", &[404]),
    ("/.env", &[404]),
    ("/.htpasswd", &[404]),
    ("/%2ehtpasswd", &[404]),
    ("/dir/.hidden", &[404]),
    ("/dir/%2ehidden/", &[404]),
    ("/.well-known/x", &[404]),
    ("/.a/../a.txt", &[404]),
    ("/a.txt/..", &[200]),
    ("/a.txt/../../x", &[400]),
    ("/a.txt/.", &[404]),
    ("/a.txt/", &[404]),
    ("/a.txt.", &[404]),
    ("/a.txt%20", &[404]),
    ("/a.txt::$DATA", &[404]),
    ("/A.TXT", &[404]),
    ("/%", &[400]),
    ("/%2", &[400]),
    ("/%2g", &[400]),
    ("/%%32%65", &[400]),
    ("/%-1", &[400]),
    ("/% 2e", &[400]),
    ("http://h/../etc/passwd", &[400]),
    ("http://h/%2e%2e/etc", &[400]),
    ("http://h\\..\\etc", &[400]),
    ("http://h:80/../../etc", &[400]),
    ("file:///etc/passwd", &[400]),
    ("file://h/etc/passwd", &[400]),
    ("/dir?/../../etc", &[301]),
    ("/?../../etc/passwd", &[200]),
    ("/#/../etc", &[400]),
    ("/~root/", &[404]),
    ("/proc/self/environ", &[404]),
    ("/etc/passwd", &[404]),
    ("//etc/passwd", &[404]),
    ("//evil.example/%2e%2e", &[200]),
    ("//dir", &[301]),
];

#[test]
fn no_hostile_path_asks_for_anything_outside_or_hidden() {
    assert!(HOSTILE.len() >= 60);
    for (target, statuses) in HOSTILE {
        let (status, asked) = ask(target.as_bytes());
        assert!(statuses.contains(&status), "{target}: {status}");
        assert!(asked.iter().all(|path| is_safe(path)), "{target}: {asked:?}");
    }
}

#[test]
fn a_redirect_stays_on_this_host() {
    for target in ["//dir", "///dir", "/.//dir", "/x/..//dir", "/%64ir"] {
        let request = format!("GET {target} HTTP/1.1\r\nHost: h\r\n\r\n");
        let (played, _) = play(request.as_bytes(), Then::Stays, &How::default());
        let sent = String::from_utf8(played.sent).unwrap();
        assert!(sent.contains("\r\nLocation: /dir/\r\n"), "{target}: {sent}");
    }
}

/// Pieces that mean something, in any order: 100,000 targets.
#[test]
fn no_mixture_of_hostile_pieces_asks_for_anything_outside_or_hidden() {
    const PIECES: &[&str] = &[
        "/", "/", "/", ".", "..", "%2e", "%2E", "%2f", "%5c", "\\", "%00", "%25", "2e", "dir", "a.txt", "?", "#", "%",
        "%c3%a4", "%ff", ";", "~", ":", "http://h", "%20", "...", ".git", "%0a", "*", "@",
    ];
    let (mut seed, mut asked_of) = (7u64, 0);
    for _ in 0..100_000 {
        let mut target = String::from("/");
        for _ in 0..1 + seed % 9 {
            seed = seed.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
            target.push_str(PIECES[(seed >> 33) as usize % PIECES.len()]);
        }
        let (_, asked) = ask(target.as_bytes());
        assert!(asked.iter().all(|path| is_safe(path)), "{target}: {asked:?}");
        asked_of += asked.len();
    }
    assert!(asked_of > 10_000, "only {asked_of} of them asked for anything at all");
}
