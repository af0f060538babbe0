//! An errno as a person reads it: its name and libc's sentence, both without allocation.

use core::fmt;

use rustix::io::Errno;

/// Prints `24: EMFILE, Too many open files`.
#[derive(Clone, Copy, Debug)]
pub struct Told(pub Errno);

impl fmt::Display for Told {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let code = self.0.raw_os_error();
        write!(out, "{code}: ")?;
        if let Some(name) = name(self.0) {
            write!(out, "{name}, ")?;
        }
        let mut buffer = [0u8; 96];
        // SAFETY: the buffer is writable for the length given; on success it holds a NUL-terminated text.
        let failed = unsafe { libc::strerror_r(code, buffer.as_mut_ptr().cast(), buffer.len()) } != 0;
        let end = buffer.iter().position(|byte| *byte == 0).unwrap_or(0);
        match core::str::from_utf8(&buffer[..end]) {
            Ok(text) if !failed => out.write_str(text),
            _ => out.write_str("unknown error"),
        }
    }
}

/// The names an operator of a server may meet.
fn name(errno: Errno) -> Option<&'static str> {
    const NAMES: [(Errno, &str); 47] = [
        (Errno::PERM, "EPERM"),
        (Errno::NOENT, "ENOENT"),
        (Errno::SRCH, "ESRCH"),
        (Errno::INTR, "EINTR"),
        (Errno::IO, "EIO"),
        (Errno::NXIO, "ENXIO"),
        (Errno::BADF, "EBADF"),
        (Errno::CHILD, "ECHILD"),
        (Errno::AGAIN, "EAGAIN"),
        (Errno::NOMEM, "ENOMEM"),
        (Errno::ACCESS, "EACCES"),
        (Errno::FAULT, "EFAULT"),
        (Errno::BUSY, "EBUSY"),
        (Errno::EXIST, "EEXIST"),
        (Errno::NODEV, "ENODEV"),
        (Errno::NOTDIR, "ENOTDIR"),
        (Errno::ISDIR, "EISDIR"),
        (Errno::INVAL, "EINVAL"),
        (Errno::NFILE, "ENFILE"),
        (Errno::MFILE, "EMFILE"),
        (Errno::FBIG, "EFBIG"),
        (Errno::NOSPC, "ENOSPC"),
        (Errno::ROFS, "EROFS"),
        (Errno::PIPE, "EPIPE"),
        (Errno::NAMETOOLONG, "ENAMETOOLONG"),
        (Errno::NOSYS, "ENOSYS"),
        (Errno::LOOP, "ELOOP"),
        (Errno::PROTO, "EPROTO"),
        (Errno::OVERFLOW, "EOVERFLOW"),
        (Errno::NOTSOCK, "ENOTSOCK"),
        (Errno::MSGSIZE, "EMSGSIZE"),
        (Errno::OPNOTSUPP, "EOPNOTSUPP"),
        (Errno::AFNOSUPPORT, "EAFNOSUPPORT"),
        (Errno::ADDRINUSE, "EADDRINUSE"),
        (Errno::ADDRNOTAVAIL, "EADDRNOTAVAIL"),
        (Errno::NETDOWN, "ENETDOWN"),
        (Errno::NETUNREACH, "ENETUNREACH"),
        (Errno::CONNABORTED, "ECONNABORTED"),
        (Errno::CONNRESET, "ECONNRESET"),
        (Errno::NOBUFS, "ENOBUFS"),
        (Errno::NOTCONN, "ENOTCONN"),
        (Errno::TIMEDOUT, "ETIMEDOUT"),
        (Errno::CONNREFUSED, "ECONNREFUSED"),
        (Errno::HOSTDOWN, "EHOSTDOWN"),
        (Errno::HOSTUNREACH, "EHOSTUNREACH"),
        (Errno::DQUOT, "EDQUOT"),
        (Errno::CANCELED, "ECANCELED"),
    ];
    NAMES.iter().find(|(known, _)| *known == errno).map(|(_, name)| *name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_errno_is_told_by_number_name_and_text() {
        let text = format!("{}", Told(Errno::MFILE));
        assert!(text.starts_with("24: EMFILE, "), "{text}");
        assert!(text.len() > "24: EMFILE, ".len(), "{text}");
        // A number nobody gave a name still prints as something.
        assert!(format!("{}", Told(Errno::from_raw_os_error(999))).starts_with("999: "));
    }
}
