//! The price as one JSON object. Every size is in bytes and says so.

use std::fmt::Write as _;

use super::Price;
use crate::settings::Reserve;

pub fn write(price: &Price) -> String {
    let mut out = String::from("{\"memory\":{");
    let reserve = if price.reserve == Reserve::Start { "start" } else { "use" };
    let _ = write!(
        out,
        "\"at_rest_bytes\":{},\"full_load_bytes\":{},\"reload_bytes\":{},\"limit_bytes\":{},\"reserve\":\"{reserve}\",\"files_bytes\":{},\
         \"forked_bytes\":{},\"statistics_bytes\":{},\"process_bytes\":{},\"master\":{},\"workers\":{}}}",
        price.rest_bytes(),
        price.full_bytes(),
        price.reload_bytes(),
        price.limit_bytes,
        price.files_bytes,
        price.forked_bytes,
        price.statistics_bytes,
        price.process_bytes,
        price.master,
        price.workers,
    );
    let _ = write!(
        out,
        ",\"worker\":{{\"at_rest_bytes\":{},\"full_load_bytes\":{},\"mapping_bytes\":{},\"steps_bytes\":{},\
         \"blocks\":{},\"block_bytes\":{},\"blocks_bytes\":{},\"served_files_bytes\":{},\"open_files\":{},\"open_files_max\":{}}}",
        price.worker_rest_bytes(),
        price.worker_full_bytes(),
        price.arena_bytes(),
        price.steps_bytes,
        price.blocks,
        price.block_bytes,
        price.blocks_bytes,
        price.served_bytes,
        price.files,
        price.files_max,
    );
    out.push_str(",\"listeners\":[");
    for (at, listener) in price.listeners.iter().enumerate() {
        let _ = write!(
            out,
            "{}{{\"section\":{},\"service\":{},\"address\":{},\"connections\":{},\"bytes\":{},\
             \"connection_at_rest_bytes\":{},\"connection_busy_bytes_max\":{},\"kernel\":{{\"sockets\":{},\
             \"receive_bytes\":{},\"send_bytes\":{},\"bounded\":{}}}}}",
            if at > 0 { "," } else { "" },
            quoted(&listener.section),
            quoted(&listener.service),
            quoted(&listener.address),
            listener.connections,
            listener.bytes,
            price.idle_bytes,
            price.busy_bytes,
            listener.kernel.sockets,
            listener.kernel.receive_bytes,
            listener.kernel.send_bytes,
            listener.kernel.bounded,
        );
    }
    let (kernel, log) = (price.kernel_bytes(), price.log.json());
    let _ = writeln!(out, "],\"kernel\":{{\"socket_buffer_bytes\":{kernel}}},\"log\":{log}}}");
    out
}

fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            c if c < ' ' => {
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_text_is_one_string() {
        assert_eq!(quoted("a\"b\\c\nd\u{e9}"), "\"a\\\"b\\\\c\\u000ad\u{e9}\"");
    }
}
