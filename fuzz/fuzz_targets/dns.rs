//! Sends whatever the fuzzer finds to the DNS server of a sandbox; see the function that is called.
#![no_main]

#[path = "../../sandbox-core/tests/egress/questions.rs"]
mod questions;

libfuzzer_sys::fuzz_target!(|data: &[u8]| questions::check(data));
