//! The process on the host. It reads requests from standard input, does them, answers on
//! standard output; every effect of a playbook happens here.

pub mod protocol;
