//! Records as they look in life: JSON of about 2.3 kB, each different.

use crate::store::IndexKey;

pub(crate) const RECORD_BYTES: usize = 2_300;
/// How each begins.
pub(crate) const RECORD_START: &[u8] = br#"{"Id":"00"#;
const TEMPLATES: u64 = 512;

pub(crate) struct Records(Vec<Vec<u8>>);

impl Records {
    pub(crate) fn new() -> Self {
        Self((0..TEMPLATES).map(template).collect())
    }

    /// The record with this number. Made from a template, so that making it costs next to nothing.
    pub(crate) fn get(&self, number: u64) -> Vec<u8> {
        let mut record = self.0[usize::try_from(number % TEMPLATES).unwrap_or(0)].clone();
        record[7..27].copy_from_slice(format!("{number:020}").as_bytes());
        record
    }
}

/// A key that looks like a digest, different for each number.
pub(crate) fn index_key(number: u64) -> IndexKey {
    let mut random = Random(number.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let mut key = [0; 32];
    key.chunks_exact_mut(8).for_each(|part| part.copy_from_slice(&random.next().to_be_bytes()));
    key
}

fn template(seed: u64) -> Vec<u8> {
    let mut random = Random(seed.wrapping_mul(0x2545_f491_4f6c_dd1d) | 1);
    let mut text = format!(r#"{{"Id":"{:020}""#, 0);
    while text.len() < RECORD_BYTES - 2 {
        let value = random.next();
        text.push_str(&format!(
            r#","Leg{}":{{"Start":{},"Uuid":"{:016x}"}}"#,
            value % 97,
            value % 1_900_000_000,
            value
        ));
    }
    text.truncate(RECORD_BYTES - 2);
    text.push_str("\"}");
    text.into_bytes()
}

struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }
}
