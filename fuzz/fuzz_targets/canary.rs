//! A target with a mistake in it, which the fuzzer must find. If it does not, then it is the
//! fuzzer that is broken, and the silence of the other targets means nothing.
//!
//! The mistake is behind five bytes that nobody guesses at once: to find it within seconds
//! the fuzzer has to see that each right byte takes it further.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let mut right = 0;
    for (byte, expected) in data.iter().zip(b"OXIDE") {
        if byte != expected {
            return;
        }
        right += 1;
        std::hint::black_box(right);
    }
    assert!(right < 5, "the canary sings");
});
