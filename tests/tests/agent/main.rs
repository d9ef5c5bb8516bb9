//! The running agent as an operator sees it: from outside, by its addresses, its adverts, its status and its log.
//! Where keepalived promises the same, the same test runs with keepalived.

mod addresses;
mod guard;
mod input;
mod interfaces;
mod notify;
mod preemption;
mod privileges;
mod reload;
mod rendering;
mod seen;
mod startup;
mod status;
mod stop;
mod tracking;
