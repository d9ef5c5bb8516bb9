//! What takes the whole of this room.

mod document;
