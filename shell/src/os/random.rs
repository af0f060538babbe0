//! A secret that peers cannot guess: where clients land in a table depends on it.

use rustix::rand::{GetRandomFlags, getrandom};

use super::clock;

/// Two random words. Never waits: before the kernel has gathered entropy, or where it is older than `getrandom`, the
/// clock and the place of the stack, which the kernel chose, must do.
pub fn seed() -> [u64; 2] {
    let mut bytes = [0; 16];
    if getrandom(&mut bytes, GetRandomFlags::NONBLOCK) == Ok(16) {
        let word = u128::from_ne_bytes(bytes);
        return [word as u64, (word >> 64) as u64];
    }
    let place = (&raw const bytes).addr() as u64;
    [clock::now_ms() ^ u64::from(std::process::id()) << 40, place.rotate_left(17)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_seeds_are_equal() {
        assert_ne!(seed(), seed());
    }
}
