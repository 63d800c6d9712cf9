//! How payloads of RESTORE are spoilt: a short text says what is done to them, as it is drawn before there is a
//! payload.

use fastrand::Rng;

/// Bytes of the version and the checksum behind what a payload holds.
const FOOTER_BYTES: usize = 10;

/// Draws what is done to a payload: mostly nothing.
pub fn draw(rng: &mut Rng) -> Vec<u8> {
    let at = rng.u16(..);
    match rng.u8(..16) {
        0 | 1 => format!("flip {at}"),
        2 => format!("cut {at}"),
        3 => format!("version {at}"),
        4 => format!("sum {at}"),
        _ => "whole".to_owned(),
    }
    .into_bytes()
}

/// Does it.
pub fn apply(what: &[u8], payload: &[u8]) -> Vec<u8> {
    let text = String::from_utf8_lossy(what);
    let (kind, number) = text.split_once(' ').unwrap_or((&text, "0"));
    let number: usize = number.parse().unwrap_or_default();
    let mut spoilt = payload.to_vec();
    let footer = payload.len().saturating_sub(FOOTER_BYTES);
    let mut flip = |from: usize, to: usize| {
        if from < to {
            spoilt[from + number / 8 % (to - from)] ^= 1 << (number % 8);
        }
    };
    match kind {
        "flip" => flip(0, footer),
        "version" => flip(footer, (footer + 2).min(payload.len())),
        "sum" => flip((footer + 2).min(payload.len()), payload.len()),
        "cut" => spoilt.truncate(number % payload.len().max(1)),
        _ => {}
    }
    spoilt
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_damage_is_where_its_name_says() {
        let payload: Vec<u8> = (0..30).collect();
        let places = |what: &str| -> Vec<usize> {
            let spoilt = apply(what.as_bytes(), &payload);
            (0..30)
                .filter(|&at| spoilt.get(at) != payload.get(at))
                .collect()
        };
        assert_eq!(apply(b"whole", &payload), payload);
        assert_eq!(places("flip 17"), [2]);
        assert_eq!(places("flip 160"), [0]);
        assert_eq!(places("version 8"), [21]);
        assert_eq!(places("sum 56"), [29]);
        assert_eq!(places("cut 58"), [28, 29]);
        for what in ["flip 3", "version 9", "sum 1", "cut 7", "whole"] {
            assert_eq!(apply(what.as_bytes(), b""), b"");
        }
    }
}
