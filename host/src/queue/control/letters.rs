//! Requests about dead letters.

use super::{Base64, Body, ControlError, Filter, LETTERS_AT_ONCE, Letter, LetterId, Response, Revived, Which};
use crate::queue::StoreError;
use crate::queue::store::Store;
use std::time::{Duration, Instant};

/// Bodies that one request reads, but for the last of them.
const BODY_BYTES_AT_ONCE: u64 = 8 * 1024 * 1024;
/// No request takes longer, but for the letter it is at: each that is delivered once more is an fsync.
const TIME_AT_ONCE: Duration = Duration::from_millis(100);

/// What one request may do.
struct Budget {
    begun: Instant,
    body_bytes: u64,
}

impl Budget {
    fn new() -> Self {
        Budget { begun: Instant::now(), body_bytes: 0 }
    }

    fn is_used_up(&self) -> bool {
        self.body_bytes >= BODY_BYTES_AT_ONCE || self.begun.elapsed() >= TIME_AT_ONCE
    }
}

pub(super) fn list(
    store: &mut Store,
    filter: &Filter,
    from: LetterId,
    count_max: usize,
) -> Result<Response, ControlError> {
    // What was settled and not written is a letter too.
    store.write(false)?;
    let (mut letters, mut next) = (Vec::new(), None);
    for letter in store.letters(from, LETTERS_AT_ONCE)? {
        next = Some(letter.id + 1);
        if filter.matches(&letter) {
            letters.push(letter);
        }
        if letters.len() >= count_max {
            break;
        }
    }
    Ok(Response::Letters { letters, next })
}

pub(super) fn one(store: &mut Store, id: LetterId) -> Result<Response, ControlError> {
    store.write(false)?;
    let letter = store.letters(id, 1)?.into_iter().next().filter(|letter| letter.id == id);
    let body = store.letter(id)?.map(|(_, record)| Base64(record.body));
    Ok(Response::Letter { letter, body })
}

pub(super) fn bodies(store: &mut Store, filter: &Filter, from: LetterId) -> Result<Response, ControlError> {
    store.write(false)?;
    let (mut bodies, mut next, mut budget) = (Vec::new(), None, Budget::new());
    for letter in store.letters(from, LETTERS_AT_ONCE)? {
        next = Some(letter.id + 1);
        if filter.matches(&letter) {
            let body = store.letter(letter.id)?.map(|(_, record)| Base64(record.body));
            bodies.push(Body { id: letter.id, body });
            budget.body_bytes += letter.body_bytes;
        }
        if budget.is_used_up() {
            break;
        }
    }
    Ok(Response::Bodies { bodies, next })
}

pub(super) fn revive(
    store: &mut Store,
    which: Which,
    to: Option<&[String]>,
    dry_run: bool,
    now_ms: u64,
) -> Result<Response, ControlError> {
    let mut revived = Revived::default();
    // What was delivered but for a part would be delivered twice: only for whoever asks for just that.
    let again = match &which {
        Which::Ids(_) => true,
        Which::Matching { filter, .. } => filter.code.is_some() || filter.class.is_some(),
    };
    let (missing, next) = each(store, which, |store, letter| {
        if !again && letter.refusals.iter().all(|refusal| refusal.is_delivered) {
            revived.delivered_in_part += 1;
            return Ok(());
        }
        let consumers = if dry_run {
            store.would_revive(letter.id, to, again)?
        } else {
            store.revive(letter.id, to, again, now_ms)?
        };
        *(if consumers.is_empty() { &mut revived.left } else { &mut revived.letters }) += 1;
        for consumer in consumers {
            *revived.consumers.entry(consumer).or_default() += 1;
        }
        Ok(())
    })?;
    Ok(Response::Revived(Revived { missing, next, ..revived }))
}

pub(super) fn purge(store: &mut Store, which: Which, dry_run: bool) -> Result<Response, ControlError> {
    let (mut letters, mut bytes) = (0, 0);
    let (missing, next) = each(store, which, |store, letter| {
        letters += 1;
        bytes += letter.body_bytes;
        if !dry_run {
            store.purge(letter.id)?;
        }
        Ok(())
    })?;
    if !dry_run {
        store.write(true)?;
    }
    Ok(Response::Purged { letters, bytes, missing, next })
}

/// Does something with each of these letters, as many as one request may. Says which are not there, and which are left.
fn each(
    store: &mut Store,
    which: Which,
    mut act: impl FnMut(&mut Store, &Letter) -> Result<(), StoreError>,
) -> Result<(Vec<LetterId>, Option<Which>), ControlError> {
    store.write(false)?;
    let mut budget = Budget::new();
    match which {
        Which::Ids(ids) => {
            if ids.len() > LETTERS_AT_ONCE {
                return Err(ControlError::TooManyIds(ids.len()));
            }
            let (mut missing, mut ids) = (Vec::new(), ids.into_iter());
            for id in ids.by_ref() {
                match store.letters(id, 1)?.into_iter().next().filter(|letter| letter.id == id) {
                    Some(letter) => {
                        act(store, &letter)?;
                        budget.body_bytes += letter.body_bytes;
                    }
                    None => missing.push(id),
                }
                if budget.is_used_up() {
                    break;
                }
            }
            let rest: Vec<LetterId> = ids.collect();
            Ok((missing, (!rest.is_empty()).then_some(Which::Ids(rest))))
        }
        Which::Matching { filter, next, end } => {
            // One that is refused once more is another letter.
            let end = end.unwrap_or(store.next_id());
            let mut reached = None;
            for letter in store.letters(next, LETTERS_AT_ONCE)?.into_iter().take_while(|letter| letter.id < end) {
                reached = Some(letter.id + 1);
                if filter.matches(&letter) {
                    act(store, &letter)?;
                    budget.body_bytes += letter.body_bytes;
                }
                if budget.is_used_up() {
                    break;
                }
            }
            Ok((Vec::new(), reached.map(|next| Which::Matching { filter, next, end: Some(end) })))
        }
    }
}
