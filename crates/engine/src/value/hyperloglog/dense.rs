//! Registers of six bits, the lowest bits of a byte first: four registers are three bytes.

use super::estimate::REGISTERS;

/// The length of all registers, in bytes.
pub(super) const LEN: usize = REGISTERS * 6 / 8;

/// Register `index`.
pub(super) fn get(registers: &[u8], index: usize) -> u8 {
    let (at, shift) = (index * 6 / 8, index * 6 % 8);
    let low = u16::from(registers[at]);
    let high = u16::from(*registers.get(at + 1).unwrap_or(&0));
    ((low | high << 8) >> shift) as u8 & 63
}

/// Sets register `index`, whose value is at most 63.
pub(super) fn set(registers: &mut [u8], index: usize, value: u8) {
    let (at, shift) = (index * 6 / 8, index * 6 % 8);
    let mask = 63u16 << shift;
    let value = u16::from(value) << shift;
    registers[at] = registers[at] & !(mask as u8) | value as u8;
    if mask > 255 {
        let next = &mut registers[at + 1];
        *next = *next & !((mask >> 8) as u8) | (value >> 8) as u8;
    }
}

/// Every register, in order.
pub(super) fn iter(registers: &[u8]) -> impl Iterator<Item = u8> {
    registers.chunks_exact(3).flat_map(|bytes| {
        let four = u32::from(bytes[0]) | u32::from(bytes[1]) << 8 | u32::from(bytes[2]) << 16;
        [four, four >> 6, four >> 12, four >> 18].map(|register| register as u8 & 63)
    })
}
