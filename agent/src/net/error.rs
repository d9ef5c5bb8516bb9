//! What can go wrong between the agent and the network stack, in words that an operator can act on.

use std::net::IpAddr;

use nix::errno::Errno;

/// A failed operation on a socket, an interface or an address.
///
/// The text names the object and, where there is one, the remedy. A missing interface is a normal state of a
/// machine: callers wait for its `LinkEvent::Link`, see [`NetError::interface_missing`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NetError {
    /// A socket could not be opened or configured.
    #[error("cannot open the socket for {what}: {}{}", errno.desc(), open_remedy(*errno))]
    Open {
        /// What the socket is for.
        what: &'static str,
        /// The kernel's answer.
        errno: Errno,
    },
    /// The kernel refused to add or remove an address.
    #[error("cannot {action} {address}/{prefix_len} on interface {ifindex}: {}{}{}", errno.desc(), said(detail.as_deref()), address_remedy(*errno, *address))]
    Address {
        /// "add" or "remove".
        action: &'static str,
        /// The address.
        address: IpAddr,
        /// Its prefix length.
        prefix_len: u8,
        /// Index of the interface.
        ifindex: u32,
        /// The kernel's answer.
        errno: Errno,
        /// The kernel's own sentence about it, when it gave one.
        detail: Option<Box<str>>,
    },
    /// The kernel refused to add or remove a route or a rule.
    #[error("cannot {action} the {what}: {}{}{}", errno.desc(), said(detail.as_deref()), routing_remedy(*errno))]
    Routing {
        /// "add" or "remove".
        action: &'static str,
        /// As it was configured.
        what: String,
        /// The kernel's answer.
        errno: Errno,
        /// The kernel's own sentence about it, when it gave one.
        detail: Option<Box<str>>,
    },
    /// The kernel refused to make, set up or remove an interface.
    #[error("cannot {action} the interface {name}: {}{}{}", errno.desc(), said(detail.as_deref()), interface_remedy(*errno))]
    Interface {
        /// "make", "find", "set up" or "remove".
        action: &'static str,
        /// Its name.
        name: String,
        /// The kernel's answer.
        errno: Errno,
        /// The kernel's own sentence about it, when it gave one.
        detail: Option<Box<str>>,
    },
    /// The kernel refused a table of nftables.
    #[error("`no_accept` is NOT in force: cannot set up the nftables table {table}: {}{}", errno.desc(), firewall_remedy(*errno))]
    Firewall {
        /// Its name.
        table: String,
        /// The kernel's answer.
        errno: Errno,
    },
    /// A table of the kernel could not be read.
    #[error("cannot list {what}: {}", errno.desc())]
    Dump {
        /// Which table.
        what: &'static str,
        /// The kernel's answer.
        errno: Errno,
    },
    /// A packet was not sent.
    #[error("cannot send {what} for {subject} on interface {ifindex}: {}{}", errno.desc(), send_remedy(*errno))]
    Send {
        /// "an advert", "a gratuitous ARP", "a neighbour advertisement".
        what: &'static str,
        /// The destination of an advert, the announced address otherwise.
        subject: IpAddr,
        /// Index of the interface.
        ifindex: u32,
        /// The kernel's answer.
        errno: Errno,
    },
}

impl NetError {
    /// The kernel's error number.
    pub fn errno(&self) -> Errno {
        match self {
            NetError::Open { errno, .. }
            | NetError::Address { errno, .. }
            | NetError::Routing { errno, .. }
            | NetError::Firewall { errno, .. }
            | NetError::Interface { errno, .. }
            | NetError::Dump { errno, .. }
            | NetError::Send { errno, .. } => *errno,
        }
    }

    /// Whether the interface is not there: nothing to report, wait for it to come back.
    pub fn interface_missing(&self) -> bool {
        matches!(self.errno(), Errno::ENODEV | Errno::ENXIO)
    }
}

/// The error number behind an I/O error of the netlink library.
pub(super) fn errno_of(error: &std::io::Error) -> Errno {
    error.raw_os_error().map_or(Errno::EIO, Errno::from_raw)
}

fn said(detail: Option<&str>) -> String {
    detail.map_or_else(String::new, |text| format!(" ({text})"))
}

fn open_remedy(errno: Errno) -> &'static str {
    match errno {
        Errno::EPERM | Errno::EACCES => ": run as root, or grant CAP_NET_RAW and CAP_NET_ADMIN",
        Errno::EMFILE | Errno::ENFILE => ": raise the limit of open files (LimitNOFILE)",
        Errno::EAFNOSUPPORT => ": this kernel has no IPv6, or it is switched off",
        Errno::ENODEV | Errno::ENXIO => ": the interface is gone; waiting for it to return",
        _ => "",
    }
}

fn address_remedy(errno: Errno, address: IpAddr) -> &'static str {
    match errno {
        // The kernel's answer where net.ipv6.conf.IF.disable_ipv6 is set.
        Errno::EACCES if address.is_ipv6() => {
            ": IPv6 is switched off on this interface (sysctl net.ipv6.conf.IF.disable_ipv6)"
        }
        Errno::EPERM | Errno::EACCES => ": run as root, or grant CAP_NET_ADMIN",
        Errno::ENODEV | Errno::ENXIO => ": the interface is gone; waiting for it to return",
        Errno::EINVAL => ": is the prefix length right for this address?",
        _ => "",
    }
}

fn routing_remedy(errno: Errno) -> &'static str {
    match errno {
        Errno::EPERM | Errno::EACCES => ": run as root, or grant CAP_NET_ADMIN",
        Errno::ENETUNREACH | Errno::EHOSTUNREACH => ": no interface reaches the gateway; see `onlink`",
        Errno::ENETDOWN => ": the interface is down; trying again",
        Errno::ENODEV | Errno::ENXIO => ": the interface is gone; waiting for it to return",
        Errno::EINVAL => ": is the source an address of this host, and does the scope suit the gateway?",
        _ => "",
    }
}

fn interface_remedy(errno: Errno) -> &'static str {
    match errno {
        Errno::EPERM | Errno::EACCES => ": run as root, or grant CAP_NET_ADMIN",
        Errno::EOPNOTSUPP => ": this kernel has no macvlan (CONFIG_MACVLAN)",
        Errno::EBUSY | Errno::EADDRINUSE => ": another macvlan there has this virtual MAC already",
        Errno::EINVAL => ": a macvlan needs an Ethernet interface that is no macvlan itself",
        _ => "",
    }
}

fn firewall_remedy(errno: Errno) -> &'static str {
    match errno {
        Errno::EPERM | Errno::EACCES => ": run as root, or grant CAP_NET_ADMIN",
        Errno::EPROTONOSUPPORT | Errno::EOPNOTSUPP | Errno::EINVAL => ": this kernel has no nftables",
        _ => "",
    }
}

fn send_remedy(errno: Errno) -> &'static str {
    match errno {
        // The socket was opened, so it is not the capability: a dropped packet on output is EPERM too.
        Errno::EPERM => ": a firewall rule drops it on output (let IP protocol 112 and ICMPv6 pass)",
        Errno::EMSGSIZE => ": longer than the interface's MTU; move addresses to virtual_ipaddress_excluded",
        Errno::ENODEV | Errno::ENXIO => ": the interface is gone; waiting for it to return",
        Errno::ENETDOWN => ": the interface is down",
        Errno::EAGAIN | Errno::ENOBUFS => ": the interface's transmit queue is full",
        Errno::ENETUNREACH | Errno::EHOSTUNREACH => ": there is no route to it",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_what_where_and_the_remedy() {
        let address = NetError::Address {
            action: "add",
            address: "fd00::1".parse().unwrap(),
            prefix_len: 64,
            ifindex: 7,
            errno: Errno::EACCES,
            detail: Some("ipv6: IPv6 is disabled on this device".into()),
        };
        assert_eq!(
            address.to_string(),
            "cannot add fd00::1/64 on interface 7: Permission denied (ipv6: IPv6 is disabled on this device): \
             IPv6 is switched off on this interface (sysctl net.ipv6.conf.IF.disable_ipv6)"
        );
        let open = NetError::Open { what: "adverts", errno: Errno::EPERM };
        assert!(open.to_string().contains("CAP_NET_RAW"), "{open}");
        let send = NetError::Send {
            what: "an advert",
            subject: "224.0.0.18".parse().unwrap(),
            ifindex: 3,
            errno: Errno::EMSGSIZE,
        };
        assert!(send.to_string().contains("virtual_ipaddress_excluded"), "{send}");
        assert!(!send.interface_missing());
    }
}
