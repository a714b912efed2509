//! Reading a question's text: how large and how deep it may be, and what of SQL would be planned
//! wrongly.

use std::ops::ControlFlow;

use datafusion::{
    common::SchemaError,
    error::DataFusionError,
    execution::SessionState,
    logical_expr::LogicalPlan,
    sql::{
        parser::Statement,
        sqlparser::{
            ast::{
                CastKind, DataType, ExactNumberInfo, Expr, Function, FunctionArg, FunctionArgExpr,
                FunctionArgumentList, FunctionArguments, GroupByExpr, Ident, Query, SetExpr,
                SetOperator, SetQuantifier, TypedString, Value, Visit, VisitMut, Visitor,
                VisitorMut,
            },
            dialect::GenericDialect,
            keywords::Keyword,
            tokenizer::{Token, Tokenizer},
        },
    },
};

use crate::{
    base::{Error, Result},
    exec::engine_error,
};

/// Parentheses inside each other. The parser itself gives up at 50, without saying where.
const DEPTH_MAX: usize = 40;

/// `NOT (` inside each other: the parser's work doubles with each (sqlparser 0.62).
const NEGATIONS_MAX: usize = 10;

/// Operators in all. Plans of a chain of some ten thousand overflow the stack.
const OPERATORS_MAX: usize = 5_000;

/// SELECTs in all: each is a plan of its own, of which some hundred take seconds to optimize.
const SELECTS_MAX: usize = 300;

/// Sets of groups that CUBE and its like make: each row is counted in each of them.
const SETS_MAX: u64 = 1_024;

/// Numbers with a larger exponent, or one as far below zero, have no room in decimals.
const EXPONENT_MAX: i64 = 18;

/// The plan of one SELECT, not analyzed yet.
///
/// # Errors
/// `Limit` for a text that is too large or too deep; `Invalid` for one that is no SELECT, or has
/// what would be answered wrongly.
pub(super) async fn plan_of(state: &SessionState, sql: &str) -> Result<LogicalPlan> {
    check_size(sql)?;
    let dialect = state.config().options().sql_parser.dialect;
    let mut statement = state.sql_to_statement(sql, &dialect).map_err(engine_error)?;
    if let Statement::Statement(statement) = &mut statement {
        if let ControlFlow::Break(what) = Visit::visit(statement, &mut NotServed) {
            return Err(Error::invalid(what));
        }
        let _: ControlFlow<()> = VisitMut::visit(statement, &mut WithTypes);
    }
    let mut again = statement.clone();
    let error = match state.statement_to_plan(statement).await {
        Err(error) if has_two_columns_of_one_name(&error) => error,
        planned => return planned.map_err(engine_error),
    };
    if let Statement::Statement(statement) = &mut again {
        let _: ControlFlow<()> = VisitMut::visit(statement, &mut CastsAsCalls);
    }
    let planned = state.statement_to_plan(again).await;
    planned.map_err(|_| engine_error(error))
}

/// Counts the text's words before it is parsed.
fn check_size(sql: &str) -> Result<()> {
    // What isn't even words is the parser's to tell.
    let Ok(tokens) = Tokenizer::new(&GenericDialect {}, sql).tokenize() else { return Ok(()) };
    let (mut operators, mut selects) = (0, 0);
    let mut open: Vec<bool> = Vec::new();
    let mut after_not = false;
    for token in tokens.iter().filter(|token| !matches!(token, Token::Whitespace(_))) {
        match token {
            Token::LParen => open.push(after_not),
            Token::RParen => drop(open.pop()),
            Token::Word(word) if word.keyword == Keyword::SELECT => selects += 1,
            Token::Word(word) if [Keyword::AND, Keyword::OR].contains(&word.keyword) => {
                operators += 1;
            }
            token => operators += usize::from(is_operator(token)),
        }
        after_not = matches!(token, Token::Word(word) if word.keyword == Keyword::NOT);
        if open.len() > DEPTH_MAX {
            return Err(Error::limit(format!(
                "the question has more than {DEPTH_MAX} parentheses inside each other; name its \
                 parts in a WITH"
            )));
        }
        if open.iter().filter(|negated| **negated).count() > NEGATIONS_MAX {
            return Err(Error::limit(format!(
                "the question has more than {NEGATIONS_MAX} `NOT (` inside each other; two of them \
                 undo each other"
            )));
        }
    }
    if operators > OPERATORS_MAX {
        return Err(Error::limit(format!(
            "the question has {operators} operators, more than {OPERATORS_MAX}; write many \
             alternatives as `x IN (…)`, or join a table by `--table`"
        )));
    }
    if selects > SELECTS_MAX {
        return Err(Error::limit(format!(
            "the question has {selects} SELECTs, more than {SELECTS_MAX}; ask several questions, or \
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

/// Finds what DataFusion plans as something else.
struct NotServed;

impl Visitor for NotServed {
    type Break = String;

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<String> {
        let mut parts = vec![query.body.as_ref()];
        while let Some(part) = parts.pop() {
            if let SetExpr::Select(select) = part
                && let GroupByExpr::Expressions(keys, _) = &select.group_by
            {
                let sets = keys.iter().map(sets_of).fold(1, u64::saturating_mul);
                if sets > SETS_MAX {
                    return ControlFlow::Break(format!(
                        "GROUP BY makes {sets} sets of groups, more than {SETS_MAX}; name those \
                         that you need by GROUPING SETS ((a, b), (a), …)"
                    ));
                }
            }
            let SetExpr::SetOperation { op, set_quantifier, left, right } = part else { continue };
            parts.extend([left.as_ref(), right.as_ref()]);
            let of_all = matches!(set_quantifier, SetQuantifier::All | SetQuantifier::AllByName);
            if of_all && !matches!(op, SetOperator::Union) {
                // Planned as semi and anti joins (apache/datafusion#12955, #12956).
                return ControlFlow::Break(format!(
                    "{op} ALL isn't supported, as equal rows would be counted wrongly; write {op}, \
                     or number equal rows by row_number() OVER (PARTITION BY all columns) and \
                     compare the numbers, too"
                ));
            }
        }
        ControlFlow::Continue(())
    }
}

/// How many sets of groups a key of GROUP BY makes.
fn sets_of(key: &Expr) -> u64 {
    match key {
        Expr::Cube(parts) => {
            u32::try_from(parts.len()).map_or(u64::MAX, |n| 2_u64.saturating_pow(n))
        }
        Expr::Rollup(parts) => parts.len() as u64 + 1,
        Expr::GroupingSets(sets) => sets.len() as u64,
        _ => 1,
    }
}

/// Gives texts the types that they stand for. TIMESTAMP is that of the time column: DataFusion's is
/// of nanoseconds, which end in 2262. A number such as 1e200 is a double, as no decimal has room for
/// it.
struct WithTypes;

impl VisitorMut for WithTypes {
    type Break = ();

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        if let Expr::Cast { data_type, .. } | Expr::TypedString(TypedString { data_type, .. }) =
            expr
            && let DataType::Timestamp(precision @ None, _) = data_type
        {
            *precision = Some(6);
        }
        if let Expr::Value(value) = expr
            && let Value::Number(digits, _) = &value.value
            && exponent(digits).is_some_and(|exponent| exponent.abs() > EXPONENT_MAX)
        {
            *expr = Expr::Cast {
                kind: CastKind::Cast,
                expr: Box::new(Expr::Value(Value::SingleQuotedString(digits.clone()).into())),
                data_type: DataType::DoublePrecision,
                array: false,
                format: None,
            };
        }
        ControlFlow::Continue(())
    }
}

/// The exponent of a number that is written with one.
fn exponent(digits: &str) -> Option<i64> {
    let (_, exponent) = digits.split_once(['e', 'E'])?;
    exponent.parse().ok()
}

/// Whether a plan has two columns of one name: `sum(x)` and `sum(CAST(x AS DOUBLE))`, or the same of
/// a time in two zones. Casts have no part in the names that DataFusion gives to columns.
fn has_two_columns_of_one_name(error: &DataFusionError) -> bool {
    match error.find_root() {
        DataFusionError::SchemaError(error, _) => matches!(
            error.as_ref(),
            SchemaError::DuplicateUnqualifiedField { .. }
                | SchemaError::DuplicateQualifiedField { .. }
        ),
        DataFusionError::Plan(words) => words.contains("require unique expression names"),
        _ => false,
    }
}

/// Writes casts to numbers and to times of a zone as calls, which have a part in names.
struct CastsAsCalls;

impl VisitorMut for CastsAsCalls {
    type Break = ();

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        let (value, kind) = match expr {
            Expr::AtTimeZone { timestamp, time_zone } => {
                let zone = time_zone.to_string();
                (timestamp, format!("Timestamp(ns, \"{}\")", zone.trim_matches('\'')))
            }
            Expr::Cast {
                kind: CastKind::Cast | CastKind::DoubleColon, expr, data_type, ..
            } => {
                let Some(kind) = arrow_name(data_type) else { return ControlFlow::Continue(()) };
                (expr, kind)
            }
            _ => return ControlFlow::Continue(()),
        };
        let argument = |expr| FunctionArg::Unnamed(FunctionArgExpr::Expr(expr));
        let kind = Expr::Value(Value::SingleQuotedString(kind).into());
        *expr = call("arrow_cast", vec![argument(value.as_ref().clone()), argument(kind)]);
        ControlFlow::Continue(())
    }
}

/// A type of numbers as `arrow_cast` calls what DataFusion plans for it.
fn arrow_name(kind: &DataType) -> Option<String> {
    Some(match kind {
        DataType::Double(_) | DataType::DoublePrecision => "Float64".to_owned(),
        DataType::Float(_) | DataType::Real => "Float32".to_owned(),
        DataType::BigInt(_) => "Int64".to_owned(),
        DataType::Int(_) | DataType::Integer(_) => "Int32".to_owned(),
        DataType::Decimal(ExactNumberInfo::PrecisionAndScale(precision, scale))
        | DataType::Numeric(ExactNumberInfo::PrecisionAndScale(precision, scale)) => {
            format!("Decimal128({precision}, {scale})")
        }
        _ => return None,
    })
}

fn call(name: &str, args: Vec<FunctionArg>) -> Expr {
    Expr::Function(Function {
        name: Ident::new(name).into(),
        uses_odbc_syntax: false,
        parameters: FunctionArguments::None,
        args: FunctionArguments::List(FunctionArgumentList {
            duplicate_treatment: None,
            args,
            clauses: Vec::new(),
        }),
        filter: None,
        null_treatment: None,
        over: None,
        within_group: Vec::new(),
    })
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
