//! Parentheses around the right side of `IS [NOT] DISTINCT FROM`.
//!
//! ```text
//! a IS DISTINCT FROM b AND c  ──▶  a IS DISTINCT FROM (b) AND c
//! ```
//!
//! The parser takes all of `b AND c` for the right side (sqlparser 0.62): it reads the side as an
//! expression of its own, not as one that ends at an operator which binds less.

use datafusion::sql::sqlparser::{
    dialect::GenericDialect,
    keywords::Keyword,
    tokenizer::{Location, Token, TokenWithSpan, Tokenizer},
};

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

/// The text with parentheses around the right sides.
pub(super) fn with_right_sides(sql: &str) -> String {
    // The parser reports a text that can't be split into tokens.
    let tokens = Tokenizer::new(&GenericDialect {}, sql).tokenize_with_location();
    let Ok(tokens) = tokens else { return sql.to_owned() };
    let tokens: Vec<_> =
        tokens.iter().filter(|token| !matches!(token.token, Token::Whitespace(_))).collect();
    let mut added: Vec<(usize, char)> = Vec::new();
    for (at, words) in tokens.windows(2).enumerate() {
        let [distinct, from] = words else { continue };
        if is(distinct, Keyword::DISTINCT)
            && is(from, Keyword::FROM)
            && let Some((first, last)) = right_side(&tokens, at + 2)
        {
            added.extend([(offset(sql, first.span.start), '('), (offset(sql, last.span.end), ')')]);
        }
    }
    added.sort_by_key(|(offset, _)| *offset);
    let (mut text, mut copied) = (String::with_capacity(sql.len() + added.len()), 0);
    for (offset, parenthesis) in added {
        text.push_str(sql.get(copied..offset).unwrap_or_default());
        text.push(parenthesis);
        copied = offset;
    }
    text + sql.get(copied..).unwrap_or_default()
}

/// The first and the last token of the right side that begins at `from`; `None` when there is none.
fn right_side<'t>(
    tokens: &[&'t TokenWithSpan],
    from: usize,
) -> Option<(&'t TokenWithSpan, &'t TokenWithSpan)> {
    let (mut depth, mut last) = (0_usize, None);
    for (at, token) in tokens.iter().enumerate().skip(from) {
        match &token.token {
            Token::LParen | Token::LBracket => depth += 1,
            Token::RParen | Token::RBracket if depth == 0 => break,
            Token::RParen | Token::RBracket => depth -= 1,
            Token::Comma | Token::SemiColon | Token::EOF if depth == 0 => break,
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
        last = Some(*token);
    }
    Some((*tokens.get(from)?, last?))
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
            ("SELECT a IS DISTINCT FROM b AND c", "SELECT a IS DISTINCT FROM (b) AND c"),
            ("a IS NOT DISTINCT FROM b + 1 OR c", "a IS NOT DISTINCT FROM (b + 1) OR c"),
            ("f(a IS DISTINCT FROM (b OR c), d)", "f(a IS DISTINCT FROM ((b OR c)), d)"),
            (
                "a IS DISTINCT FROM CASE WHEN b AND c THEN 1 END AND d",
                "a IS DISTINCT FROM (CASE WHEN b AND c THEN 1 END) AND d",
            ),
            (
                "a IS DISTINCT FROM left(b, 2) GROUP BY 1",
                "a IS DISTINCT FROM (left(b, 2)) GROUP BY 1",
            ),
            ("'ü',\n a IS DISTINCT FROM 'ö'\nOR b", "'ü',\n a IS DISTINCT FROM ('ö')\nOR b"),
            (
                "a IS DISTINCT FROM b IS DISTINCT FROM c AND d",
                "a IS DISTINCT FROM (b) IS DISTINCT FROM (c) AND d",
            ),
            ("SELECT DISTINCT a FROM t", "SELECT DISTINCT a FROM t"),
            ("a IS DISTINCT FROM", "a IS DISTINCT FROM"),
        ] {
            assert_eq!(with_right_sides(sql), expected);
        }
    }
}
