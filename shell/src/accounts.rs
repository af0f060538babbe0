//! Users and groups of this machine, by name or number, from `/etc/passwd` and `/etc/group`.
//!
//! Read here and not asked of `getpwnam`: that goes through NSS, which loads libraries for good, may wait for a network,
//! takes memory that no price knows, and does not come along in a static program. An account that lives in a directory
//! service alone is written as a number. Refused: a file past 256 KiB, and the number that means "unchanged".

use std::path::Path;

use crate::os::errno::Told;
use crate::os::file;

const USERS: &str = "/etc/passwd";
const GROUPS: &str = "/etc/group";
/// Some thousands of accounts, read whole and forgotten.
const FILE_BYTES_MAX: usize = 256 * 1024;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct User {
    pub id: u32,
    /// The primary group; `None` for a number that the file does not have.
    pub group: Option<u32>,
}

/// The user of this name or number, or what it must be instead.
pub fn user(text: &str) -> Result<User, String> {
    let (id, group) = find(USERS, text)?;
    Ok(User { id, group })
}

/// The group of this name or number, or what it must be instead.
pub fn group(text: &str) -> Result<u32, String> {
    find(GROUPS, text).map(|(id, _)| id)
}

/// Both files are lines of fields with `:` between them: name, password, number, and in the first the group's number.
fn find(path: &str, text: &str) -> Result<(u32, Option<u32>), String> {
    let number = text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().unwrap_or(u32::MAX));
    let bytes = file::read_whole(Path::new(path), FILE_BYTES_MAX);
    let found = bytes.as_deref().ok().and_then(|bytes| search(bytes, text, number));
    match (number, found, bytes) {
        (_, Some(found), _) => Ok(found),
        // All ones are not a user but "unchanged" to the kernel.
        (Some(u32::MAX), ..) => Err(format!("below {}", u32::MAX)),
        (Some(id), ..) => Ok((id, None)),
        (None, None, Ok(_)) => Err(format!("a name in {path} or a number")),
        (None, None, Err(errno)) => Err(format!("a number, as {path} cannot be read ({})", Told(errno))),
    }
}

fn search(file: &[u8], name: &str, number: Option<u32>) -> Option<(u32, Option<u32>)> {
    file.split(|byte| *byte == b'\n').find_map(|line| {
        let mut fields = line.trim_ascii_end().split(|byte| *byte == b':');
        let its_name = fields.next();
        let its_number = fields.nth(1).and_then(read)?;
        let is_it = number.map_or(its_name == Some(name.as_bytes()), |number| number == its_number);
        is_it.then(|| (its_number, fields.next().and_then(read)))
    })
}

fn read(field: &[u8]) -> Option<u32> {
    str::from_utf8(field).ok()?.parse().ok().filter(|id| *id != u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWD: &[u8] = b"root:x:0:0:root:/root:/bin/sh\n\n+::::::\nbroken:x\nlong:x:99999999999:1::\n\
        minus:x:4294967295:1::\n\xFF:x:7:8::\nbox:x:1000:100::/:\r\nlast:x:5:6::/:";

    fn look(name: &str, number: Option<u32>) -> Option<(u32, Option<u32>)> {
        search(PASSWD, name, number)
    }

    #[test]
    fn an_account_is_found_by_name_or_number_with_its_group() {
        assert_eq!(look("box", None), Some((1_000, Some(100))));
        assert_eq!(look("7", Some(7)), Some((7, Some(8))));
        assert_eq!(look("last", None), Some((5, Some(6))), "a last line without an end");
        assert_eq!(search(b"wheel:x:10:root,box\n", "wheel", None), Some((10, None)));
    }

    #[test]
    fn lines_that_name_nobody_find_nobody() {
        for name in ["", "+", "broken", "long", "minus", "bo", "boxx", "root:x"] {
            assert_eq!(look(name, None), None, "{name}");
        }
        assert_eq!(look("8", Some(8)), None);
    }

    #[test]
    fn a_number_needs_no_entry_and_an_impossible_one_is_refused() {
        assert_eq!(user("0"), Ok(User { id: 0, group: Some(0) }));
        assert_eq!(user("4294967294"), Ok(User { id: 4_294_967_294, group: None }));
        for text in ["4294967295", "99999999999999999999"] {
            assert_eq!(user(text), Err("below 4294967295".to_string()), "{text}");
        }
        assert_eq!(user("no such user"), Err("a name in /etc/passwd or a number".to_string()));
        assert_eq!(group("no such group"), Err("a name in /etc/group or a number".to_string()));
    }
}
