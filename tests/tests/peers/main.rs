//! vipward against the real keepalived, and keepalived against itself to prove what is expected of either.

mod duel;
mod refusal;
