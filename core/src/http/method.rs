//! Request methods (RFC 9110 9) by name.

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Method {
    #[default]
    Get,
    Head,
    Options,
    Post,
    Put,
    Delete,
    Patch,
    /// Anything else that is a token.
    Other,
}

impl Method {
    /// The method of a name; names are case-sensitive.
    pub fn named(name: &[u8]) -> Self {
        match name {
            b"GET" => Self::Get,
            b"HEAD" => Self::Head,
            b"OPTIONS" => Self::Options,
            b"POST" => Self::Post,
            b"PUT" => Self::Put,
            b"DELETE" => Self::Delete,
            b"PATCH" => Self::Patch,
            _ => Self::Other,
        }
    }
}
