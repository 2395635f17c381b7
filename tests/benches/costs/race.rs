//! Contestants take turns, so that a busy machine slows them all.

use std::time::{Duration, Instant};

/// How long one contestant runs in one round, about.
const TURN: Duration = Duration::from_millis(10);
pub(crate) const ROUNDS: usize = 41;

/// What a contestant took.
#[derive(Clone, Copy)]
pub(crate) struct Taken {
    pub(crate) micros: f64,
    /// To the first contestant.
    pub(crate) ratio: f64,
}

/// Runs the contestants in turn.
pub(crate) fn race<const N: usize>(contestants: [&dyn Fn(); N]) -> [Taken; N] {
    let repetitions = contestants.map(|contestant| {
        contestant();
        let begin = Instant::now();
        contestant();
        u32::try_from(TURN.as_nanos() / begin.elapsed().as_nanos().max(1)).unwrap_or(u32::MAX).clamp(1, 10_000)
    });
    let round = || {
        let mut times = [0.0; N];
        for ((time, contestant), repetitions) in times.iter_mut().zip(contestants).zip(repetitions) {
            let begin = Instant::now();
            (0..repetitions).for_each(|_| contestant());
            *time = begin.elapsed().as_secs_f64() * 1e6 / f64::from(repetitions);
        }
        times
    };
    let rounds: Vec<[f64; N]> = (0..ROUNDS).map(|_| round()).collect();
    let column = |index: usize| rounds.iter().filter_map(move |times| times.get(index).copied());
    std::array::from_fn(|index| Taken {
        micros: median(column(index)),
        ratio: median(column(index).zip(column(0)).map(|(own, first)| own / first)),
    })
}

pub(crate) fn median(figures: impl Iterator<Item = f64>) -> f64 {
    let mut figures: Vec<f64> = figures.collect();
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied().unwrap_or_default()
}
