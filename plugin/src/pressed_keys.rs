//! Keys that the caller pressed, in the IVR or in the survey after the call.

use crate::anomalies::Anomalies;
use crate::record::{Field, Keys, Nested};
use crate::scalar::is_blank;
use crate::timestamp::Time;

/// One list of keys: the extended list where it holds any key, else the plain one.
#[derive(Debug, Default)]
pub(crate) struct PressedKeys<'a> {
    /// As many as the limit allows.
    pub(crate) keys: Vec<PressedKey<'a>>,
    /// All of them.
    pub(crate) count: usize,
}

#[derive(Debug)]
pub(crate) struct PressedKey<'a> {
    pub(crate) key: &'a str,
    pub(crate) label: Option<&'a str>,
    /// When it was pressed, where the vendor says so.
    pub(crate) time: Option<Time>,
}

/// A list of keys with the name of its field.
pub(crate) type NamedList<'r, 'a> = (&'r Field<Nested<Keys<'a>>>, &'static str);

impl<'a> PressedKeys<'a> {
    /// Reads both lists and keeps one. Times are read only where they are wanted.
    pub(crate) fn read(
        extended: NamedList<'_, 'a>,
        plain: NamedList<'_, 'a>,
        limit: usize,
        with_times: bool,
        anomalies: &mut Anomalies,
    ) -> Self {
        let mut chosen = PressedKeys::default();
        for (field, name) in [extended, plain] {
            let Some(list) = field.present(name, anomalies) else { continue };
            if list.has_wrong_element {
                anomalies.type_mismatch(name);
            }
            let is_open = chosen.count == 0;
            for entry in &list.list {
                entry.names.report(anomalies);
                let key = entry.key.get().text("Key", anomalies);
                let label = entry.label.get().text("Label", anomalies);
                let Some(key) = key.filter(|_| is_open) else { continue };
                if chosen.keys.len() < limit {
                    let time = if with_times {
                        entry.timestamp.get().millisecond_timestamp("Timestamp", anomalies)
                    } else {
                        None
                    };
                    chosen.keys.push(PressedKey { key, label, time });
                }
                chosen.count += 1;
            }
        }
        chosen
    }

    pub(crate) fn keys(&self) -> impl Iterator<Item = &'a str> {
        self.keys.iter().map(|pressed| pressed.key)
    }

    /// One label for each key, empty where it is missing; none at all when all are.
    pub(crate) fn labels(&self) -> impl Iterator<Item = &'a str> {
        let has_label = self.keys.iter().any(|pressed| pressed.label.is_some_and(|label| !is_blank(label)));
        let labels = if has_label { self.keys.as_slice() } else { &[] };
        labels.iter().map(|pressed| pressed.label.unwrap_or_default())
    }

    pub(crate) fn have_all_times(&self) -> bool {
        self.keys.iter().all(|pressed| pressed.time.is_some())
    }
}
