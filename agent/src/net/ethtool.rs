//! What a network card is set to do with packets before anybody sees them (ethtool's ioctls, linux/ethtool.h).

use std::ffi::{CStr, c_char};

use nix::errno::Errno;
use nix::libc;
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socket};
use std::os::fd::{AsRawFd, OwnedFd};

const SIOCETHTOOL: libc::Ioctl = 0x8946;
const GET_DRIVER: u32 = 0x03;
const GET_FLAGS: u32 = 0x25;
const GET_GRO: u32 = 0x2b;
const GET_CHANNELS: u32 = 0x3c;
/// `ETH_FLAG_RXVLAN`
const FLAG_RXVLAN: u32 = 1 << 8;
/// `ETH_FLAG_LRO`
const FLAG_LRO: u32 = 1 << 15;
/// Bytes of `struct ethtool_drvinfo`, and where the name is.
const DRIVER_LEN: usize = 196;
const DRIVER_NAME: std::ops::Range<usize> = 4..36;
/// Words of `struct ethtool_channels`: the command, four maxima (rx, tx, other, combined), four values.
const CHANNEL_WORDS: usize = 9;

/// Settings of one interface; what it does not tell is `None`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Card {
    /// Name of the driver.
    pub driver: Option<String>,
    /// VLAN tags are taken off the packets.
    pub rxvlan: Option<bool>,
    /// Packets are merged in the network stack.
    pub gro: Option<bool>,
    /// Packets are merged by the card.
    pub lro: Option<bool>,
    /// Receive queues in use, and how many there can be.
    pub channels: Option<(u32, u32)>,
}

impl Card {
    /// Asks the interface's driver.
    pub fn of(interface: &str) -> Result<Card, Errno> {
        let flags = SockFlag::SOCK_CLOEXEC;
        let socket = socket(AddressFamily::Inet, SockType::Datagram, flags, None)?;
        let value = |command| {
            let mut words = [command, 0];
            ask(&socket, interface, &mut words).ok()?;
            let [_, value] = words;
            Some(value)
        };
        let flags = value(GET_FLAGS);
        Ok(Card {
            driver: driver(&socket, interface),
            rxvlan: flags.map(|flags| flags & FLAG_RXVLAN != 0),
            lro: flags.map(|flags| flags & FLAG_LRO != 0),
            gro: value(GET_GRO).map(|value| value != 0),
            channels: channels(&socket, interface),
        })
    }
}

fn driver(socket: &OwnedFd, interface: &str) -> Option<String> {
    let mut words = [0; DRIVER_LEN / 4];
    *words.first_mut()? = GET_DRIVER;
    ask(socket, interface, &mut words).ok()?;
    let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_ne_bytes()).collect();
    let name = CStr::from_bytes_until_nul(bytes.get(DRIVER_NAME)?).ok()?;
    Some(name.to_string_lossy().into_owned()).filter(|name| !name.is_empty())
}

fn channels(socket: &OwnedFd, interface: &str) -> Option<(u32, u32)> {
    let mut words = [0; CHANNEL_WORDS];
    *words.first_mut()? = GET_CHANNELS;
    ask(socket, interface, &mut words).ok()?;
    let [_, max_rx, _, _, max_combined, rx, _, _, combined] = words;
    Some((rx.saturating_add(combined), max_rx.saturating_add(max_combined)))
}

/// Sends a request whose answer takes its place.
fn ask(socket: &OwnedFd, interface: &str, words: &mut [u32]) -> Result<(), Errno> {
    // SAFETY: bytes and a union of integers and pointers, for all of which zero is a value.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    if interface.len() >= request.ifr_name.len() {
        return Err(Errno::ENODEV);
    }
    for (to, from) in request.ifr_name.iter_mut().zip(interface.bytes()) {
        *to = c_char::from_ne_bytes([from]);
    }
    request.ifr_ifru.ifru_data = words.as_mut_ptr().cast();
    // SAFETY: `words` begins with a command whose structure has exactly that length, and lives until the call returns.
    Errno::result(unsafe { libc::ioctl(socket.as_raw_fd(), SIOCETHTOOL, &raw mut request) }).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_loopback_answers_and_others_are_not_there() {
        let lo = Card::of("lo").expect("a socket");
        assert!(lo.gro.is_some() && lo.channels.is_none(), "{lo:?}");
        for name in ["nosuch0", "a-name-that-is-much-too-long-for-one", ""] {
            assert_eq!(Card::of(name), Ok(Card::default()), "{name}");
        }
    }
}
