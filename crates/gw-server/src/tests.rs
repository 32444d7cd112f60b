//! What callers of the edge see, over the real engine and a scripted provider.

pub(crate) mod fixture;
mod governed;

mod admin;
mod bodies;
mod browsers;
mod calls;
mod conversations;
mod described;
mod doors;
mod google;
mod keys;
mod live;
mod models;
mod ollama;
mod probes;
mod responses;
mod socket;
mod streams;
mod usage;
