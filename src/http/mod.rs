//! HTTP/1.1 over a connection, as far as a probe and `uri` need it. TLS is a probe's own matter.

mod answer;
mod timed;
mod url;

pub(crate) use answer::{Answer, Broken, Wanted, read};
pub(crate) use timed::Timed;
pub use url::{NotAUrl, Scheme, Url};
