//! `vrrp_strict` and `strict_mode`: what the protocol's text does not have is refused or left out.
//!
//! keepalived also keeps this host's services from answering at the VIPs then, which is not what its users expect: here
//! that takes `no_accept`.

use std::time::Duration;

use crate::config::diagnostic::Findings;
use crate::config::model::State;
use crate::config::tree::Node;
use vipward_common::timing::DOWN_TIMER_ADVERTS;
use vipward_common::wire::PRIORITY_OWNER;

use super::instance::Draft;

/// Changes a block's lines to what strict mode makes of them.
pub(super) fn apply(draft: &mut Draft, node: &Node, findings: &mut Findings) {
    if let Some(at) = &draft.unicast {
        findings
            .error(at, "strict mode has no unicast: the protocol does not know it")
            .help("`strict_mode off` for this instance");
    }
    if let Some((at, _)) = draft.auth_type.take().map(|at| (at, draft.auth_pass.take())) {
        findings.warning(&at, "strict mode has no authentication: this is ignored");
    }
    let owner = draft.priority == Some(PRIORITY_OWNER);
    let wanted = if owner { State::Master } else { State::Backup };
    if draft.state.is_some_and(|state| state != wanted) {
        findings
            .warning(
                node.at(),
                "in strict mode the address owner, and nobody else, has `state MASTER`: it is ignored",
            )
            .help("priority 255 is the owner's");
        draft.state = Some(wanted);
    }
    if let Some((_, at)) = draft.preempt_delay.take_if(|(delay, _)| *delay > Duration::ZERO) {
        findings.warning(&at, "strict mode has no `preempt_delay`: it is ignored");
    }
    if draft.down_adverts != DOWN_TIMER_ADVERTS {
        findings.warning(node.at(), format!("in strict mode `down_timer_adverts` is {DOWN_TIMER_ADVERTS}"));
        draft.down_adverts = DOWN_TIMER_ADVERTS;
    }
    if !draft.accept_given && !owner {
        findings
            .warning(node.at(), "strict mode leaves the VIPs reachable, unlike in keepalived")
            .help("`no_accept` closes them to all but forwarded packets, `accept` says that this is meant");
    }
    draft.garp.leave_rivals_alone();
    draft.lower_prio_no_advert = true;
    draft.higher_prio_send_advert = false;
    draft.vmac.refuse_xmit_base(findings);
}
