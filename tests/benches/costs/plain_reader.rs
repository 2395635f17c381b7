//! The plain ways to read a record with `serde_json`: any JSON as a tree, and a structure of the known fields that
//! borrows all text, so it takes no escapes, and nothing but the documented types: the least that reading can cost.

use serde::Deserialize;
use serde_json::Value;

type Text<'a> = Option<&'a str>;
type Number = Option<i64>;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
#[expect(dead_code, reason = "what is measured is the reading")]
pub(crate) struct Session<'a> {
    sdk_app_id: Number,
    #[serde(borrow)]
    session_id: Text<'a>,
    #[serde(borrow)]
    caller: Text<'a>,
    #[serde(borrow)]
    callee: Text<'a>,
    direction: Number,
    call_type: Number,
    duration: Number,
    #[serde(borrow)]
    seat_user: Option<SeatUser<'a>>,
    #[serde(borrow)]
    caller_location: Text<'a>,
    #[serde(rename = "IVRDuration")]
    ivr_duration: Number,
    ring_timestamp: Number,
    accept_timestamp: Number,
    ended_timestamp: Number,
    start_timestamp: Number,
    #[serde(rename = "IVRKeyPressed", borrow)]
    ivr_keys: Option<Vec<&'a str>>,
    #[serde(rename = "IVRKeyPressedEx", borrow)]
    ivr_keys_ex: Option<Vec<Key<'a>>>,
    #[serde(borrow)]
    hung_up_side: Text<'a>,
    #[serde(borrow)]
    serve_participants: Option<Vec<Participant<'a>>>,
    #[serde(borrow)]
    end_status_string: Text<'a>,
    queued_timestamp: Number,
    #[serde(rename = "PostIVRKeyPressed", borrow)]
    survey_keys: Option<Vec<Key<'a>>>,
    #[serde(borrow)]
    queued_skill_group_name: Text<'a>,
    queued_skill_group_id: Number,
    #[serde(borrow)]
    record_id: Text<'a>,
    #[serde(borrow)]
    user_remark: Text<'a>,
    #[serde(borrow)]
    uui: Text<'a>,
    #[serde(borrow)]
    tel_location: Option<TelLocation<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
#[expect(dead_code, reason = "what is measured is the reading")]
struct SeatUser<'a> {
    #[serde(borrow)]
    mail: Text<'a>,
    #[serde(borrow)]
    name: Text<'a>,
    #[serde(borrow)]
    nick: Text<'a>,
    #[serde(borrow)]
    phone: Text<'a>,
    #[serde(borrow)]
    user_id: Text<'a>,
    #[serde(borrow)]
    staff_number: Text<'a>,
    #[serde(borrow)]
    skill_group_name_list: Option<Vec<&'a str>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
#[expect(dead_code, reason = "what is measured is the reading")]
struct Participant<'a> {
    #[serde(borrow)]
    mail: Text<'a>,
    #[serde(borrow)]
    phone: Text<'a>,
    ring_timestamp: Number,
    accept_timestamp: Number,
    ended_timestamp: Number,
    #[serde(borrow)]
    record_id: Text<'a>,
    #[serde(borrow)]
    r#type: Text<'a>,
    #[serde(borrow)]
    transfer_from: Text<'a>,
    #[serde(borrow)]
    transfer_from_type: Text<'a>,
    #[serde(borrow)]
    transfer_to: Text<'a>,
    #[serde(borrow)]
    transfer_to_type: Text<'a>,
    skill_group_id: Number,
    #[serde(borrow)]
    end_status_string: Text<'a>,
    sequence: Number,
    start_timestamp: Number,
    #[serde(borrow)]
    skill_group_name: Text<'a>,
    skill_group_priority: Number,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
#[expect(dead_code, reason = "what is measured is the reading")]
struct Key<'a> {
    #[serde(borrow)]
    key: Text<'a>,
    #[serde(borrow)]
    label: Text<'a>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
#[expect(dead_code, reason = "what is measured is the reading")]
struct TelLocation<'a> {
    #[serde(borrow)]
    tel_number: Text<'a>,
    #[serde(borrow)]
    country: Text<'a>,
    #[serde(borrow)]
    province: Text<'a>,
    #[serde(borrow)]
    city: Text<'a>,
    #[serde(borrow)]
    operator: Text<'a>,
}

pub(crate) fn tree(body: &[u8]) -> Value {
    serde_json::from_slice(body).expect("the records of the benchmark are JSON")
}

pub(crate) fn derived(body: &[u8]) -> Session<'_> {
    serde_json::from_slice(body).expect("the records of the benchmark have the documented types")
}
