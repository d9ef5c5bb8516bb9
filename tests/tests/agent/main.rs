//! The running agent as an operator sees it: from outside, by its addresses, its adverts, its status and its log.
//! Where keepalived promises the same, the same test runs with keepalived.

mod accept;
mod addresses;
mod calm;
mod control;
mod dashboard;
mod events;
mod fifo;
mod groups;
mod guard;
mod input;
mod interfaces;
mod lease;
mod lost;
mod manager;
mod metrics;
mod notify;
mod options;
mod preemption;
mod privileges;
mod reload;
mod rendering;
mod routing;
mod seen;
mod starting;
mod startup;
mod status;
mod stop;
mod strangers;
mod telling;
mod tracking;
mod trust;
mod vmac;
mod weights;
