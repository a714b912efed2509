//! The names by which a model is looked up.

use std::sync::LazyLock;

use regex::Regex;

/// A date at the end of a name: `-20260201`, `@20260201`, `-2026-02-01`; and Bedrock's version,
/// `-v1`, `-v1:0`.
static SUFFIX: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r"(?:[-@]20\d{2}-?(?:0[1-9]|1[0-2])-?(?:0[1-9]|[12]\d|3[01])|-v\d+(?::\d+)?)$").ok()
});

/// The names to look for, in this order: the name as it is, in lower case; then ever shorter ones.
/// A date and a version at the end go before a prefix. Names with the same prefix are a group.
///
/// `bedrock/us.anthropic.claude-sonnet-4-5-20250929-v1:0` is looked for as itself, then without
/// `-v1:0`, without `-20250929`, and all of these without `bedrock/`, `us.` and `anthropic.`.
pub(super) fn names_of(model: &str) -> Vec<Vec<String>> {
    let (mut groups, mut names) = (Vec::new(), Vec::new());
    let mut rest = model.trim().to_lowercase();
    // A fine-tuned model has the price of all that are tuned from the same one:
    // `ft:gpt-4o-2024-08-06:acme::9x` is `ft:gpt-4o-2024-08-06`.
    let tuned = rest.strip_prefix("ft:").and_then(|name| name.split(':').next());
    let tuned = tuned.map(|base| format!("ft:{base}"));
    if let Some(tuned) = tuned.filter(|tuned| *tuned != rest) {
        names.push(std::mem::replace(&mut rest, tuned));
    }
    loop {
        let mut name = rest.as_str();
        names.push(name.to_owned());
        while let Some(shorter) = without_suffix(name) {
            name = shorter;
            names.push(name.to_owned());
        }
        groups.push(std::mem::take(&mut names));
        match without_prefix(&rest).filter(|shorter| !shorter.is_empty()) {
            Some(shorter) => rest = shorter.to_owned(),
            None => return groups,
        }
    }
}

/// The provider that a name's prefix says: `openai` in `openai/gpt-5.4`.
pub(super) fn prefix(model: &str) -> Option<&str> {
    model.split_once('/').map(|(provider, _)| provider)
}

fn without_suffix(name: &str) -> Option<&str> {
    let found = SUFFIX.as_ref()?.find(name)?;
    name.get(..found.start()).filter(|rest| !rest.is_empty())
}

/// The name without its first part: all up to `/`, or letters up to `.`, as in `us.` and
/// `anthropic.`.
pub(super) fn without_prefix(name: &str) -> Option<&str> {
    if let Some((_, rest)) = name.split_once('/') {
        return Some(rest);
    }
    let (first, rest) = name.split_once('.')?;
    let is_word = first.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-');
    (is_word && !first.is_empty()).then_some(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_shortened_from_its_end_first() {
        for (model, names) in [
            ("gpt-5.4", "gpt-5.4"),
            ("GPT-5.4-2026-03-05", "gpt-5.4-2026-03-05 gpt-5.4"),
            ("claude-sonnet-4@20250514", "claude-sonnet-4@20250514 claude-sonnet-4"),
            ("gpt-4-0613", "gpt-4-0613"),
            ("model-20261399", "model-20261399"),
            ("openai/gpt-5.4", "openai/gpt-5.4 gpt-5.4"),
            (
                "us.anthropic.claude-haiku-4-5-20251001-v1:0",
                "us.anthropic.claude-haiku-4-5-20251001-v1:0 \
                 us.anthropic.claude-haiku-4-5-20251001 us.anthropic.claude-haiku-4-5 \
                 anthropic.claude-haiku-4-5-20251001-v1:0 anthropic.claude-haiku-4-5-20251001 \
                 anthropic.claude-haiku-4-5 claude-haiku-4-5-20251001-v1:0 \
                 claude-haiku-4-5-20251001 claude-haiku-4-5",
            ),
            (
                "ft:gpt-4o-2024-08-06:acme::9x",
                "ft:gpt-4o-2024-08-06:acme::9x ft:gpt-4o-2024-08-06 ft:gpt-4o",
            ),
            ("", ""),
        ] {
            assert_eq!(names_of(model).concat().join(" "), names, "{model}");
        }
    }
}
