//! The doors of this room: Streamable HTTP and stdio, both eras at each.

pub(crate) mod http;
pub(crate) mod stdio;
