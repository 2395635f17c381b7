//! The fingerprints that came last: in memory to be asked for, and in one row for each transaction to outlast a crash.
//!
//! Fingerprints are hashes, so one that is put into a sorted table is compared with many that lie all over the memory. As
//! one of so many rows it is appended, and thousands at a time are sorted and written to a table in one go.
//!
//! ```text
//! key-length(1) key row-length(1) row …                   a row of the table `recent`, under the number of the transaction
//! ```

use super::seen::Short;
use std::collections::HashMap;
use std::ops::Range;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// So many are written to a table of their own in one go: as many as a hash table of 65,536 places takes.
pub(super) const RECENT_MAX: usize = 56 * 1024;

#[derive(Default)]
pub(super) struct Recent(Mutex<State>);

#[derive(Default)]
struct State {
    rows: HashMap<Short, Short>,
    /// The transactions whose rows hold them.
    transactions: Range<u64>,
}

/// A fingerprint, and what is remembered under it.
pub(super) type Pair = (Short, Short);

impl Recent {
    /// Those of this row, which was found when the tables were opened; rows come in their order.
    pub(super) fn load(&self, transaction: u64, row: &[u8]) {
        let mut state = self.state();
        if state.transactions.is_empty() {
            state.transactions = transaction..transaction;
        }
        state.transactions.end = transaction + 1;
        let mut rest = row;
        while let Some((key, after_key)) = split(rest)
            && let Some((row, after_row)) = split(after_key)
        {
            state.rows.insert(Short::from_slice(key), Short::from_slice(row));
            rest = after_row;
        }
    }

    /// The number of the next transaction.
    pub(super) fn next(&self) -> u64 {
        self.state().transactions.end
    }

    /// These were written with the next transaction.
    pub(super) fn add(&self, pairs: Vec<Pair>) {
        let mut state = self.state();
        state.transactions.end += 1;
        state.rows.extend(pairs);
    }

    pub(super) fn get(&self, key: &[u8]) -> Option<Short> {
        self.state().rows.get(key).cloned()
    }

    pub(super) fn len(&self) -> usize {
        self.state().rows.len()
    }

    /// All of them in their order, and the transactions whose rows hold them.
    pub(super) fn sorted(&self) -> (Vec<Pair>, Range<u64>) {
        let state = self.state();
        let mut sorted: Vec<Pair> = state.rows.iter().map(|(key, row)| (key.clone(), row.clone())).collect();
        sorted.sort_unstable();
        (sorted, state.transactions.clone())
    }

    /// They are in a table now.
    pub(super) fn clear(&self) {
        let mut state = self.state();
        state.rows.clear();
        state.transactions.start = state.transactions.end;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The row that holds these.
pub(super) fn encode(pairs: &[Pair]) -> Vec<u8> {
    let mut encoded = Vec::with_capacity(pairs.iter().map(|(key, row)| 2 + key.len() + row.len()).sum());
    for part in pairs.iter().flat_map(|(key, row)| [key, row]) {
        // Fingerprints and their rows are far shorter.
        encoded.push(u8::try_from(part.len()).unwrap_or(u8::MAX));
        encoded.extend(part.iter().take(usize::from(u8::MAX)));
    }
    encoded
}

fn split(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first()?;
    rest.split_at_checked(usize::from(*length))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(key: &'static str, row: &'static str) -> Pair {
        (Short::from_slice(key.as_bytes()), Short::from_slice(row.as_bytes()))
    }

    #[test]
    fn what_was_added_is_found_sorted_and_found_again_in_its_rows() {
        let (recent, again) = (Recent::default(), Recent::default());
        for (number, pairs) in [vec![pair("b", "1"), pair("a", "")], vec![pair("b", "2")]].into_iter().enumerate() {
            assert_eq!(recent.next(), number as u64);
            again.load(recent.next(), &encode(&pairs));
            recent.add(pairs);
        }
        for recent in [recent, again] {
            assert_eq!((recent.get(b"b").as_deref(), recent.get(b"c")), (Some(b"2".as_slice()), None));
            let (sorted, transactions) = recent.sorted();
            let keys: Vec<&[u8]> = sorted.iter().map(|(key, _)| key.as_slice()).collect();
            assert_eq!((keys, transactions), (vec![b"a".as_slice(), b"b".as_slice()], 0..2));
            recent.clear();
            assert_eq!((recent.len(), recent.next()), (0, 2));
        }
    }

    #[test]
    fn a_row_that_is_cut_yields_what_is_whole() {
        let row = encode(&[pair("a", "1"), pair("b", "2")]);
        for length in 0..=row.len() {
            let recent = Recent::default();
            recent.load(7, row.get(..length).expect("a part"));
            assert_eq!((recent.len(), recent.next()), (length / 4, 8));
        }
    }
}
