//! HTTP/1.1 over plain TCP, as far as a probe and `uri` need it: one request a connection.

mod answer;
mod timed;
mod url;

pub(crate) use answer::{Answer, Broken, Wanted, read};
pub(crate) use timed::Timed;
pub use url::{NotAUrl, Url};
