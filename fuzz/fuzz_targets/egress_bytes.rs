//! Reads whatever the fuzzer finds as what a client sends first; see the function that is called.
#![no_main]

#[path = "../../sandbox-core/tests/egress_bytes/judge.rs"]
mod judge;

libfuzzer_sys::fuzz_target!(|data: &[u8]| judge::check(data));
