//! From text to the model, what takes more than one file of code.

mod document;
mod language;
mod large;
mod network;
