//! Sketches as whole strings, and the registers of several of them together.

use super::estimate::{Histogram, REGISTERS, estimate};
use super::sparse::{Raised, Run};
use super::{dense, murmur, sparse};

/// The length of the header, in bytes.
const HEADER_LEN: usize = 16;

const MAGIC: &[u8] = b"HYLL";

/// Where the encoding is.
const ENCODING_AT: usize = 4;

/// Where the last estimate is.
const COUNT_AT: usize = 8;

/// The bit of the last byte of the header that says that the last estimate is out of date.
const STALE: u8 = 0x80;

/// The string has the header of a sketch, but its registers are broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Invalid;

/// How a sketch keeps its registers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Representation {
    /// Six bits each.
    Dense,
    /// Runs of equal ones.
    Sparse,
}

/// How the sketch in a string keeps its registers; `None` if the string is no sketch.
pub fn representation(string: &[u8]) -> Option<Representation> {
    if string.len() < HEADER_LEN || !string.starts_with(MAGIC) {
        return None;
    }
    match string[ENCODING_AT] {
        0 if string.len() == HEADER_LEN + dense::LEN => Some(Representation::Dense),
        1 => Some(Representation::Sparse),
        _ => None,
    }
}

/// Whether the string is a dense sketch.
pub fn is_dense(string: &[u8]) -> bool {
    representation(string) == Some(Representation::Dense)
}

/// A sketch that has seen nothing.
pub fn empty() -> Vec<u8> {
    let mut string = header(Representation::Sparse);
    sparse::push_empty(&mut string);
    string
}

fn header(representation: Representation) -> Vec<u8> {
    let mut string = vec![0; HEADER_LEN];
    string[..MAGIC.len()].copy_from_slice(MAGIC);
    string[ENCODING_AT] = match representation {
        Representation::Dense => 0,
        Representation::Sparse => 1,
    };
    string
}

/// Lets a sketch see an element; answers whether a register has changed. One that is sparse becomes
/// dense when it would be longer than `sparse_max_bytes`.
///
/// # Errors
/// When the registers are broken.
pub fn add(string: &mut Vec<u8>, element: &[u8], sparse_max_bytes: usize) -> Result<bool, Invalid> {
    let (index, value) = murmur::register_of(element);
    raise_register(string, index, value, sparse_max_bytes)
}

fn raise_register(
    string: &mut Vec<u8>,
    index: usize,
    value: u8,
    sparse_max_bytes: usize,
) -> Result<bool, Invalid> {
    if !is_dense(string) {
        match sparse::raise(string, HEADER_LEN, index, value, sparse_max_bytes)? {
            Raised::Unchanged => return Ok(false),
            Raised::Changed => {
                // At once, as a later element may meet a broken run, and the call end with an error.
                forget_count(string);
                return Ok(true);
            }
            Raised::DoesNotFit => {
                make_dense(string)?;
            }
        }
    }
    let registers = &mut string[HEADER_LEN..];
    let has_changed = dense::get(registers, index) < value;
    if has_changed {
        dense::set(registers, index, value);
    }
    Ok(has_changed)
}

/// Makes a sparse sketch dense; answers whether it was sparse.
///
/// # Errors
/// When the registers are broken.
pub fn make_dense(string: &mut Vec<u8>) -> Result<bool, Invalid> {
    if is_dense(string) {
        return Ok(false);
    }
    let mut dense_string = header(Representation::Dense);
    dense_string[COUNT_AT..HEADER_LEN].copy_from_slice(&string[COUNT_AT..HEADER_LEN]);
    dense_string.resize(HEADER_LEN + dense::LEN, 0);
    let mut index = 0;
    for run in runs(string) {
        let run = run?;
        if index + run.len > REGISTERS {
            return Err(Invalid);
        }
        if run.value > 0 {
            for index in index..index + run.len {
                dense::set(&mut dense_string[HEADER_LEN..], index, run.value);
            }
        }
        index += run.len;
    }
    if index != REGISTERS {
        return Err(Invalid);
    }
    *string = dense_string;
    Ok(true)
}

/// The runs of a sparse sketch.
pub fn runs(string: &[u8]) -> impl Iterator<Item = Result<Run, Invalid>> {
    sparse::runs(&string[HEADER_LEN..])
}

/// The registers of a dense sketch.
pub fn registers(string: &[u8]) -> impl Iterator<Item = u8> {
    dense::iter(&string[HEADER_LEN..])
}

/// The last estimate, if no register has changed since.
pub fn cached_count(string: &[u8]) -> Option<u64> {
    let bytes: [u8; 8] = string.get(COUNT_AT..HEADER_LEN)?.try_into().ok()?;
    (bytes[7] & STALE == 0).then(|| u64::from_le_bytes(bytes))
}

/// Writes an estimate down.
pub fn remember_count(string: &mut [u8], count: u64) {
    string[COUNT_AT..HEADER_LEN].copy_from_slice(&count.to_le_bytes());
}

/// Says of the last estimate that it is out of date.
pub fn forget_count(string: &mut [u8]) {
    string[HEADER_LEN - 1] |= STALE;
}

/// Estimates how many different elements a sketch has seen.
///
/// # Errors
/// When the registers are broken.
pub fn count(string: &[u8]) -> Result<u64, Invalid> {
    let mut histogram: Histogram = [0; 64];
    if is_dense(string) {
        for register in registers(string) {
            histogram[usize::from(register)] += 1;
        }
    } else {
        let mut total = 0;
        for run in runs(string) {
            let run = run?;
            total += run.len;
            // At most 2^14 for each of a string's bytes: no overflow before the check below.
            histogram[usize::from(run.value)] =
                histogram[usize::from(run.value)].saturating_add(run.len as u32);
        }
        if total != REGISTERS {
            return Err(Invalid);
        }
    }
    Ok(estimate(&histogram))
}

/// Raises the registers of a sketch to those of `merged`.
///
/// # Errors
/// When the registers are broken.
pub fn raise(
    string: &mut Vec<u8>,
    merged: &MergedRegisters,
    sparse_max_bytes: usize,
) -> Result<(), Invalid> {
    for (index, &value) in merged.0.iter().enumerate() {
        if value > 0 {
            raise_register(string, index, value, sparse_max_bytes)?;
        }
    }
    Ok(())
}

/// The greatest values of the registers of several sketches.
pub struct MergedRegisters(Box<[u8; REGISTERS]>);

impl MergedRegisters {
    /// The registers of no sketch.
    pub fn new() -> Self {
        Self(Box::new([0; REGISTERS]))
    }

    /// Takes a sketch in.
    ///
    /// # Errors
    /// When its registers are broken.
    pub fn merge(&mut self, string: &[u8]) -> Result<(), Invalid> {
        if is_dense(string) {
            for (merged, register) in self.0.iter_mut().zip(registers(string)) {
                *merged = (*merged).max(register);
            }
            return Ok(());
        }
        let mut index = 0;
        for run in runs(string) {
            let run = run?;
            let merged = self.0.get_mut(index..index + run.len).ok_or(Invalid)?;
            for register in merged {
                *register = (*register).max(run.value);
            }
            index += run.len;
        }
        if index != REGISTERS {
            return Err(Invalid);
        }
        Ok(())
    }

    /// Estimates how many different elements the sketches have seen together.
    pub fn count(&self) -> u64 {
        let mut histogram: Histogram = [0; 64];
        for &register in self.0.iter() {
            histogram[usize::from(register)] += 1;
        }
        estimate(&histogram)
    }
}

impl Default for MergedRegisters {
    fn default() -> Self {
        Self::new()
    }
}
