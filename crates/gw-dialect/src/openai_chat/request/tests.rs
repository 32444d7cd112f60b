mod decoding;
mod encoding;
mod passing;
