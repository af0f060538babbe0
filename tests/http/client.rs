//! A client that takes nothing amiss lightly: it reads answers as RFC 9112 frames them and checks what must hold for
//! every one of them.

/// One answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    pub status: u16,
    pub fields: Vec<(String, String)>,
    pub body: Vec<u8>,
    pub closes: bool,
}

impl Answer {
    pub fn field(&self, name: &str) -> Option<&str> {
        let mut found = self.fields.iter().filter(|(field, _)| field.eq_ignore_ascii_case(name));
        let first = found.next();
        assert!(found.next().is_none(), "two fields named {name}");
        first.map(|(_, value)| value.as_str())
    }
}

/// Reads all answers; `heads` says for each in order whether it answers a `HEAD`. `closed`: nothing more will come.
pub fn read(mut bytes: &[u8], heads: &[bool], closed: bool) -> Vec<Answer> {
    let mut answers: Vec<Answer> = Vec::new();
    let mut finals = 0;
    while !bytes.is_empty() {
        assert!(!answers.last().is_some_and(|answer| answer.closes), "an answer after the last one");
        let end = find(bytes, b"\r\n\r\n").expect("a whole head");
        let head = std::str::from_utf8(&bytes[..end]).expect("heads are text");
        bytes = &bytes[end + 4..];
        let mut lines = head.split("\r\n");
        let line = lines.next().unwrap();
        let status: u16 = line.strip_prefix("HTTP/1.1 ").and_then(|line| line.get(..3)).unwrap().parse().unwrap();
        assert!(line.as_bytes().get(12) == Some(&b' ') && line.len() > 13, "{line}: number, blank, reason");
        let fields: Vec<(String, String)> = lines
            .map(|line| {
                let (name, value) = line.split_once(':').unwrap_or_else(|| panic!("{line}: no field"));
                assert!(!name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-'), "{line}");
                assert!(value.starts_with(' ') && value.bytes().all(|b| (32..127).contains(&b)), "{line}");
                (name.into(), value.trim().into())
            })
            .collect();
        let mut answer = Answer { status, fields, body: Vec::new(), closes: false };
        answer.closes = answer.field("connection") == Some("close");
        if status == 100 {
            assert!(answer.fields.is_empty(), "100 has no fields here");
            answers.push(answer);
            continue;
        }
        let is_head = heads.get(finals).copied().unwrap_or(false);
        finals += 1;
        let len = answer.field("content-length").map(|len| len.parse::<usize>().expect("a length"));
        let chunked = answer.field("transfer-encoding").inspect(|coding| assert_eq!(*coding, "chunked")).is_some();
        assert!(!(chunked && len.is_some()), "both a length and chunks");
        if matches!(status, 204 | 304) {
            assert!(len.is_none() && !chunked, "{status} has no body");
        } else if is_head {
        } else if let Some(len) = len {
            let whole = bytes.len() >= len;
            assert!(whole || closed, "a body of {len} has {}", bytes.len());
            answer.body = bytes[..len.min(bytes.len())].to_vec();
            bytes = &bytes[len.min(bytes.len())..];
        } else if chunked {
            (answer.body, bytes) = dechunk(bytes);
        } else {
            assert!(answer.closes && closed, "a body without an end");
            answer.body = std::mem::take(&mut bytes).to_vec();
        }
        if status == 405 {
            assert!(answer.field("allow").is_some(), "405 says what is allowed");
        }
        answers.push(answer);
    }
    answers
}

fn dechunk(mut bytes: &[u8]) -> (Vec<u8>, &[u8]) {
    let mut body = Vec::new();
    loop {
        let end = find(bytes, b"\r\n").expect("a chunk's size");
        let size = usize::from_str_radix(std::str::from_utf8(&bytes[..end]).unwrap(), 16).expect("a size");
        bytes = &bytes[end + 2..];
        body.extend_from_slice(&bytes[..size]);
        assert_eq!(&bytes[size..size + 2], b"\r\n");
        bytes = &bytes[size + 2..];
        if size == 0 {
            return (body, bytes);
        }
    }
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|window| window == what)
}
