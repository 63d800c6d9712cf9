//! Sketches against the registers that a naive model has.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

/// The registers that elements lead to.
fn model(elements: &[Vec<u8>]) -> BTreeMap<usize, u8> {
    let mut registers = BTreeMap::new();
    for element in elements {
        let (index, value) = murmur::register_of(element);
        let register = registers.entry(index).or_insert(0);
        *register = value.max(*register);
    }
    registers
}

fn non_zero(string: &[u8]) -> BTreeMap<usize, u8> {
    let mut dense = string.to_vec();
    make_dense(&mut dense).expect("the sketch is whole");
    let registers = registers(&dense).enumerate();
    registers.filter(|(_, value)| *value > 0).collect()
}

proptest! {
    #[test]
    fn registers_are_the_model_s_in_either_representation(
        numbers in proptest::collection::vec(0u32..3000, 0..1500),
        sparse_max_bytes in 0usize..4000,
    ) {
        let elements: Vec<Vec<u8>> =
            numbers.iter().map(|number| number.to_string().into_bytes()).collect();
        let mut string = empty();
        let mut expected = BTreeMap::new();
        for element in &elements {
            let (index, value) = murmur::register_of(element);
            let old = expected.get(&index).copied().unwrap_or(0);
            let has_changed = add(&mut string, element, sparse_max_bytes).expect("whole");
            prop_assert_eq!(has_changed, value > old);
            expected.insert(index, value.max(old));
        }
        prop_assert_eq!(&non_zero(&string), &model(&elements));
        if !is_dense(&string) {
            let total: usize = runs(&string).map(|run| run.expect("whole").len).sum();
            prop_assert_eq!(total, estimate::REGISTERS);
        }
        let mut dense = string.clone();
        make_dense(&mut dense).expect("whole");
        prop_assert_eq!(count(&string), count(&dense));
    }

    #[test]
    fn merging_is_adding_everything_to_one(
        left in proptest::collection::vec(0u32..3000, 0..400),
        right in proptest::collection::vec(0u32..3000, 0..400),
        left_max in 0usize..3000,
    ) {
        let sketch = |numbers: &[u32], sparse_max_bytes| {
            let mut string = empty();
            for number in numbers {
                add(&mut string, number.to_string().as_bytes(), sparse_max_bytes).expect("whole");
            }
            string
        };
        let both: Vec<u32> = left.iter().chain(&right).copied().collect();
        let (mut left, right) = (sketch(&left, left_max), sketch(&right, 3000));
        let mut merged = MergedRegisters::new();
        merged.merge(&left).expect("whole");
        merged.merge(&right).expect("whole");
        prop_assert_eq!(Ok(merged.count()), count(&sketch(&both, 3000)));
        raise(&mut left, &merged, 3000).expect("whole");
        prop_assert_eq!(non_zero(&left), non_zero(&sketch(&both, 3000)));
    }

    /// Whatever stands behind the header, there is an answer or an error.
    #[test]
    fn broken_sketches_are_errors(
        body in proptest::collection::vec(any::<u8>(), 0..200),
        element in any::<[u8; 3]>(),
    ) {
        let mut string = empty()[..16].to_vec();
        string.extend_from_slice(&body);
        prop_assert_eq!(representation(&string), Some(Representation::Sparse));
        let is_whole = runs(&string)
            .try_fold(0, |total, run| run.map(|run| total + run.len))
            == Ok(estimate::REGISTERS);
        prop_assert_eq!(count(&string).is_ok(), is_whole);
        prop_assert_eq!(MergedRegisters::new().merge(&string).is_ok(), is_whole);
        prop_assert_eq!(make_dense(&mut string.clone()).is_ok(), is_whole);
        let _ = add(&mut string, &element, 3000);
    }
}

#[test]
fn estimates_are_near() {
    let mut string = empty();
    for number in 0u32..200_000 {
        add(&mut string, number.to_string().as_bytes(), 3000).expect("whole");
        if [10, 1000, 50_000, 199_999].contains(&number) {
            let expected = f64::from(number + 1);
            let estimate = count(&string).expect("whole") as f64;
            // Five times the standard error.
            assert!(
                (estimate - expected).abs() <= expected * 0.0405 + 0.5,
                "{estimate}"
            );
        }
    }
    assert!(is_dense(&string));
}

#[test]
fn an_estimate_is_remembered_until_it_is_out_of_date() {
    let mut string = empty();
    assert_eq!(cached_count(&string), Some(0));
    forget_count(&mut string);
    assert_eq!(cached_count(&string), None);
    remember_count(&mut string, 123_456_789_012);
    assert_eq!(cached_count(&string), Some(123_456_789_012));
    assert_eq!(representation(b"HYLL"), None);
    assert_eq!(representation(&string[..15]), None);
    assert_eq!(representation(&[&b"HYLM"[..], &string[4..]].concat()), None);
}
