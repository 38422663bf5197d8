#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| lvsmith::fuzz::connections(data));
