//! Limits on the size and depth of a query's text. They are checked on tokens, before parsing.

use datafusion::sql::sqlparser::{
    dialect::GenericDialect,
    keywords::Keyword,
    tokenizer::{Token, Tokenizer},
};

use crate::base::{Error, Result};

/// Maximum depth of nested parentheses. The parser itself gives up at 50, without saying where.
const DEPTH_MAX: usize = 40;

/// Maximum number of nested `NOT (`. Each one doubles the parser's work (sqlparser 0.62).
const NEGATIONS_MAX: usize = 10;

/// Maximum size of the text, in bytes. Parsing a text of 5 MB takes seconds, and 200 times the
/// text's size in memory.
const TEXT_MAX: usize = 1 << 20;

/// Maximum number of operators. The plan of a chain of some ten thousand overflows the stack. A
/// chain of 2,400 takes seconds to optimize.
const OPERATORS_MAX: usize = 2_000;

/// Maximum number of SELECTs. Each one is a plan by itself. Some hundred take seconds to optimize.
const SELECTS_MAX: usize = 150;

/// Maximum number of joins. 100 joins take a second to optimize, and 250 take ten.
const JOINS_MAX: usize = 64;

/// Checks that the text can be parsed and planned.
///
/// # Errors
/// `Limit` when the text exceeds a limit. The message says which.
pub(super) fn check_size(sql: &str) -> Result<()> {
    if sql.len() > TEXT_MAX {
        return Err(Error::limit(format!(
            "the query's text has {} bytes, more than {TEXT_MAX}; put values into a file, and \
             join it by `--table`",
            sql.len()
        )));
    }
    // The parser reports a text that can't be split into tokens.
    let Ok(tokens) = Tokenizer::new(&GenericDialect {}, sql).tokenize() else { return Ok(()) };
    let (mut operators, mut selects, mut joins) = (0, 0, 0);
    let mut open: Vec<bool> = Vec::new();
    let mut after_not = false;
    for token in tokens.iter().filter(|token| !matches!(token, Token::Whitespace(_))) {
        match token {
            Token::LParen => open.push(after_not),
            Token::RParen => drop(open.pop()),
            Token::Word(word) if word.keyword == Keyword::SELECT => selects += 1,
            Token::Word(word) if word.keyword == Keyword::JOIN => joins += 1,
            Token::Word(word) if [Keyword::AND, Keyword::OR].contains(&word.keyword) => {
                operators += 1;
            }
            token => operators += usize::from(is_operator(token)),
        }
        after_not = matches!(token, Token::Word(word) if word.keyword == Keyword::NOT);
        if open.len() > DEPTH_MAX {
            return Err(Error::limit(format!(
                "the query has more than {DEPTH_MAX} parentheses inside each other; name its \
                 parts in a WITH"
            )));
        }
        if open.iter().filter(|negated| **negated).count() > NEGATIONS_MAX {
            return Err(Error::limit(format!(
                "the query has more than {NEGATIONS_MAX} `NOT (` inside each other; two of them \
                 undo each other"
            )));
        }
    }
    if operators > OPERATORS_MAX {
        return Err(Error::limit(format!(
            "the query has {operators} operators, more than {OPERATORS_MAX}; write many \
             alternatives as `x IN (…)`, or join a table by `--table`"
        )));
    }
    if joins > JOINS_MAX {
        return Err(Error::limit(format!(
            "the query has {joins} joins, more than {JOINS_MAX}; join in several queries, or \
             group by what tells the sides apart"
        )));
    }
    if selects > SELECTS_MAX {
        return Err(Error::limit(format!(
            "the query has {selects} SELECTs, more than {SELECTS_MAX}; ask several queries, or \
             group by what tells them apart"
        )));
    }
    Ok(())
}

const fn is_operator(token: &Token) -> bool {
    matches!(
        token,
        Token::Plus
            | Token::Minus
            | Token::Mul
            | Token::Div
            | Token::Mod
            | Token::StringConcat
            | Token::Eq
            | Token::DoubleEq
            | Token::Neq
            | Token::Lt
            | Token::Gt
            | Token::LtEq
            | Token::GtEq
            | Token::Pipe
            | Token::Ampersand
            | Token::Caret
            | Token::ShiftLeft
            | Token::ShiftRight
            | Token::DoubleColon
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::ErrorKind;

    fn kind(sql: &str) -> Option<ErrorKind> {
        check_size(sql).err().map(|error| error.kind())
    }

    #[test]
    fn what_is_too_large_or_too_deep_is_refused() {
        let nested = |open: &str, times: usize| {
            format!("SELECT {}true{}", open.repeat(times), ")".repeat(times))
        };
        let chained = |times: usize| format!("SELECT 1{}", "+1".repeat(times));
        let united = |times: usize| format!("SELECT 1{}", " UNION ALL SELECT 1".repeat(times));
        for (sql, refused) in [
            (nested("NOT (", NEGATIONS_MAX), false),
            (nested("NOT (", NEGATIONS_MAX + 1), true),
            (nested("(", DEPTH_MAX), false),
            (nested("(", DEPTH_MAX + 1), true),
            (chained(OPERATORS_MAX), false),
            (chained(OPERATORS_MAX + 1), true),
            (united(SELECTS_MAX - 1), false),
            (united(SELECTS_MAX), true),
            (format!("SELECT 1 WHERE 1 IN ({})", "1,".repeat(30_000) + "1"), false),
            ("SELECT '((((' || ')'".to_owned(), false),
        ] {
            let expected = refused.then_some(ErrorKind::Limit);
            assert_eq!(kind(&sql), expected, "{}", sql.chars().take(60).collect::<String>());
        }
    }
}
