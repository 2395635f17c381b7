//! Records as the vendor pushes them.

use callspan::record::Record;

/// Distinct records of one shape: an answered inbound call with keys, a queue, a survey and that many participants.
pub(crate) fn records(count: usize, participants: usize) -> Vec<Record> {
    (0..count)
        .map(|number| Record { body: record(number, participants).into_bytes().into(), metadata: Vec::new() })
        .collect()
}

fn record(number: usize, participants: usize) -> String {
    let start = 1_767_225_600 + number;
    let served: Vec<String> = (0..participants)
        .map(|place| participant(place, start + 60 + 100 * place, place + 1 == participants))
        .collect();
    format!(
        r#"{{"SdkAppId": 1400000001, "SessionId": "0b7e6f1e-0000-4000-8000-{number:012}", "Caller": "00861380000{number:04}", "Callee": "0086400000000", "Direction": 0, "CallType": 2, "Duration": {duration}, "SeatUser": {{"Mail": "seat{participants:03}@example.com", "Name": "Robin Example", "Nick": "Rob", "Phone": "", "UserId": "seat{participants:03}@example.com", "StaffNumber": "8{participants:03}", "SkillGroupNameList": ["Sales", "Billing"]}}, "CallerLocation": "", "IVRDuration": 22, "RingTimestamp": {ring}, "AcceptTimestamp": {accept}, "EndedTimestamp": {end}, "StartTimestamp": {start}, "IVRKeyPressed": ["1", "2", "3"], "IVRKeyPressedEx": [{{"Key": "1", "Label": "sales"}}, {{"Key": "2", "Label": "orders"}}, {{"Key": "3", "Label": "a person"}}], "HungUpSide": "user", "ServeParticipants": [{served}], "EndStatusString": "ok", "QueuedTimestamp": {queued}, "PostIVRKeyPressed": [{{"Key": "1", "Label": "very satisfied"}}], "QueuedSkillGroupName": "Sales", "QueuedSkillGroupId": 2734, "RecordId": "dbe87035-0000-4000-8000-{number:012}", "UserRemark": "*******7605", "Uui": "abc", "TelLocation": {{"TelNumber": "00861380000{number:04}", "Country": "China", "Province": "Guizhou", "City": "Anshun", "Operator": "mobile"}}}}"#,
        duration = 100 * participants - 5,
        ring = start + 60,
        accept = start + 65,
        end = start + 60 + 100 * participants,
        queued = start + 22,
        served = served.join(", "),
    )
}

fn participant(place: usize, start: usize, is_last: bool) -> String {
    let other = |place: usize| format!("seat{place:03}@example.com");
    let from = place.checked_sub(1).map(other).unwrap_or_default();
    let to = if is_last { String::new() } else { other(place + 1) };
    let group = if place.is_multiple_of(2) { "Sales" } else { "Billing" };
    format!(
        r#"{{"Mail": "{mail}", "Phone": "", "RingTimestamp": {start}, "AcceptTimestamp": {accept}, "EndedTimestamp": {end}, "RecordId": "f65472d9-0000-4000-8000-{place:012}", "Type": "staffSeat", "TransferFrom": "{from}", "TransferFromType": "{kind}", "TransferTo": "{to}", "TransferToType": "", "SkillGroupId": {id}, "EndStatusString": "ok", "Sequence": {place}, "StartTimestamp": {start}, "SkillGroupName": "{group}", "SkillGroupPriority": 0}}"#,
        mail = other(place),
        accept = start + 5,
        end = start + 100,
        kind = if from.is_empty() { "" } else { "staffSeat" },
        id = 2734 + place % 2,
    )
}
