//! The sources that the program knows.

use super::{alike, source::Source};
use crate::base::{Error, Result};

/// The text of each source, by name.
const TEXTS: [(&str, &str); 16] = [
    ("anthropic", include_str!("../../data/sources/anthropic.toml")),
    ("azure-apim", include_str!("../../data/sources/azure-apim.toml")),
    ("bedrock", include_str!("../../data/sources/bedrock.toml")),
    ("claude-code", include_str!("../../data/sources/claude-code.toml")),
    ("codex", include_str!("../../data/sources/codex.toml")),
    ("convex", include_str!("../../data/sources/convex.toml")),
    ("copilot", include_str!("../../data/sources/copilot.toml")),
    ("gemini", include_str!("../../data/sources/gemini.toml")),
    ("gemini-cli", include_str!("../../data/sources/gemini-cli.toml")),
    ("helicone", include_str!("../../data/sources/helicone.toml")),
    ("langfuse", include_str!("../../data/sources/langfuse.toml")),
    ("litellm", include_str!("../../data/sources/litellm.toml")),
    ("openai", include_str!("../../data/sources/openai.toml")),
    ("opencode", include_str!("../../data/sources/opencode.toml")),
    ("openrouter", include_str!("../../data/sources/openrouter.toml")),
    ("otlp", include_str!("../../data/sources/otlp.toml")),
];

/// All sources that the program knows.
///
/// # Errors
/// Never, as a test reads all texts.
pub(crate) fn shipped() -> Result<Vec<Source>> {
    TEXTS.iter().map(|(name, text)| Source::parse(text, &format!("{name}.toml"))).collect()
}

/// The text of the source of that name.
///
/// # Errors
/// `NotFound` when there is none. The message lists the names.
pub(crate) fn shipped_text(name: &str) -> Result<&'static str> {
    let found = TEXTS.iter().find(|(known, _)| *known == name).map(|(_, text)| *text);
    found.ok_or_else(|| {
        let names: Vec<_> = TEXTS.iter().map(|(name, _)| *name).collect();
        Error::not_found(match alike(name, names.iter().copied()) {
            Some(meant) => format!("there is no source `{name}`; did you mean `{meant}`?"),
            None => format!("there is no source `{name}`; there are: {}", names.join(", ")),
        })
    })
}

/// The source of that name.
///
/// # Errors
/// As [`shipped_text`].
pub(crate) fn shipped_source(name: &str) -> Result<Source> {
    Source::parse(shipped_text(name)?, &format!("{name}.toml"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shipped_text_is_right_and_says_its_own_name() {
        let sources = shipped().unwrap();
        for (source, (name, text)) in sources.iter().zip(TEXTS) {
            assert_eq!(source.name, name);
            assert!(source.version > 0 && !source.about.is_empty(), "{name}");
            assert!(!source.recognize.is_empty(), "{name}");
            assert_eq!(source.as_of.len(), "2026-01-01".len(), "{name}");
            assert!(text.starts_with("# "), "{name}");
        }
    }
}
