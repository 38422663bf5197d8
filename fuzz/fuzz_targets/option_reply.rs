#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| lvsmith::fuzz::option_reply(data));
