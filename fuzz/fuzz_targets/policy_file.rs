//! Reads whatever the fuzzer finds as a policy file; see the function that is called.
#![no_main]

#[path = "../../sandbox-core/tests/policy_file/roundtrip.rs"]
mod roundtrip;

libfuzzer_sys::fuzz_target!(|data: &[u8]| roundtrip::check(data));
