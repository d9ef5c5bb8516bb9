//! Copies of what the program consumes, for `vipward monitor`: such packets reach no packet socket. While nobody reads,
//! an advert costs a look at one word more, and other packets nothing.

use aya_ebpf::helpers::bpf_ktime_get_ns;
use aya_ebpf::programs::XdpContext;
use vipward_common::tap::{Copied, MAX_COPY};

use crate::maps;

/// Copies the frame if somebody reads. Who reads too slowly loses copies, which the kernel counts.
#[inline(always)]
pub(crate) fn copy(ctx: &XdpContext, verdict: u32) {
    let until = maps::tap_until();
    if until == 0 {
        return;
    }
    // SAFETY: takes nothing.
    if unsafe { bpf_ktime_get_ns() } >= until {
        return;
    }
    let length = (ctx.data_end() - ctx.data()) as u32;
    let length = if length > MAX_COPY { MAX_COPY } else { length };
    let copied = Copied { ifindex: ctx.ingress_ifindex() as u32, length, verdict, reserved: 0 };
    maps::copy(ctx, &copied, length);
}
