//! What somebody who mistyped a name may have meant.

/// `; did you mean …?`, or else what there is, for the end of a message.
pub(super) fn suggestion(written: &str, known: &[&str]) -> String {
    match closest(written, known) {
        Some(meant) => format!("; did you mean `{meant}`?"),
        None if known.is_empty() => String::new(),
        None => format!("; {}", there_are(known)),
    }
}

/// `there are a, b and c`.
pub(super) fn there_are(names: &[&str]) -> String {
    match names {
        [] => "there is nothing".to_owned(),
        [name] => format!("there is {name}"),
        [names @ .., last] => format!("there are {} and {last}", names.join(", ")),
    }
}

/// The known name with the fewest edits, if they are few for its length.
fn closest<'k>(written: &str, known: &[&'k str]) -> Option<&'k str> {
    const CHARACTERS_MAX: usize = 64;
    if written.len() > CHARACTERS_MAX {
        return None;
    }
    known
        .iter()
        .map(|name| (edits(&written.to_lowercase(), &name.to_lowercase()), *name))
        .filter(|(edits, name)| *edits <= (name.len() / 3).max(1) && *edits < name.len().min(written.len()))
        .min_by_key(|(edits, _)| *edits)
        .map(|(_, name)| name)
}

/// How many characters must be added, left out, replaced or swapped with their neighbour (the optimal string alignment
/// distance).
fn edits(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.chars().collect();
    let mut before_last: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=to.len()).collect();
    let mut previous = None;
    for (row, character) in from.chars().enumerate() {
        let mut current = vec![row + 1];
        for (column, other) in to.iter().enumerate() {
            let get = |row: &[usize], column: usize| row.get(column).copied().unwrap_or(usize::MAX / 2);
            let mut cost = (get(&last, column) + usize::from(character != *other))
                .min(get(&last, column + 1) + 1)
                .min(get(&current, column) + 1);
            let is_swap =
                previous == Some(*other) && column.checked_sub(1).and_then(|before| to.get(before)) == Some(&character);
            if is_swap {
                cost = cost.min(get(&before_last, column.saturating_sub(1)) + 1);
            }
            current.push(cost);
        }
        before_last = std::mem::replace(&mut last, current);
        previous = Some(character);
    }
    last.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edits_are_counted() {
        for (from, to, count) in
            [("", "", 0), ("", "ab", 2), ("adress", "address", 1), ("apth", "path", 1), ("a", "b", 1), ("ca", "abc", 3)]
        {
            assert_eq!(edits(from, to), count, "{from} {to}");
        }
    }

    #[test]
    fn what_is_close_is_suggested_and_else_what_there_is() {
        let known = ["address", "path", "limits"];
        assert_eq!(suggestion("adress", &known), "; did you mean `address`?");
        assert_eq!(suggestion("Pfad", &known), "; there are address, path and limits");
        assert_eq!(suggestion(&"a".repeat(100), &known), "; there are address, path and limits");
        assert_eq!(suggestion("x", &[]), "");
        assert_eq!(suggestion("x", &["a"]), "; there is a");
    }
}
