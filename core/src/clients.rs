//! Connections counted by client: a hash table over lent memory.
//!
//! A client is an IPv4 address, or the /64 of an IPv6 address, since that is what one household is given; within a
//! link-local network, which all neighbours share, it is the half that tells them apart. Each listener counts for
//! itself. Open addressing with linear probing, and deletion shifts back what it can, so there are no tombstones: a
//! table at most half full is searched in two or three steps on average. Where a client lands depends on a secret
//! seed (SipHash-1-3), so peers cannot choose addresses that all land on one place.

use core::net::{IpAddr, Ipv6Addr};

/// One place of the table: 16 bytes, and all zero is empty.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Client {
    network: u64,
    /// Connections alive; 0 is an empty place.
    count: u32,
    listener: u8,
    /// 4, 6, or 7 within a link.
    family: u8,
}

impl Client {
    /// The client behind an address, as a listener counts it.
    pub fn of(listener: u8, address: IpAddr) -> Self {
        let (network, family) = match address.to_canonical() {
            IpAddr::V4(v4) => (u64::from(v4.to_bits()), 4),
            IpAddr::V6(v6) if is_link_local(v6) => (v6.to_bits() as u64, 7),
            IpAddr::V6(v6) => ((v6.to_bits() >> 64) as u64, 6),
        };
        Self { network, count: 0, listener, family }
    }

    fn is(&self, other: &Self) -> bool {
        (self.network, self.listener, self.family) == (other.network, other.listener, other.family)
    }
}

/// fe80::/10 (RFC 4291, 2.5.6).
const fn is_link_local(v6: Ipv6Addr) -> bool {
    v6.to_bits() >> 118 == 0xfe80 >> 6
}

/// How often each client is connected.
pub struct Clients<'m> {
    cells: &'m mut [Client],
    seed: [u64; 2],
    /// Connections that may be counted at one time: fewer than there are cells, so a search always ends.
    reserved: u32,
}

impl<'m> Clients<'m> {
    /// A table over `cells`, all of them [`Client::default`] (or all zero bytes).
    pub fn new(cells: &'m mut [Client], seed: [u64; 2]) -> Self {
        Self { cells, seed, reserved: 0 }
    }

    /// Sets room aside for so many more connections; `false` when there are not as many cells and one more.
    pub fn reserve(&mut self, connections: u32) -> bool {
        let reserved = self.reserved.saturating_add(connections);
        let fits = (reserved as usize) < self.cells.len();
        if fits {
            self.reserved = reserved;
        }
        fits
    }

    /// Counts one more connection of a client, unless it has `limit` already.
    pub fn enter(&mut self, client: Client, limit: u32) -> bool {
        let Some(cell) = self.place(&client).and_then(|at| self.cells.get_mut(at)) else { return false };
        if cell.count >= limit {
            return false;
        }
        *cell = Client { count: cell.count.wrapping_add(1), ..client };
        true
    }

    /// Counts one less.
    pub fn leave(&mut self, client: Client) {
        let Some(at) = self.place(&client) else { return };
        let Some(cell) = self.cells.get_mut(at) else { return };
        cell.count = cell.count.saturating_sub(1);
        if cell.count == 0 {
            self.close_gap(at);
        }
    }

    /// The connections of a client.
    pub fn count(&self, client: Client) -> u32 {
        self.place(&client).and_then(|at| self.cells.get(at)).map_or(0, |cell| cell.count)
    }

    /// Walks the table: every client is found where it is, and there are so many connections in all.
    #[cfg(debug_assertions)]
    pub fn check(&self, connections: u32) {
        let mut sum = 0;
        for (at, cell) in self.cells.iter().enumerate().filter(|(_, cell)| cell.count > 0) {
            assert_eq!(self.place(cell), Some(at), "a client that is not found");
            sum += cell.count;
        }
        assert_eq!(sum, connections, "connections counted by client");
    }

    /// Where a client is, or else the empty place where it would be.
    fn place(&self, client: &Client) -> Option<usize> {
        let (behind, before) = self.cells.split_at_checked(self.home(client))?;
        let found = |cell: &Client| cell.count == 0 || cell.is(client);
        match before.iter().position(found) {
            Some(at) => Some(behind.len().wrapping_add(at)),
            None => behind.iter().position(found),
        }
    }

    /// Empties a place, and moves up whoever stands behind it because of it.
    fn close_gap(&mut self, mut gap: usize) {
        let mut at = gap;
        for _ in 1..self.cells.len() {
            at = if at.wrapping_add(1) < self.cells.len() { at.wrapping_add(1) } else { 0 };
            let Some(cell) = self.cells.get(at).copied().filter(|cell| cell.count > 0) else { break };
            if self.distance(self.home(&cell), at) >= self.distance(gap, at) {
                self.put(gap, cell);
                gap = at;
            }
        }
        self.put(gap, Client::default());
    }

    fn put(&mut self, at: usize, client: Client) {
        if let Some(cell) = self.cells.get_mut(at) {
            *cell = client;
        }
    }

    /// Steps from one place forward to another.
    fn distance(&self, from: usize, to: usize) -> usize {
        let steps = to.wrapping_sub(from);
        if to >= from { steps } else { steps.wrapping_add(self.cells.len()) }
    }

    /// Where the search for a client begins.
    fn home(&self, client: &Client) -> usize {
        let words = [client.network, u64::from(client.listener) << 8 | u64::from(client.family)];
        let hash = sip13(self.seed, words);
        // The upper half as a fraction of the length: no division, and within the table.
        ((hash >> 32).wrapping_mul(self.cells.len() as u64) >> 32) as usize
    }
}

/// SipHash-1-3 of two words (Aumasson and Bernstein, 2012), as the standard library's tables use it.
fn sip13(seed: [u64; 2], words: [u64; 2]) -> u64 {
    let [k0, k1] = seed;
    let mut v = [
        k0 ^ 0x736f_6d65_7073_6575,
        k1 ^ 0x646f_7261_6e64_6f6d,
        k0 ^ 0x6c79_6765_6e65_7261,
        k1 ^ 0x7465_6462_7974_6573,
    ];
    let [first, second] = words;
    // The last word is the length in bytes, in the uppermost byte.
    for word in [first, second, 16 << 56] {
        v[3] ^= word;
        round(&mut v);
        v[0] ^= word;
    }
    v[2] ^= 0xff;
    (0..3).for_each(|_| round(&mut v));
    v.iter().fold(0, |hash, word| hash ^ word)
}

fn round([v0, v1, v2, v3]: &mut [u64; 4]) {
    *v0 = v0.wrapping_add(*v1);
    *v1 = v1.rotate_left(13) ^ *v0;
    *v0 = v0.rotate_left(32);
    *v2 = v2.wrapping_add(*v3);
    *v3 = v3.rotate_left(16) ^ *v2;
    *v0 = v0.wrapping_add(*v3);
    *v3 = v3.rotate_left(21) ^ *v0;
    *v2 = v2.wrapping_add(*v1);
    *v1 = v1.rotate_left(17) ^ *v2;
    *v2 = v2.rotate_left(32);
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use std::collections::HashMap;
    use std::hash::{DefaultHasher, Hasher};
    use std::vec::Vec;

    fn client(text: &str) -> Client {
        Client::of(0, text.parse().unwrap())
    }

    /// The standard library's hasher is the judge: SipHash-1-3 with the key 0.
    #[test]
    fn the_hash_is_siphash() {
        for n in 0..1_000_u64 {
            let words = [n.wrapping_mul(0x9e37_79b9_7f4a_7c15), n << 8 | 6];
            let mut hasher = DefaultHasher::new();
            words.iter().for_each(|word| hasher.write(&word.to_le_bytes()));
            assert_eq!(sip13([0, 0], words), hasher.finish());
            assert_ne!(sip13([1, 0], words), sip13([0, 1], words));
        }
    }

    #[test]
    fn a_client_is_an_address_or_a_64() {
        assert_eq!(client("::ffff:192.0.2.1"), client("192.0.2.1"));
        assert_ne!(client("192.0.2.2"), client("192.0.2.1"));
        assert_eq!(client("2001:db8:0:1::1"), client("2001:db8:0:1:ffff::2"));
        assert_ne!(client("2001:db8:0:1::1"), client("2001:db8:0:2::1"));
        assert_ne!(client("fe80::1"), client("fe80::2"), "neighbours are not one client");
        assert_ne!(Client::of(0, "::1".parse().unwrap()), Client::of(1, "::1".parse().unwrap()));
        assert_eq!(size_of::<Client>(), 16);
    }

    /// Against a plain map: small and full tables, so that chains wrap and are torn in their middle.
    #[test]
    fn the_table_counts_as_a_plain_map_does() {
        let mut dice = 1_u64;
        for length in [2, 3, 5, 8, 17, 64, 257] {
            let mut cells = std::vec![Client::default(); length];
            let mut clients = Clients::new(&mut cells, [dice, length as u64]);
            let most = length as u32 - 1;
            assert!(!clients.reserve(most + 1) && clients.reserve(most) && !clients.reserve(1));
            let mut plain: HashMap<u64, u32> = HashMap::new();
            let mut alive: Vec<u64> = Vec::new();
            for _ in 0..20_000 {
                dice ^= dice << 13;
                dice ^= dice >> 7;
                dice ^= dice << 17;
                let host = (dice >> 33) % (length as u64 * 2);
                let of = |host| Client::of((host % 3) as u8, IpAddr::from((host as u32 / 2).to_be_bytes()));
                if dice.is_multiple_of(2) && (alive.len() as u32) < most {
                    let may = plain.get(&host).is_none_or(|count| *count < 3);
                    assert_eq!(clients.enter(of(host), 3), may);
                    if may {
                        *plain.entry(host).or_default() += 1;
                        alive.push(host);
                    }
                } else if !alive.is_empty() {
                    let host = alive.swap_remove((dice >> 40) as usize % alive.len());
                    clients.leave(of(host));
                    *plain.get_mut(&host).unwrap() -= 1;
                }
                plain.retain(|_, count| *count > 0);
                clients.check(alive.len() as u32);
            }
            for (host, count) in &plain {
                let ip = IpAddr::from((*host as u32 / 2).to_be_bytes());
                assert_eq!(clients.count(Client::of((host % 3) as u8, ip)), *count);
            }
        }
    }

    #[test]
    fn a_table_that_was_not_lent_counts_nobody() {
        let mut clients = Clients::new(&mut [], [0; 2]);
        assert!(!clients.reserve(0) && !clients.enter(client("::1"), 9));
        clients.leave(client("::1"));
        assert_eq!(clients.count(client("::1")), 0);
    }

    #[test]
    fn a_table_half_full_is_searched_in_a_few_steps_whoever_chose_the_addresses() {
        let mut cells = std::vec![Client::default(); 1 << 16];
        let mut clients = Clients::new(&mut cells, [7, 9]);
        let all = (0..1 << 15).map(|host: u32| Client::of(0, IpAddr::from((host << 12).to_be_bytes())));
        all.clone().for_each(|client| assert!(clients.enter(client, 1)));
        let steps = |client: Client| clients.distance(clients.home(&client), clients.place(&client).unwrap());
        let (sum, most) = all.map(steps).fold((0, 0), |(sum, most), steps| (sum + steps, most.max(steps)));
        assert!(sum < 1 << 15 && most < 100, "{sum} {most}");
    }
}
