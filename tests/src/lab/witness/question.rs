//! The frames of the witness: who has this address? Made by hand, so that no kernel's table of neighbours stands
//! between the question and its answers, and numbered, so that every answer tells which question it is for.
//!
//! An ARP probe (RFC 5227 §2.1.1) has no sender address that anybody could learn, and its answer repeats the hardware
//! address of who asked: that carries the number. A neighbour solicitation is answered to its source address
//! (RFC 4861 §7.2.4), which carries as many bits of the number as a host may learn neighbours.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Sources of neighbour solicitations for each target: few enough for every host's table, and enough to tell
/// questions apart for as long as an answer may be under way.
const SOURCES: u32 = 64;
/// First byte of a hardware address that no manufacturer gave.
const LOCAL: u8 = 0x02;
/// First half of a solicitation's source, `fe80::77:…`.
const SOURCE: [u16; 6] = [0xfe80, 0, 0, 0, 0, 0x77];

/// What a frame says of a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Answer {
    /// Number of the target.
    pub(super) target: u8,
    /// Low bits of the question's number, and how many different ones there are.
    pub(super) number: (u32, u64),
    /// Who answers.
    pub(super) mac: [u8; 6],
    /// For which address.
    pub(super) address: IpAddr,
}

/// Question `number` about `target`, to everybody.
pub(super) fn ask(own: [u8; 6], target: u8, address: IpAddr, number: u32) -> Vec<u8> {
    match address {
        IpAddr::V4(address) => arp(own, target, address, number),
        IpAddr::V6(address) => solicitation(own, target, address, number),
    }
}

fn arp(own: [u8; 6], target: u8, address: Ipv4Addr, number: u32) -> Vec<u8> {
    let mut frame = Vec::with_capacity(42);
    frame.extend([0xff; 6]);
    frame.extend(own);
    frame.extend([0x08, 0x06, 0, 1, 0x08, 0, 6, 4, 0, 1]);
    frame.extend([LOCAL, target]);
    frame.extend(number.to_be_bytes());
    frame.extend([0; 4 + 6]);
    frame.extend(address.octets());
    frame
}

fn solicitation(own: [u8; 6], target: u8, address: Ipv6Addr, number: u32) -> Vec<u8> {
    let [.., high, middle, low] = address.octets();
    let group = [0xff02, 0, 0, 0, 0, 1, 0xff00 | u16::from(high), u16::from_be_bytes([middle, low])];
    let group = Ipv6Addr::from(group);
    let mut source = [0; 8];
    let slot = u16::try_from(number % SOURCES).unwrap_or_default();
    let segments = SOURCE.into_iter().chain([u16::from(target), slot]);
    source.iter_mut().zip(segments).for_each(|(place, segment)| *place = segment);
    let source = Ipv6Addr::from(source);
    let mut message = vec![135, 0, 0, 0, 0, 0, 0, 0];
    message.extend(address.octets());
    // Option 1: source link-layer address.
    message.extend([1, 1]);
    message.extend(own);
    message.splice(2..4, checksum(source, group, &message).to_be_bytes());

    let mut frame = vec![0x33, 0x33, 0xff, high, middle, low];
    frame.extend(own);
    frame.extend([0x86, 0xdd, 0x60, 0, 0, 0, 0]);
    frame.extend(u8::try_from(message.len()));
    frame.extend([58, 255]);
    frame.extend(source.octets());
    frame.extend(group.octets());
    frame.extend(message);
    frame
}

/// Of ICMPv6 (RFC 4443 §2.3).
fn checksum(source: Ipv6Addr, destination: Ipv6Addr, message: &[u8]) -> u16 {
    let length = u16::try_from(message.len()).unwrap_or_default();
    let words = message.chunks(2).map(|word| match *word {
        [high, low] => u32::from(u16::from_be_bytes([high, low])),
        _ => 0,
    });
    let pseudo = source.segments().into_iter().chain(destination.segments()).chain([length, 58]);
    let sum: u32 = pseudo.map(u32::from).chain(words).sum();
    let folded = (sum & 0xffff) + (sum >> 16);
    !u16::try_from((folded & 0xffff) + (folded >> 16)).unwrap_or_default()
}

/// Reads an answer; nothing if the frame is none to a question of ours.
pub(super) fn parse(frame: &[u8]) -> Option<Answer> {
    let payload = frame.get(14..)?;
    match frame.get(12..14)? {
        [0x08, 0x06] => reply(payload),
        [0x86, 0xdd] => advertisement(payload),
        _ => None,
    }
}

fn reply(packet: &[u8]) -> Option<Answer> {
    let is_reply = packet.get(6..8)? == [0, 2];
    let &[LOCAL, target, a, b, c, d] = packet.get(18..24)? else { return None };
    let address: [u8; 4] = packet.get(14..18)?.try_into().ok()?;
    is_reply.then_some(Answer {
        target,
        number: (u32::from_be_bytes([a, b, c, d]), 1 << 32),
        mac: packet.get(8..14)?.try_into().ok()?,
        address: Ipv4Addr::from(address).into(),
    })
}

fn advertisement(packet: &[u8]) -> Option<Answer> {
    let segment = |at: usize| Some(u16::from_be_bytes(packet.get(at..at + 2)?.try_into().ok()?));
    let message = packet.get(40..)?;
    let ours = (0..6).zip(SOURCE).all(|(place, expected)| segment(24 + 2 * place) == Some(expected));
    if *packet.get(6)? != 58 || *message.first()? != 136 || !ours {
        return None;
    }
    let address: [u8; 16] = message.get(8..24)?.try_into().ok()?;
    // Option 2: target link-layer address.
    let option = message.get(24..)?.strip_prefix(&[2, 1])?;
    Some(Answer {
        target: u8::try_from(segment(36)?).ok()?,
        number: (segment(38)?.into(), SOURCES.into()),
        mac: option.get(..6)?.try_into().ok()?,
        address: Ipv6Addr::from(address).into(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: [u8; 6] = [2, 0, 0, 0, 0, 9];

    #[test]
    fn a_reply_tells_its_question() {
        let asked = ask(OWN, 3, IpAddr::V4(Ipv4Addr::new(10, 77, 0, 200)), 0x0102_0304);
        assert_eq!(asked.len(), 42);
        assert_eq!(parse(&asked), None, "a question is no answer");
        let mut frame = asked.clone();
        frame[21] = 2;
        frame[22..28].copy_from_slice(&[2, 0, 0, 0, 0, 1]);
        frame[28..32].copy_from_slice(&asked[38..42]);
        frame[32..38].copy_from_slice(&asked[22..28]);
        let answer = parse(&frame).unwrap();
        assert_eq!((answer.target, answer.number.0, answer.mac), (3, 0x0102_0304, [2, 0, 0, 0, 0, 1]));
        assert_eq!(answer.address.to_string(), "10.77.0.200");
        for length in 0..38 {
            assert_eq!(parse(&frame[..length]), None, "cut to {length} bytes");
        }
    }

    #[test]
    fn a_solicitation_has_the_right_checksum() {
        let asked = ask(OWN, 1, "fd77::200".parse().unwrap(), 65);
        assert_eq!(asked.len(), 14 + 40 + 32);
        assert_eq!(asked[..6], [0x33, 0x33, 0xff, 0, 0x02, 0x00]);
        let address = |at: usize| Ipv6Addr::from(<[u8; 16]>::try_from(&asked[at..at + 16]).unwrap());
        assert_eq!(address(22).to_string(), "fe80::77:1:1", "the target, and 65 modulo 64");
        // Over a message with its checksum in it, nothing remains.
        assert_eq!(checksum(address(22), address(38), &asked[54..]), 0);
    }
}
