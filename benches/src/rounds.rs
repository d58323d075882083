//! Rounds: the two sides in turn, so that what the machine does meanwhile falls on both.

/// What the rounds gave, in the order in which they were done.
#[derive(Debug, Clone, Default)]
pub(crate) struct Samples {
    pub(crate) ours: Vec<f64>,
    pub(crate) beside: Vec<f64>,
}

/// Measures ours, then the other, as often as asked; one pair before does not count.
pub(crate) fn in_turn(
    rounds: usize,
    mut ours: impl FnMut() -> anyhow::Result<f64>,
    mut beside: impl FnMut() -> anyhow::Result<f64>,
) -> anyhow::Result<Samples> {
    ours()?;
    beside()?;
    let mut samples = Samples::default();
    for _ in 0..rounds {
        samples.ours.push(ours()?);
        samples.beside.push(beside()?);
    }
    Ok(samples)
}

impl Samples {
    /// The ratio of the medians, ours over the other's.
    pub(crate) fn ratio(&self) -> f64 {
        median(&self.ours) / median(&self.beside)
    }

    /// The smallest and the largest ratio of one round.
    pub(crate) fn ratio_range(&self) -> (f64, f64) {
        let ratios = self.ours.iter().zip(&self.beside).map(|(ours, beside)| ours / beside);
        ratios
            .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), ratio| (low.min(ratio), high.max(ratio)))
    }
}

/// The median; not a number when there are no samples.
pub(crate) fn median(samples: &[f64]) -> f64 {
    let mut sorted = samples.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    match sorted.as_slice() {
        [] => f64::NAN,
        odd if odd.len() % 2 == 1 => odd[middle],
        even => f64::midpoint(even[middle - 1], even[middle]),
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;

    #[test]
    fn the_median_is_the_middle_or_between_the_two() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&[4.0, 1.0, 2.0, 100.0]), 3.0);
        assert!(median(&[]).is_nan());
    }

    #[test]
    fn the_sides_take_turns_and_the_first_pair_does_not_count() {
        let order = RefCell::new(String::new());
        let side = |letter: char| {
            order.borrow_mut().push(letter);
            Ok(order.borrow().len() as f64)
        };
        let samples = in_turn(2, || side('a'), || side('b')).unwrap();
        assert_eq!(*order.borrow(), "ababab");
        assert_eq!((samples.ours, samples.beside), (vec![3.0, 5.0], vec![4.0, 6.0]));
    }

    #[test]
    fn the_range_is_of_rounds_and_the_ratio_is_of_medians() {
        let samples = Samples { ours: vec![1.0, 8.0, 3.0], beside: vec![1.0, 2.0, 2.0] };
        assert_eq!(samples.ratio(), 1.5);
        assert_eq!(samples.ratio_range(), (1.0, 4.0));
    }
}
