//! HTTP/1.1 as pure pieces (RFC 9110, RFC 9112): bytes in, facts out; no socket, no file, no clock, no heap.
//!
//! In the order a request meets them: [`head`] reads its head and [`chunk`] passes over its body; [`target`] makes a
//! safe path of what was asked for; [`conditional`], [`range`] and [`accept`] say which bytes are wanted; [`response`]
//! writes the answer, with [`status`], [`date`], [`etag`] and [`mime`] for what stands in it. The service made of
//! them is [`Http`](crate::service::http::Http).
//!
//! Declined: HTTP/2 and upgrades, `CONNECT` and `TRACE`, several ranges in one answer, transfer codings besides
//! `chunked`, line folding, and every leniency of RFC 9112 that lets two parsers disagree about where a message ends.

pub mod accept;
pub mod bytes;
pub mod chunk;
pub mod conditional;
pub mod counts;
pub mod date;
pub mod etag;
pub mod fault;
pub mod fields;
pub mod head;
pub mod host;
pub mod method;
pub mod mime;
pub mod range;
pub mod recent;
pub mod response;
pub mod status;
pub mod target;
