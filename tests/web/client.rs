//! A client that says exactly what it is told to and reads one answer after the other.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;

pub struct Answer {
    pub status: u16,
    pub fields: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Answer {
    /// The value of a field; its name in any case.
    pub fn field(&self, name: &str) -> Option<&str> {
        let mut found = self.fields.iter().filter(|(known, _)| known.eq_ignore_ascii_case(name));
        let value = found.next().map(|(_, value)| value.as_str());
        assert!(found.next().is_none(), "{name} stands twice: {:?}", self.fields);
        value
    }

    pub fn text(&self) -> &str {
        str::from_utf8(&self.body).unwrap()
    }
}

pub struct Client {
    stream: BufReader<TcpStream>,
}

impl Client {
    pub fn new(stream: TcpStream) -> Self {
        Self { stream: BufReader::new(stream) }
    }

    pub fn socket(&mut self) -> &mut TcpStream {
        self.stream.get_mut()
    }

    pub fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.socket().write_all(bytes.as_ref()).unwrap();
    }

    pub fn get(&mut self, path: &str) -> Answer {
        self.ask("GET", path, "")
    }

    /// Sends a request; `fields` are whole lines.
    pub fn ask(&mut self, method: &str, path: &str, fields: &str) -> Answer {
        self.send(format!("{method} {path} HTTP/1.1\r\nHost: box\r\n{fields}\r\n"));
        self.answer(method == "HEAD")
    }

    /// Reads the head of an answer, and its body.
    pub fn answer(&mut self, head_only: bool) -> Answer {
        let mut answer = self.head();
        let is_bodiless = head_only || matches!(answer.status, 204 | 304);
        let len = answer.field("Content-Length").map_or(0, |len| len.parse().unwrap());
        answer.body = vec![0; if is_bodiless { 0 } else { len }];
        self.stream.read_exact(&mut answer.body).unwrap();
        answer
    }

    /// Reads the head alone.
    pub fn head(&mut self) -> Answer {
        let status = self.line();
        let status = status.strip_prefix("HTTP/1.1 ").unwrap_or_else(|| panic!("{status:?}")).get(..3).unwrap().parse();
        let mut fields = Vec::new();
        loop {
            let line = self.line();
            let Some((name, value)) = line.split_once(':') else {
                assert_eq!(line, "");
                return Answer { status: status.unwrap(), fields, body: Vec::new() };
            };
            fields.push((name.to_string(), value.trim().to_string()));
        }
    }

    pub fn read(&mut self, bytes: usize) -> Vec<u8> {
        let mut body = vec![0; bytes];
        self.stream.read_exact(&mut body).unwrap();
        body
    }

    /// Everything until the server ends the connection.
    pub fn rest(&mut self) -> Vec<u8> {
        let mut rest = Vec::new();
        let _ = self.stream.read_to_end(&mut rest);
        rest
    }

    fn line(&mut self) -> String {
        let mut line = Vec::new();
        self.stream.read_until(b'\n', &mut line).unwrap();
        let line = line.strip_suffix(b"\r\n").unwrap_or_else(|| panic!("no line: {line:?}"));
        String::from_utf8(line.to_vec()).unwrap()
    }
}
