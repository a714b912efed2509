//! Bar charts for the terminal.

/// Blocks of zero to seven eighths of a character's width.
const EIGHTHS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];

/// A line for each value: the label, a bar of up to `width` characters, and the value.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "a picture"
)]
pub(crate) fn bars(values: &[(String, f64)], width: usize) -> Vec<String> {
    let most = values.iter().map(|(_, value)| *value).fold(0.0, f64::max).max(f64::MIN_POSITIVE);
    values
        .iter()
        .map(|(label, value)| {
            let eighths = (value.max(0.0) / most * width as f64 * 8.0).round() as usize;
            let rest = EIGHTHS.get(eighths % 8).copied().unwrap_or_default();
            format!("{label} {}{rest} {value:.2}", "█".repeat(eighths / 8))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_are_in_proportion() {
        let values = [("a".to_owned(), 4.0), ("b".to_owned(), 1.0), ("c".to_owned(), 0.0)];
        assert_eq!(bars(&values, 2), ["a ██ 4.00", "b ▌ 1.00", "c  0.00"]);
    }
}
