//! The VRRP message: its length, its checksum, its fields. Nothing here depends on the router's rules.

use aya_ebpf::bindings::xdp_md;
use vipward_common::reason::Reason;
use vipward_common::timing::{NANOS_PER_CENTI, NANOS_PER_SEC};
use vipward_common::wire::{eth, ipv4, vrrp};

use crate::frame::{Bytes, Frame};
use crate::parse::Packet;

/// Where the last word of a message may lie at most: behind two tags, an IPv4 header with options, and itself.
const MAX_OFFSET: u64 = (eth::LEN + 2 * eth::VLAN_LEN + ipv4::MAX_LEN + vrrp::MAX_LEN) as u64;

/// The message's first byte, and the rest if it is sound.
pub(crate) struct Message {
    /// VRRP version.
    pub(crate) version: u8,
    /// VRRP packet type.
    pub(crate) kind: u8,
    /// What it says, or why that cannot be told.
    pub(crate) advert: Result<Advert, Reason>,
}

/// The fields of a whole message whose checksum holds.
#[derive(Clone, Copy)]
pub(crate) struct Advert {
    /// Priority.
    pub(crate) priority: u8,
    /// Number of addresses.
    pub(crate) count: u8,
    /// Version 2: authentication type.
    pub(crate) auth_type: u8,
    /// Version 2: authentication data as it lies in memory.
    pub(crate) auth_data: [u16; vrrp::AUTH_LEN / 2],
    /// Interval in nanoseconds.
    pub(crate) interval_ns: u64,
    /// Sum of the addresses' words in host order.
    pub(crate) addresses_sum: u32,
}

impl Message {
    /// Reads the message of `packet`.
    #[inline(always)]
    pub(crate) fn read(frame: &Frame, packet: &Packet) -> Message {
        let version = packet.version_type >> 4;
        Message { version, kind: packet.version_type & 0xf, advert: advert(frame, packet, version) }
    }
}

#[inline(always)]
fn advert(frame: &Frame, packet: &Packet, version: u8) -> Result<Advert, Reason> {
    let length = packet.length.ok_or(Reason::Length)?;
    if length > vrrp::MAX_LEN || !frame.reaches(packet.offset + length) {
        return Err(Reason::Length);
    }
    let header = frame.halves::<{ vrrp::LEN / 2 }>(packet.offset).ok_or(Reason::Length)?;
    let word = |offset: usize| u16::from_be(header[offset / 2]);
    let [priority, count] = word(vrrp::PRIORITY).to_be_bytes();
    let address_len = if packet.key.family == 4 { 4 } else { 16 };
    let addresses_end = vrrp::LEN + usize::from(count) * address_len;
    let end = addresses_end + if version == 2 { vrrp::AUTH_LEN } else { 0 };
    if length < end {
        return Err(Reason::Length);
    }

    let addresses_sum = sum(frame, packet.offset + vrrp::LEN, addresses_end - vrrp::LEN);
    // Version 3 ends with the addresses, and a call for nothing costs as much as an address.
    let rest = match length - addresses_end {
        0 => 0,
        rest => sum(frame, packet.offset + addresses_end, rest),
    };
    let header_sum = header.iter().map(|half| u32::from(u16::from_be(*half))).sum::<u32>();
    // An odd last byte is the high half of a word.
    let odd = if length & 1 == 1 {
        u32::from(frame.u8(packet.offset + (length & !1)).ok_or(Reason::Length)?) << 8
    } else {
        0
    };
    let total = header_sum + addresses_sum + rest + odd;
    let pseudo = total + packet.pseudo_sum;
    let sound = match (version, packet.key.family) {
        (2, _) => holds(total),
        // RFC 9568 has no pseudo-header over IPv4, RFC 5798 as deployed has one.
        (_, 4) => holds(total) || holds(pseudo),
        _ => holds(pseudo),
    };
    if !sound {
        return Err(Reason::Checksum);
    }

    let [auth_type, seconds] = word(vrrp::AUTH_TYPE).to_be_bytes();
    let centis = word(vrrp::INTERVAL_V3) & vrrp::INTERVAL_V3_MASK;
    let (interval_ns, auth_data) = if version == 2 {
        let data = frame.halves(packet.offset + addresses_end).ok_or(Reason::Length)?;
        (u64::from(seconds) * NANOS_PER_SEC, data)
    } else {
        (u64::from(centis) * NANOS_PER_CENTI, [0; vrrp::AUTH_LEN / 2])
    };
    Ok(Advert { priority, count, auth_type, auth_data, interval_ns, addresses_sum })
}

/// Sum of the whole 16-bit words in `length` bytes at `offset`, in host order.
///
/// A global function, which the verifier checks once and for any arguments. Inlined, it would be followed through
/// every way out of one loop into all of the next; static, from every way that leads here.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn vipward_sum(ctx: *mut xdp_md, offset: u64, length: u64) -> u32 {
    if offset > MAX_OFFSET || length > vrrp::MAX_LEN as u64 {
        return 0;
    }
    let frame = Frame::from_raw(ctx);
    let (offset, length) = (offset as usize, length as usize);
    let mut sum = 0;
    let mut done = 0;
    // The constant bound is for the verifier; `length` is never more.
    while done < vrrp::MAX_LEN && length - done >= 2 {
        // The caller made sure that the frame is long enough.
        let Some(word) = frame.u16(offset + done) else { break };
        sum += u32::from(word);
        done += 2;
    }
    sum
}

#[inline(always)]
fn sum(frame: &Frame, offset: usize, length: usize) -> u32 {
    vipward_sum(frame.raw(), offset as u64, length as u64)
}

/// Whether the one's complement sum says that no bit was lost.
#[inline(always)]
fn holds(sum: u32) -> bool {
    let folded = (sum & 0xffff) + (sum >> 16);
    (folded & 0xffff) + (folded >> 16) == 0xffff
}
