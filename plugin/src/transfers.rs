//! Who a transferred call came from. The vendor names the ends of a transfer by mail, number or skill group; a
//! re-routing after a missed call has no such names and is no transfer.

use crate::participant_span::Participant;
use std::borrow::Cow;
use std::collections::BTreeMap;

/// Finds each participant's predecessor among those before it: the nearest whose mail or number it says it came from;
/// else the nearest that names it, or its skill group, as where the call went; else, if it says it was transferred at
/// all, the nearest that answered. Takes time in proportion to the participants, however many there are.
pub(crate) fn link(participants: &mut [Participant<'_>]) {
    let has_transfer = |participant: &Participant<'_>| {
        participant.transfer_from.or(participant.transfer_to).or(participant.transfer_from_type).is_some()
    };
    if !participants.iter().any(has_transfer) {
        return;
    }
    // Each name leads to the nearest participant so far that has it.
    let mut by_name = BTreeMap::<Cow<'_, str>, usize>::new();
    let mut by_destination = BTreeMap::<Cow<'_, str>, usize>::new();
    let mut last_answered = None;
    for (place, participant) in participants.iter_mut().enumerate() {
        let source = participant.transfer_from.and_then(|from| by_name.get(&normalise(from)).copied());
        participant.predecessor = source
            .or_else(|| named_as_destination(participant, &by_destination))
            .or(last_answered.filter(|_| participant.transfer_from_type.is_some()));

        for name in [participant.mail, participant.phone].into_iter().flatten() {
            by_name.insert(normalise(name), place);
        }
        if let Some(destination) = participant.transfer_to {
            by_destination.insert(normalise(destination), place);
        }
        if participant.answered() {
            last_answered = Some(place);
        }
    }
}

/// The nearest that names this participant, or its skill group by id or name, as the destination.
fn named_as_destination(
    participant: &Participant<'_>,
    by_destination: &BTreeMap<Cow<'_, str>, usize>,
) -> Option<usize> {
    if by_destination.is_empty() {
        return None;
    }
    let group_id = participant.skill_group_id.map(|id| id.to_string());
    let names = [participant.mail, participant.phone, group_id.as_deref(), participant.skill_group_name];
    names.into_iter().flatten().filter_map(|name| by_destination.get(&normalise(name)).copied()).max()
}

/// One spelling for each mail and each number: mails in lower case; numbers without spaces and dashes, with `+` for a
/// leading `00`. Other names as they are.
fn normalise(name: &str) -> Cow<'_, str> {
    let name = name.trim();
    if name.contains('@') {
        return Cow::Owned(name.to_lowercase());
    }
    let is_number = name.bytes().any(|byte| byte.is_ascii_digit())
        && name.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'+' | b' ' | b'-'));
    if !is_number {
        return Cow::Borrowed(name);
    }
    let digits: String = name.chars().filter(|character| !matches!(character, ' ' | '-')).collect();
    match digits.strip_prefix("00") {
        Some(rest) => Cow::Owned(format!("+{rest}")),
        None => Cow::Owned(digits),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_of_one_number_or_mail_are_the_same() {
        assert_eq!(normalise("0086 138-0000-0000"), "+8613800000000");
        assert_eq!(normalise(" +8613800000000"), "+8613800000000");
        assert_eq!(normalise("Agent@Example.com"), "agent@example.com");
    }

    #[test]
    fn other_names_keep_their_dashes() {
        assert_eq!(normalise("Sales - EU"), "Sales - EU");
        assert_eq!(normalise("-"), "-");
    }
}
