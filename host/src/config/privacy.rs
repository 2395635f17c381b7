//! How sensitive values are treated, as it is configured: a choice for each class, and the keys for pseudonyms.

use super::decode::{Decode, Options, Table};
use super::document::Node;
use super::path::At;
use super::planning::Planning;
use super::problem::{Problem, Report};
use super::value::word;
use super::{decode, secret_file};
use crate::transform::{Choice, HmacKey, Policy};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Serialize, Serializer};
use std::borrow::Cow;
use std::path::PathBuf;

/// Variables that hold the keys for pseudonyms, where no file does.
pub(super) const HMAC_KEY: &str = "CALLSPAN_HMAC_KEY";
const HMAC_KEY_PREVIOUS: &str = "CALLSPAN_HMAC_KEY_PREVIOUS";

/// What becomes of sensitive values, by what they are.
#[derive(Default, JsonSchema)]
#[schemars(default, deny_unknown_fields)]
pub(super) struct Privacy {
    /// A file that holds the key for pseudonyms, of at least 16 bytes; otherwise the variable CALLSPAN_HMAC_KEY.
    hmac_key_file: Option<PathBuf>,
    /// A file that holds the key before that one; otherwise the variable CALLSPAN_HMAC_KEY_PREVIOUS.
    previous_hmac_key_file: Option<PathBuf>,
    /// The calling code of numbers that come without one, like 86.
    default_country: Option<CallingCode>,
    /// Values that tell nothing about a person.
    none: ClassChoice<0>,
    /// Phone numbers.
    phone: ClassChoice<1>,
    /// Mail addresses.
    email: ClassChoice<2>,
    /// Names of people.
    name: ClassChoice<3>,
    /// Accounts, which may be names, mail addresses or numbers.
    account: ClassChoice<4>,
    /// Places.
    place: ClassChoice<5>,
    /// Texts that people wrote.
    free_text: ClassChoice<6>,
    /// Keys that callers pressed.
    keypad: ClassChoice<7>,
}

/// What is done with the class of this place in [`Policy::CLASSES`]; None for its default.
#[derive(Clone, Copy, Default)]
struct ClassChoice<const CLASS: usize>(Option<&'static str>);

struct CallingCode(String);

impl<const CLASS: usize> ClassChoice<CLASS> {
    /// What it can be, its default first.
    fn words() -> Vec<&'static str> {
        let class = Policy::CLASSES.get(CLASS).copied().unwrap_or_default();
        Policy::allowed(class).unwrap_or_default().iter().map(|choice: &Choice| choice.as_str()).collect()
    }
}

impl<const CLASS: usize> Decode for ClassChoice<CLASS> {
    fn decode(node: &Node, at: At<'_>, report: &mut Report<'_>) -> Option<Self> {
        word(node, at, report, &Self::words()).map(|word| ClassChoice(Some(word)))
    }
}

impl<const CLASS: usize> Serialize for ClassChoice<CLASS> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.or(Self::words().first().copied()).serialize(serializer)
    }
}

impl<const CLASS: usize> JsonSchema for ClassChoice<CLASS> {
    fn schema_name() -> Cow<'static, str> {
        format!("ClassChoice{CLASS}").into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "enum": Self::words() })
    }
}

impl Decode for CallingCode {
    fn decode(node: &Node, at: At<'_>, report: &mut Report<'_>) -> Option<Self> {
        let code = decode::text(node, at, report, "a calling code of 1 to 3 digits, like \"86\"")?;
        if let Err(error) = Policy::default().set_default_country(code) {
            report.add(at, error.to_string());
            return None;
        }
        Some(CallingCode(code.to_owned()))
    }
}

impl JsonSchema for CallingCode {
    fn schema_name() -> Cow<'static, str> {
        "CallingCode".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": "^[0-9]{1,3}$" })
    }
}

impl Options for Privacy {
    fn read(table: &mut Table<'_, '_>) -> Self {
        let default = Self::default();
        Privacy {
            hmac_key_file: table.take("hmac_key_file", None),
            previous_hmac_key_file: table.take("previous_hmac_key_file", None),
            default_country: table.take("default_country", None),
            none: table.take("none", default.none),
            phone: table.take("phone", default.phone),
            email: table.take("email", default.email),
            name: table.take("name", default.name),
            account: table.take("account", default.account),
            place: table.take("place", default.place),
            free_text: table.take("free_text", default.free_text),
            keypad: table.take("keypad", default.keypad),
        }
    }
}

impl Privacy {
    /// The policy, with a choice of the command line over the file's.
    pub(super) fn plan(self, at: At<'_>, planning: &mut Planning<'_, '_>) -> Policy {
        let mut policy = Policy::default();
        let choices = [
            self.none.0,
            self.phone.0,
            self.email.0,
            self.name.0,
            self.account.0,
            self.place.0,
            self.free_text.0,
            self.keypad.0,
        ];
        for (class, choice) in Policy::CLASSES.into_iter().zip(choices) {
            if let Some(choice) = choice
                && let Err(error) = policy.set(class, choice)
            {
                planning.report.add(at.key(class), error.to_string());
            }
        }
        if let Some(choice) = &planning.overrides.privacy
            && let Err(error) = policy.set_all(choice)
        {
            planning.report.extend([Problem::new("--privacy", error.to_string())]);
        }
        if let Some(CallingCode(code)) = &self.default_country
            && let Err(error) = policy.set_default_country(code)
        {
            planning.report.add(at.key("default_country"), error.to_string());
        }
        let key = read_key(self.hmac_key_file, at.key("hmac_key_file"), HMAC_KEY, planning);
        let previous =
            read_key(self.previous_hmac_key_file, at.key("previous_hmac_key_file"), HMAC_KEY_PREVIOUS, planning);
        if let (Ok(key), Ok(previous)) = (key, previous) {
            policy.set_keys(key, previous);
            let report = &mut *planning.report;
            if let Err(error) = policy.check()
                && report.checks_environment
                && report.is_good(at.key("hmac_key_file"))
            {
                report.add(at, error.to_string());
            }
        }
        policy
    }
}

/// A key was configured and cannot be used, which was reported.
struct NoKey;

/// A key from a file, or else from a variable.
fn read_key(
    file: Option<PathBuf>,
    at: At<'_>,
    name: &str,
    planning: &mut Planning<'_, '_>,
) -> Result<Option<HmacKey>, NoKey> {
    let is_in_file = file.is_some();
    let key = match file {
        Some(path) => secret_file::read(&path, at, planning.report).ok_or(NoKey)?,
        None => match (planning.variable)(name) {
            Some(key) if !key.is_empty() => key.into_bytes(),
            _ => return Ok(None),
        },
    };
    HmacKey::new(&key).map(Some).map_err(|error| {
        if is_in_file {
            planning.report.add(at, error.to_string());
        } else {
            planning.report.extend([Problem::new(name, error.to_string())]);
        }
        NoKey
    })
}
