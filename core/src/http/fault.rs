//! Why a request is not answered as it was asked: each reason, its status and its name in counters.

use super::status::Status;

crate::tally::named_enum! {
    /// What is wrong with a request. Each is counted by itself.
    Fault {
        /// Bytes that are no request: grammar, bare line ends, folding, blanks before a colon, control bytes.
        Syntax = "syntax",
        /// No `Host`, several, or one that is no host.
        Host = "host",
        /// A `Content-Length` that is no number, or several.
        Length = "length",
        /// Both a length and a transfer coding, a coding that does not end the message, or one in HTTP/1.0.
        Framing = "framing",
        /// A chunk that is none.
        Chunk = "chunk",
        /// Not complete within `RequestTimeout`.
        Timeout = "timeout",
        /// A body longer than is passed over.
        BodyTooLong = "body_too_long",
        /// A request line or a target beyond its limit.
        TargetTooLong = "target_too_long",
        /// An `Expect` other than `100-continue`.
        Expectation = "expectation",
        /// A head beyond its limit of bytes.
        HeadTooLong = "head_too_long",
        /// A head beyond its limit of fields.
        TooManyFields = "too_many_fields",
        /// A transfer coding other than `chunked`.
        Coding = "coding",
        /// A major version other than 1.
        Version = "version",
    }
}

impl Fault {
    /// The status it is answered with; the connection closes after it.
    pub const fn status(self) -> Status {
        match self {
            Self::Syntax | Self::Host | Self::Length | Self::Framing | Self::Chunk => Status::BadRequest,
            Self::Timeout => Status::RequestTimeout,
            Self::BodyTooLong => Status::ContentTooLarge,
            Self::TargetTooLong => Status::UriTooLong,
            Self::Expectation => Status::ExpectationFailed,
            Self::HeadTooLong | Self::TooManyFields => Status::FieldsTooLarge,
            Self::Coding => Status::NotImplemented,
            Self::Version => Status::VersionNotSupported,
        }
    }
}
