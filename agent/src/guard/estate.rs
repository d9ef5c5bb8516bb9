//! How each MASTER is written down in a will, and read without allocating anything. The reader trusts no length.

use std::net::IpAddr;

use crate::net::{Frame, Vip};

/// No lease.
const NO_SLOT: u32 = u32::MAX;

/// A will in the making.
#[derive(Debug, Default)]
pub struct Writer {
    bytes: Vec<u8>,
}

/// One MASTER, as it is written down.
#[derive(Clone, Copy, Debug)]
pub struct Estate<'a> {
    /// Slot of its lease, if it has one.
    pub slot: Option<u32>,
    /// Between its adverts, in nanoseconds.
    pub interval_ns: u64,
    /// What an advert that was sent is worth, in nanoseconds.
    pub lease_ns: u64,
    /// Its adverts, one per destination.
    pub adverts: &'a [Frame],
    /// The same with priority 0.
    pub resignations: &'a [Frame],
    /// Its addresses.
    pub vips: &'a [Vip],
    /// What else it brought, to be undone before the addresses go.
    pub undo: &'a [Undo],
}

/// Something to be undone, ready to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Undo {
    /// A finished rtnetlink request.
    Request(Vec<u8>),
    /// A file of the kernel's, and what it is to hold again.
    Setting(String, String),
}

#[cfg(test)]
impl From<Vec<u8>> for Writer {
    fn from(bytes: Vec<u8>) -> Writer {
        Writer { bytes }
    }
}

impl Writer {
    /// What is to be put in force.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Begins anew, in the same memory.
    pub fn clear(&mut self) {
        self.bytes.clear();
    }

    /// Adds a master.
    pub fn add(&mut self, estate: &Estate<'_>) {
        self.word(estate.slot.unwrap_or(NO_SLOT));
        self.long(estate.interval_ns);
        self.long(estate.lease_ns);
        for frames in [estate.adverts, estate.resignations] {
            self.count(frames.len());
            for frame in frames {
                self.word(frame.ifindex());
                self.address(frame.destination());
                self.count(frame.packet().len());
                self.bytes.extend_from_slice(frame.packet());
            }
        }
        self.count(estate.vips.len());
        for vip in estate.vips {
            self.word(vip.ifindex);
            self.bytes.push(vip.prefix_len);
            self.address(vip.address);
        }
        self.count(estate.undo.len());
        for undo in estate.undo {
            match undo {
                Undo::Request(request) => {
                    self.text(&[]);
                    self.text(request);
                }
                Undo::Setting(file, value) => {
                    self.text(file.as_bytes());
                    self.text(value.as_bytes());
                }
            }
        }
    }

    fn text(&mut self, text: &[u8]) {
        self.count(text.len());
        self.bytes.extend_from_slice(text);
    }

    fn word(&mut self, word: u32) {
        self.bytes.extend(word.to_ne_bytes());
    }

    fn long(&mut self, long: u64) {
        self.bytes.extend(long.to_ne_bytes());
    }

    /// No list is longer than 2³²; one that were would be read as a short one, and what follows as nonsense, which
    /// the reader survives.
    fn count(&mut self, count: usize) {
        self.word(u32::try_from(count).unwrap_or(0));
    }

    fn address(&mut self, address: IpAddr) {
        match address {
            IpAddr::V4(v4) => {
                self.bytes.push(4);
                self.bytes.extend(v4.octets());
            }
            IpAddr::V6(v6) => {
                self.bytes.push(6);
                self.bytes.extend(v6.octets());
            }
        }
    }
}

/// The masters of a will, read where they lie.
#[derive(Clone, Debug)]
pub struct Masters<'a>(Cursor<'a>);

impl<'a> Masters<'a> {
    /// The masters that are written down there.
    pub fn of(bytes: &'a [u8]) -> Masters<'a> {
        Masters(Cursor(bytes))
    }
}

/// One of them.
#[derive(Clone, Debug)]
pub struct Master<'a> {
    /// Slot of its lease, if it has one.
    pub slot: Option<u32>,
    /// Between its adverts, in nanoseconds.
    pub interval_ns: u64,
    /// What an advert that was sent is worth, in nanoseconds.
    pub lease_ns: u64,
    /// Its adverts.
    pub adverts: Packets<'a>,
    /// The same with priority 0.
    pub resignations: Packets<'a>,
    /// Its addresses.
    pub vips: Vips<'a>,
    /// What else it brought.
    pub undo: Steps<'a>,
}

impl<'a> Iterator for Masters<'a> {
    type Item = Master<'a>;

    fn next(&mut self) -> Option<Master<'a>> {
        let cursor = &mut self.0;
        let slot = cursor.word()?;
        let (interval_ns, lease_ns) = (cursor.long()?, cursor.long()?);
        let adverts = Packets::skip(cursor)?;
        let resignations = Packets::skip(cursor)?;
        let vips = Vips::skip(cursor)?;
        let undo = Steps::skip(cursor)?;
        Some(Master {
            slot: (slot != NO_SLOT).then_some(slot),
            interval_ns,
            lease_ns,
            adverts,
            resignations,
            vips,
            undo,
        })
    }
}

/// Packets of a master: interface, destination, the IP packet.
#[derive(Clone, Debug)]
pub struct Packets<'a> {
    cursor: Cursor<'a>,
    left: u32,
}

impl<'a> Packets<'a> {
    /// Those at the cursor, which is then behind them.
    fn skip(cursor: &mut Cursor<'a>) -> Option<Packets<'a>> {
        let left = cursor.word()?;
        let packets = Packets { cursor: *cursor, left };
        let mut walk = packets.clone();
        for _ in 0..left {
            walk.next()?;
        }
        *cursor = walk.cursor;
        Some(packets)
    }
}

impl<'a> Iterator for Packets<'a> {
    type Item = (u32, IpAddr, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        let (ifindex, destination) = (self.cursor.word()?, self.cursor.address()?);
        let length = usize::try_from(self.cursor.word()?).ok()?;
        Some((ifindex, destination, self.cursor.take(length)?))
    }
}

/// Addresses of a master: interface, length of the prefix, address.
#[derive(Clone, Debug)]
pub struct Vips<'a> {
    cursor: Cursor<'a>,
    left: u32,
}

impl<'a> Vips<'a> {
    fn skip(cursor: &mut Cursor<'a>) -> Option<Vips<'a>> {
        let left = cursor.word()?;
        let vips = Vips { cursor: *cursor, left };
        let mut walk = vips.clone();
        for _ in 0..left {
            walk.next()?;
        }
        *cursor = walk.cursor;
        Some(vips)
    }
}

impl Iterator for Vips<'_> {
    type Item = (u32, u8, IpAddr);

    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        let ifindex = self.cursor.word()?;
        let [prefix_len] = *self.cursor.take(1)?.first_chunk()?;
        Some((ifindex, prefix_len, self.cursor.address()?))
    }
}

/// What a master brought besides: a file and its value, or an empty name and a request.
#[derive(Clone, Debug)]
pub struct Steps<'a> {
    cursor: Cursor<'a>,
    left: u32,
}

impl<'a> Steps<'a> {
    fn skip(cursor: &mut Cursor<'a>) -> Option<Steps<'a>> {
        let left = cursor.word()?;
        let steps = Steps { cursor: *cursor, left };
        let mut walk = steps.clone();
        for _ in 0..left {
            walk.next()?;
        }
        *cursor = walk.cursor;
        Some(steps)
    }
}

impl<'a> Iterator for Steps<'a> {
    type Item = (&'a [u8], &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        Some((self.cursor.text()?, self.cursor.text()?))
    }
}

/// What is left to read.
#[derive(Clone, Copy, Debug)]
struct Cursor<'a>(&'a [u8]);

impl<'a> Cursor<'a> {
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    fn text(&mut self) -> Option<&'a [u8]> {
        let length = usize::try_from(self.word()?).ok()?;
        self.take(length)
    }

    fn word(&mut self) -> Option<u32> {
        self.take(4)?.first_chunk().copied().map(u32::from_ne_bytes)
    }

    fn long(&mut self) -> Option<u64> {
        self.take(8)?.first_chunk().copied().map(u64::from_ne_bytes)
    }

    fn address(&mut self) -> Option<IpAddr> {
        match self.take(1)?.first()? {
            4 => self.take(4)?.first_chunk::<4>().copied().map(IpAddr::from),
            6 => self.take(16)?.first_chunk::<16>().copied().map(IpAddr::from),
            _ => None,
        }
    }
}
