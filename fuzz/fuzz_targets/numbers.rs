//! What is read as a number against the C library and against what is written back.
#![no_main]

use std::ffi::{CString, c_char};

use libfuzzer_sys::fuzz_target;
use oxidis_engine::text::{
    DoubleText, IntegerText, LongDouble, parse_double, parse_integer, parse_memory_size,
    parse_unsigned,
};

unsafe extern "C" {
    fn strtod(text: *const c_char, end: *mut *mut c_char) -> f64;
}

/// What C makes of the text, if it takes the whole of it and there is no blank in front.
fn c_double(text: &[u8]) -> Option<f64> {
    let string = CString::new(text).ok()?;
    if text.is_empty() || matches!(text[0], b' ' | b'\t'..=b'\r') {
        return None;
    }
    let mut end = std::ptr::null_mut();
    // SAFETY: the string ends with a NUL and lives through the call.
    let value = unsafe { strtod(string.as_ptr(), &mut end) };
    let taken = end as usize - string.as_ptr() as usize;
    (taken == text.len() && !value.is_nan()).then_some(value)
}

/// How far C may be off, in steps from one double to the next: glibc 2.36 forgets the bits behind the last of some
/// hexadecimal numbers that are less than the normal ones (it reads 0x1.00000000000018p-1023, which is three quarters of
/// a step more than 0x1p-1023, as the latter).
fn allowance(text: &[u8], theirs: f64) -> u64 {
    let is_hexadecimal = text.iter().any(|byte| matches!(byte, b'x' | b'X'));
    u64::from(is_hexadecimal && theirs.abs() < f64::MIN_POSITIVE)
}

fuzz_target!(|text: &[u8]| {
    let theirs = c_double(text);
    match parse_double(text) {
        Some(ours) => {
            let theirs = theirs.expect("C takes it, too");
            let distance = ours.to_bits().abs_diff(theirs.to_bits());
            assert!(distance <= allowance(text, theirs), "{ours:e} {theirs:e}");
            let written = DoubleText::new(ours);
            assert_eq!(
                parse_double(&written).map(f64::to_bits),
                Some(ours.to_bits())
            );
        }
        // What is too big or too small is refused here and infinite or zero there.
        None => assert!(theirs.is_none_or(|value| value.is_infinite() || value == 0.0)),
    }
    if let Some(value) = parse_integer(text) {
        assert_eq!(&*IntegerText::new(value), text);
        assert_eq!(parse_unsigned(text), u64::try_from(value).ok());
    }
    if let Some(value) = parse_unsigned(text) {
        assert_eq!(parse_unsigned(&IntegerText::unsigned(value)), Some(value));
    }
    if let Some(value) = LongDouble::parse(text) {
        let sum = value + LongDouble::ZERO;
        assert!(sum == value || value.to_string() == "0");
        let opposite = match text {
            [b'-', rest @ ..] => rest.to_vec(),
            [b'+', rest @ ..] | rest => [b"-", rest].concat(),
        };
        if value.is_finite() {
            let opposite = LongDouble::parse(&opposite).unwrap();
            assert_eq!((value + opposite).to_string(), "0");
            assert!(LongDouble::parse(value.to_string().as_bytes()).is_some());
        }
    }
    parse_memory_size(text);
});
