//! What a field of text or number means, whatever shape the sender gave it.

use crate::anomalies::{Anomalies, Anomaly};
use crate::timestamp::{Time, TimeUnit};

/// A value that is no array and no object, not yet interpreted.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) enum Scalar<'a> {
    #[default]
    Absent,
    Boolean(bool),
    /// As spelled.
    Number(&'a str),
    Text(&'a str),
    /// An array or an object, where neither belongs.
    Structure,
}

/// A whole number, as far as it fits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Integer {
    Fits(i64),
    TooLarge,
    TooSmall,
    NotWhole,
}

impl<'a> Scalar<'a> {
    /// Text as it stands; a number or a boolean as it is spelled. Empty and blank text is absent. None with an anomaly
    /// for a structure.
    pub(crate) fn text(self, field: &'static str, anomalies: &mut Anomalies) -> Option<&'a str> {
        match self {
            Scalar::Absent => None,
            Scalar::Boolean(truth) => Some(if truth { "true" } else { "false" }),
            Scalar::Number(spelling) => Some(spelling),
            Scalar::Text(text) => (!is_blank(text)).then_some(text),
            Scalar::Structure => {
                anomalies.type_mismatch(field);
                None
            }
        }
    }

    /// A whole number, or text that spells one.
    pub(crate) fn integer(self, field: &'static str, anomalies: &mut Anomalies) -> Option<i64> {
        match self.whole_number()? {
            Integer::Fits(number) => Some(number),
            Integer::TooLarge | Integer::TooSmall | Integer::NotWhole => {
                anomalies.type_mismatch(field);
                None
            }
        }
    }

    /// An identifier that is a number: 0 stands for none.
    pub(crate) fn numeric_id(self, field: &'static str, anomalies: &mut Anomalies) -> Option<i64> {
        self.integer(field, anomalies).filter(|id| *id != 0)
    }

    /// A time in seconds, or in a finer unit where the number is too large for seconds: 0 stands for none.
    pub(crate) fn timestamp(self, field: &'static str, anomalies: &mut Anomalies) -> Option<Time> {
        match self.whole_number()? {
            Integer::Fits(0) => None,
            Integer::Fits(number) => match Time::guess(number) {
                Some((time, TimeUnit::Seconds)) => Some(time),
                Some((time, _finer)) => {
                    anomalies.add(Anomaly::TimestampUnit);
                    Some(time)
                }
                None => {
                    anomalies.add(Anomaly::TimestampOutOfRange);
                    None
                }
            },
            Integer::TooLarge | Integer::TooSmall => {
                anomalies.add(Anomaly::TimestampOutOfRange);
                None
            }
            Integer::NotWhole => {
                anomalies.type_mismatch(field);
                None
            }
        }
    }

    /// A time that is in milliseconds by contract: 0 stands for none.
    pub(crate) fn millisecond_timestamp(self, field: &'static str, anomalies: &mut Anomalies) -> Option<Time> {
        match self.whole_number()? {
            Integer::Fits(0) => None,
            Integer::NotWhole => {
                anomalies.type_mismatch(field);
                None
            }
            integer => {
                let time = if let Integer::Fits(number) = integer { Time::from_milliseconds(number) } else { None };
                if time.is_none() {
                    anomalies.add(Anomaly::TimestampOutOfRange);
                }
                time
            }
        }
    }

    fn whole_number(self) -> Option<Integer> {
        match self {
            Scalar::Absent => None,
            Scalar::Number(spelling) => Some(Integer::of_number(spelling)),
            Scalar::Text(text) => (!is_blank(text)).then(|| Integer::of_text(text.trim())),
            Scalar::Boolean(_) | Scalar::Structure => Some(Integer::NotWhole),
        }
    }
}

impl Integer {
    /// Text: an optional minus sign and decimal digits, nothing else.
    fn of_text(text: &str) -> Integer {
        let digits = text.strip_prefix('-').unwrap_or(text);
        if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return Integer::NotWhole;
        }
        Integer::of_digits(digits, text.len() != digits.len())
    }

    /// A JSON number: also with a fraction or an exponent, as long as its value is whole. Exact, whatever its size.
    fn of_number(spelling: &str) -> Integer {
        if let Ok(number) = spelling.parse::<i64>() {
            return Integer::Fits(number);
        }
        let (mantissa, exponent) = spelling.split_once(['e', 'E']).unwrap_or((spelling, "0"));
        let (negative, mantissa) = mantissa.strip_prefix('-').map_or((false, mantissa), |rest| (true, rest));
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let fraction = fraction.trim_end_matches('0');
        let mut digits = format!("{whole}{fraction}");
        if digits.bytes().all(|byte| byte == b'0') {
            return Integer::Fits(0);
        }
        // An exponent that fits no i64 is as good as its extreme: no body holds enough digits to make up for it.
        let exponent = exponent.parse::<i64>().unwrap_or(if exponent.starts_with('-') { i64::MIN } else { i64::MAX });
        let shift = exponent.saturating_sub(i64::try_from(fraction.len()).unwrap_or(i64::MAX));
        if shift < 0 {
            let dropped = usize::try_from(shift.unsigned_abs()).unwrap_or(usize::MAX);
            let trailing_zeros = digits.len() - digits.trim_end_matches('0').len();
            if dropped > trailing_zeros {
                return Integer::NotWhole;
            }
            digits.truncate(digits.len() - dropped);
        } else {
            const MORE_THAN_ANY_I64: i64 = 20;
            let zeros = usize::try_from(shift.min(MORE_THAN_ANY_I64)).unwrap_or_default();
            digits.extend(std::iter::repeat_n('0', zeros));
        }
        Integer::of_digits(&digits, negative)
    }

    fn of_digits(digits: &str, negative: bool) -> Integer {
        let magnitude = digits.bytes().try_fold(0_i128, |number, digit| {
            let number = number * 10 + i128::from(digit.wrapping_sub(b'0'));
            (number <= i128::from(u64::MAX)).then_some(number)
        });
        let signed = magnitude.map(|magnitude| if negative { -magnitude } else { magnitude });
        match signed.map(i64::try_from) {
            Some(Ok(number)) => Integer::Fits(number),
            _ if negative => Integer::TooSmall,
            _ => Integer::TooLarge,
        }
    }
}

pub(crate) fn is_blank(text: &str) -> bool {
    // Most texts begin with something that can be seen.
    !text.as_bytes().first().is_some_and(u8::is_ascii_graphic) && text.trim().is_empty()
}

/// The longest beginning of a text that is no longer than this many bytes and ends between two characters.
pub(crate) fn cut(text: &str, bytes_max: usize) -> &str {
    text.get(..text.floor_char_boundary(bytes_max)).unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn whole_numbers_are_read_in_every_spelling() {
        for (spelling, number) in [
            ("1.0", 1),
            ("1e3", 1000),
            ("10e-1", 1),
            ("1.5e1", 15),
            ("-0.0", 0),
            ("0e999999999999999999999", 0),
            ("9223372036854775807.0", i64::MAX),
            ("-9223372036854775808", i64::MIN),
        ] {
            assert_eq!(Integer::of_number(spelling), Integer::Fits(number), "{spelling}");
        }
    }

    #[test]
    fn numbers_that_are_not_whole_or_do_not_fit_are_told_apart() {
        for (spelling, integer) in [
            ("1.5", Integer::NotWhole),
            ("1e-400", Integer::NotWhole),
            ("15e-2", Integer::NotWhole),
            ("1e400", Integer::TooLarge),
            ("9223372036854775808", Integer::TooLarge),
            ("-1e19", Integer::TooSmall),
            ("1e99999999999999999999", Integer::TooLarge),
            ("1e-99999999999999999999", Integer::NotWhole),
        ] {
            assert_eq!(Integer::of_number(spelling), integer, "{spelling}");
        }
    }

    #[test]
    fn text_spells_a_number_with_digits_alone() {
        assert_eq!(Integer::of_text("-007"), Integer::Fits(-7));
        assert_eq!(Integer::of_text("99999999999999999999999999999999999999999999"), Integer::TooLarge);
        for text in ["1.0", "+1", "1e3", "-", "", "١"] {
            assert_eq!(Integer::of_text(text), Integer::NotWhole, "{text}");
        }
    }

    #[test]
    fn a_cut_never_splits_a_character() {
        assert_eq!(cut("aé", 2), "a");
        assert_eq!(cut("aé", 3), "aé");
    }

    proptest! {
        #[test]
        fn every_integer_is_read_exactly(number in any::<i64>(), zeros in 0_usize..3) {
            let spelling = format!("{number}.{}", "0".repeat(zeros + 1));
            prop_assert_eq!(Integer::of_number(&spelling), Integer::Fits(number));
            prop_assert_eq!(Integer::of_text(&number.to_string()), Integer::Fits(number));
        }

        #[test]
        fn no_spelling_makes_it_panic(spelling in "-?[0-9]{1,30}(\\.[0-9]{1,30})?([eE][+-]?[0-9]{1,25})?") {
            Integer::of_number(&spelling);
        }
    }
}
