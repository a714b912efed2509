//! `IS [NOT] DISTINCT FROM` before an operator that binds less.
//!
//! ```text
//! a IS NOT DISTINCT FROM b AND c  ──▶  a <=> (b) AND c
//! a IS DISTINCT FROM b AND c      ──▶  a <=> (b) IS NOT TRUE AND c
//! ```
//!
//! The parser takes all of `b AND c` for the right side (sqlparser 0.62): it reads the side as an
//! expression of its own, which doesn't end at an operator that binds less. `<=>` means the same
//! as `IS NOT DISTINCT FROM`, is never NULL, and is parsed rightly.

use datafusion::sql::sqlparser::{
    dialect::GenericDialect,
    keywords::Keyword,
    tokenizer::{Location, Token, TokenWithSpan, Tokenizer},
};

/// The keywords that bind less than the right side, or as much.
const BINDING_LESS: [Keyword; 4] = [Keyword::AND, Keyword::OR, Keyword::XOR, Keyword::IS];

/// The keywords that end the right side, at its own depth.
const ENDS: [Keyword; 32] = [
    Keyword::AND,
    Keyword::OR,
    Keyword::XOR,
    Keyword::IS,
    Keyword::THEN,
    Keyword::WHEN,
    Keyword::ELSE,
    Keyword::END,
    Keyword::AS,
    Keyword::ASC,
    Keyword::DESC,
    Keyword::NULLS,
    Keyword::FROM,
    Keyword::WHERE,
    Keyword::GROUP,
    Keyword::HAVING,
    Keyword::QUALIFY,
    Keyword::WINDOW,
    Keyword::ORDER,
    Keyword::LIMIT,
    Keyword::OFFSET,
    Keyword::FETCH,
    Keyword::UNION,
    Keyword::INTERSECT,
    Keyword::EXCEPT,
    Keyword::JOIN,
    Keyword::INNER,
    Keyword::LEFT,
    Keyword::RIGHT,
    Keyword::FULL,
    Keyword::CROSS,
    Keyword::NATURAL,
];

/// The text with `<=>` where the parser would take too much for the right side.
pub(super) fn with_right_sides(sql: &str) -> String {
    // The parser reports a text that can't be split into tokens.
    let tokens = Tokenizer::new(&GenericDialect {}, sql).tokenize_with_location();
    let Ok(tokens) = tokens else { return sql.to_owned() };
    let tokens: Vec<_> =
        tokens.iter().filter(|token| !matches!(token.token, Token::Whitespace(_))).collect();
    let mut changes: Vec<(usize, usize, &str)> = Vec::new();
    for (at, words) in tokens.windows(4).enumerate() {
        let [first, second, third, fourth] = words else { continue };
        let negated = is(second, Keyword::NOT);
        let (distinct, from) = if negated { (third, fourth) } else { (second, third) };
        let is_it =
            is(first, Keyword::IS) && is(distinct, Keyword::DISTINCT) && is(from, Keyword::FROM);
        if !is_it {
            continue;
        }
        let Some(side) = right_side(&tokens, at + if negated { 4 } else { 3 }) else { continue };
        if side.ends_at.is_some_and(|end| BINDING_LESS.iter().any(|less| is(end, *less))) {
            let (start, end) =
                (offset(sql, side.first.span.start), offset(sql, side.last.span.end));
            changes.push((offset(sql, first.span.start), start, "<=> ("));
            changes.push((end, end, if negated { ")" } else { ") IS NOT TRUE" }));
        }
    }
    changes.sort_by_key(|(start, ..)| *start);
    let (mut text, mut copied) = (String::with_capacity(sql.len()), 0);
    for (start, end, words) in changes {
        text.push_str(sql.get(copied..start).unwrap_or_default());
        text.push_str(words);
        copied = end;
    }
    text + sql.get(copied..).unwrap_or_default()
}

/// A right side: its first and its last token, and the token behind it.
struct RightSide<'t> {
    first: &'t TokenWithSpan,
    last: &'t TokenWithSpan,
    ends_at: Option<&'t TokenWithSpan>,
}

/// The right side that begins at `from`; `None` when there is none.
fn right_side<'t>(tokens: &[&'t TokenWithSpan], from: usize) -> Option<RightSide<'t>> {
    let (mut depth, mut last, mut ends_at) = (0_usize, None, None);
    for (at, token) in tokens.iter().enumerate().skip(from) {
        ends_at = Some(*token);
        match &token.token {
            Token::LParen | Token::LBracket => depth += 1,
            Token::RParen | Token::RBracket | Token::Comma | Token::SemiColon | Token::EOF
                if depth == 0 =>
            {
                break;
            }
            Token::RParen | Token::RBracket => depth -= 1,
            Token::Word(word) if word.keyword == Keyword::CASE => depth += 1,
            Token::Word(word) if word.keyword == Keyword::END && depth > 0 => depth -= 1,
            // `left(x, 2)` is a call.
            Token::Word(word) if depth == 0 && ENDS.contains(&word.keyword) => {
                let called = tokens.get(at + 1).is_some_and(|next| next.token == Token::LParen);
                if !(called && [Keyword::LEFT, Keyword::RIGHT].contains(&word.keyword)) {
                    break;
                }
            }
            _ => {}
        }
        (last, ends_at) = (Some(*token), None);
    }
    Some(RightSide { first: tokens.get(from)?, last: last?, ends_at })
}

fn is(token: &TokenWithSpan, keyword: Keyword) -> bool {
    matches!(&token.token, Token::Word(word) if word.keyword == keyword)
}

/// The place in the text, in bytes. Lines and columns are counted from 1, columns in characters.
fn offset(sql: &str, at: Location) -> usize {
    let line = usize::try_from(at.line).unwrap_or(1).saturating_sub(1);
    let column = usize::try_from(at.column).unwrap_or(1).saturating_sub(1);
    let before: usize = sql.split_inclusive('\n').take(line).map(str::len).sum();
    let rest = sql.get(before..).unwrap_or_default();
    before + rest.char_indices().nth(column).map_or(rest.len(), |(offset, _)| offset)
}

#[cfg(test)]
mod tests {
    use super::with_right_sides;

    #[test]
    fn the_right_side_ends_where_less_binds() {
        for (sql, expected) in [
            ("SELECT a IS DISTINCT FROM b AND c", "SELECT a <=> (b) IS NOT TRUE AND c"),
            ("a IS NOT DISTINCT FROM b + 1 OR c", "a <=> (b + 1) OR c"),
            ("f(a IS DISTINCT FROM (b OR c) AND e, d)", "f(a <=> ((b OR c)) IS NOT TRUE AND e, d)"),
            (
                "a IS DISTINCT FROM CASE WHEN b AND c THEN 1 END AND d",
                "a <=> (CASE WHEN b AND c THEN 1 END) IS NOT TRUE AND d",
            ),
            ("'ü',\n a IS DISTINCT FROM 'ö'\nOR b", "'ü',\n a <=> ('ö') IS NOT TRUE\nOR b"),
            (
                "a IS DISTINCT FROM b IS DISTINCT FROM c AND d",
                "a <=> (b) IS NOT TRUE <=> (c) IS NOT TRUE AND d",
            ),
            (
                "a IS DISTINCT FROM left(b, 2) GROUP BY 1",
                "a IS DISTINCT FROM left(b, 2) GROUP BY 1",
            ),
            ("SELECT DISTINCT a FROM t", "SELECT DISTINCT a FROM t"),
            ("a IS DISTINCT FROM", "a IS DISTINCT FROM"),
        ] {
            assert_eq!(with_right_sides(sql), expected);
        }
    }
}
