//! What callers of the edge see, over the real engine and a scripted provider.

pub(crate) mod fixture;
mod governed;

mod bodies;
mod browsers;
mod calls;
mod conversations;
mod described;
mod doors;
mod keys;
mod live;
mod models;
mod probes;
mod streams;
