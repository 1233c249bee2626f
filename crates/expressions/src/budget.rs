//! What an evaluation may cost, and the rewriting of an expression that makes it pay.
//!
//! The library evaluates without any bound, and copies values as it goes. So each expression is rewritten once, when it is read: a loop
//! pays for all of its rounds before the first one, a function pays for the size of what it is given, and functions whose result can be
//! much larger than that are replaced by our own, which get the budget as an argument. An exhausted budget is an error at that place; a
//! logical operator can swallow it, but every later payment fails too, and the caller looks at the budget in the end.
//!
//! Deliberately not here: time. The unit is one small value looked at, some tens of nanoseconds.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use cel::ExecutionError;
use cel::common::ast::{CallExpr, ComprehensionExpr, EntryExpr, Expr, IdedExpr, LiteralValue, operators};
use cel::common::types::Type;
use cel::common::value::{CowVal, StaticVal, Val};
use regex::{Regex, RegexBuilder};

use crate::check::qualified;
use crate::values::weight;

/// The variable that holds the budget; no expression can name it.
pub(crate) const VARIABLE: &str = "@budget";

/// Pays for a value and hands it on.
pub(crate) const OWN: &str = "@own";

/// Pays for a loop over a value and hands the value on.
pub(crate) const ITERATE: &str = "@iterate";

/// Functions replaced by our own of the same name with an `@` before it, which get the budget first and a receiver second.
const REPLACED: [&str; 9] = [
    "replace",
    "join",
    "indexOf",
    "lastIndexOf",
    "matches",
    operators::ADD,
    "sets.contains",
    "sets.equivalent",
    "sets.intersects",
];

/// Most bytes a compiled regular expression may take; a few kilobytes of pattern can ask for gigabytes.
const PATTERN_BYTES: usize = 1 << 20;

/// What compiling one pattern costs, about a millisecond.
const PATTERN_UNITS: u64 = 20_000;

static BUDGET_TYPE: Type = Type::new_unspecified_type("@budget");

/// What is left to spend.
pub(crate) struct Budget {
    left: AtomicU64,
    exhausted: AtomicBool,
    patterns: Mutex<HashMap<String, Regex>>,
}

/// A budget as a value of the language.
#[derive(Clone)]
pub(crate) struct BudgetValue(Arc<Budget>);

impl fmt::Debug for BudgetValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Budget")
    }
}

impl BudgetValue {
    pub(crate) fn new(units: u64) -> Self {
        let budget = Budget { left: units.into(), exhausted: false.into(), patterns: Mutex::default() };
        Self(Arc::new(budget))
    }

    pub(crate) fn is_exhausted(&self) -> bool {
        self.0.exhausted.load(Ordering::Relaxed)
    }

    pub(crate) fn charge(&self, units: u64) -> Result<(), ExecutionError> {
        let pay = |left: u64| left.checked_sub(units);
        if self.0.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, pay).is_ok() && !self.is_exhausted() {
            return Ok(());
        }
        self.0.exhausted.store(true, Ordering::Relaxed);
        Err(ExecutionError::function_error(VARIABLE, "the evaluation costs too much"))
    }

    /// Pays for a value, `times` over. Once the budget is exhausted, the value is not even looked at: a loop that swallows the error
    /// goes on to its end, and must not do so slowly.
    pub(crate) fn charge_value(&self, value: &dyn Val, times: u64) -> Result<(), ExecutionError> {
        self.charge(0)?;
        self.charge(weight(value).saturating_mul(times))
    }

    /// A compiled pattern, the same one for the same text during one evaluation.
    pub(crate) fn pattern(&self, text: &str) -> Result<Regex, ExecutionError> {
        let mut patterns = self.0.patterns.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = patterns.get(text) {
            return Ok(known.clone());
        }
        self.charge(PATTERN_UNITS + text.len() as u64)?;
        let compiled = RegexBuilder::new(text).size_limit(PATTERN_BYTES).dfa_size_limit(PATTERN_BYTES).build();
        let pattern = compiled.map_err(|error| {
            let printed = error.to_string();
            let reason = printed.lines().last().unwrap_or_default().trim_start_matches("error: ");
            ExecutionError::function_error("matches", format!("error parsing regexp: {reason}"))
        })?;
        patterns.insert(text.to_owned(), pattern.clone());
        Ok(pattern)
    }
}

impl Val for BudgetValue {
    fn get_type(&self) -> &Type {
        &BUDGET_TYPE
    }

    fn cel_type() -> &'static Type {
        &BUDGET_TYPE
    }

    fn clone_as_boxed<'v>(&self) -> Box<dyn Val + 'v>
    where
        Self: 'v,
    {
        Box::new(self.clone())
    }

    fn as_any(&self) -> Option<&dyn std::any::Any> {
        Some(self)
    }
}

impl StaticVal for BudgetValue {}

/// The budget among a function's arguments.
pub(crate) fn budget<'a>(args: &'a [CowVal<'_, '_>]) -> Result<&'a BudgetValue, ExecutionError> {
    let first = args.first().and_then(|value| value.downcast_ref::<BudgetValue>());
    first.ok_or_else(|| ExecutionError::function_error(VARIABLE, "no budget"))
}

/// [`OWN`].
pub(crate) fn own<'b, 'v>(mut args: Vec<CowVal<'b, 'v>>) -> Result<CowVal<'b, 'v>, ExecutionError> {
    let value = args.pop().ok_or_else(ExecutionError::missing_argument_or_target)?;
    budget(&args)?.charge_value(value.as_ref(), 1)?;
    Ok(value)
}

/// [`ITERATE`], whose last argument is what one round costs besides the copy of its element.
pub(crate) fn iterate<'b, 'v>(mut args: Vec<CowVal<'b, 'v>>) -> Result<CowVal<'b, 'v>, ExecutionError> {
    let missing = ExecutionError::missing_argument_or_target;
    let round = args.pop().and_then(|round| round.downcast_ref::<cel::common::types::CelInt>().map(|int| *int.inner()));
    let round = u64::try_from(round.ok_or_else(missing)?).map_err(|_| missing())?;
    let range = args.pop().ok_or_else(missing)?;
    let rounds = range.as_sizer().map_or(0, |sizer| u64::try_from(*sizer.size().inner()).unwrap_or(0));
    let budget = budget(&args)?;
    budget.charge_value(range.as_ref(), 1)?;
    budget.charge(rounds.saturating_mul(round))?;
    Ok(range)
}

fn call(function: &str, args: Vec<IdedExpr>) -> IdedExpr {
    IdedExpr { id: 0, expr: Expr::Call(CallExpr { func_name: function.to_owned(), target: None, args }) }
}

fn budget_variable() -> IdedExpr {
    IdedExpr { id: 0, expr: Expr::Ident(VARIABLE.to_owned()) }
}

fn owned(node: IdedExpr) -> IdedExpr {
    match node.expr {
        Expr::Literal(_) => node,
        _ => call(OWN, vec![budget_variable(), node]),
    }
}

/// The number of nodes of an expression.
pub(crate) fn size(node: &IdedExpr) -> u64 {
    1 + children(node).into_iter().map(size).sum::<u64>()
}

/// How many levels of nodes an expression has.
pub(crate) fn depth(node: &IdedExpr) -> usize {
    1 + children(node).into_iter().map(depth).max().unwrap_or(0)
}

fn children(node: &IdedExpr) -> Vec<&IdedExpr> {
    match &node.expr {
        Expr::Unspecified | Expr::Ident(_) | Expr::Literal(_) => Vec::new(),
        Expr::Call(call) => call.target.as_deref().into_iter().chain(&call.args).collect(),
        Expr::Comprehension(loops) => {
            vec![&loops.iter_range, &loops.accu_init, &loops.loop_cond, &loops.loop_step, &loops.result]
        }
        Expr::List(list) => list.elements.iter().collect(),
        Expr::Map(map) => map.entries.iter().flat_map(|entry| entry_children(&entry.expr)).collect(),
        Expr::Struct(message) => message.entries.iter().flat_map(|entry| entry_children(&entry.expr)).collect(),
        Expr::Select(select) => vec![&select.operand],
    }
}

fn entry_children(entry: &EntryExpr) -> Vec<&IdedExpr> {
    match entry {
        EntryExpr::StructField(field) => vec![&field.value],
        EntryExpr::MapEntry(entry) => vec![&entry.key, &entry.value],
    }
}

/// The same expression, paying as it is evaluated.
pub(crate) fn metered(node: IdedExpr) -> IdedExpr {
    let IdedExpr { id, expr } = node;
    let expr = match expr {
        Expr::Call(call) => return metered_call(id, call),
        Expr::Comprehension(loops) => Expr::Comprehension(Box::new(metered_loop(*loops))),
        Expr::List(mut list) => {
            list.elements = list.elements.into_iter().map(|item| owned(metered(item))).collect();
            Expr::List(list)
        }
        Expr::Map(mut map) => {
            for entry in &mut map.entries {
                if let EntryExpr::MapEntry(entry) = &mut entry.expr {
                    entry.key = owned(metered(std::mem::take(&mut entry.key)));
                    entry.value = owned(metered(std::mem::take(&mut entry.value)));
                }
            }
            Expr::Map(map)
        }
        Expr::Select(mut select) => {
            select.operand = Box::new(metered(*select.operand));
            Expr::Select(select)
        }
        other @ (Expr::Unspecified | Expr::Ident(_) | Expr::Literal(_) | Expr::Struct(_)) => other,
    };
    IdedExpr { id, expr }
}

fn metered_loop(mut loops: ComprehensionExpr) -> ComprehensionExpr {
    let round = i64::try_from(size(&loops.loop_step)).unwrap_or(i64::MAX);
    let round = IdedExpr { id: 0, expr: Expr::Literal(LiteralValue::Int(round.into())) };
    loops.iter_range = call(ITERATE, vec![budget_variable(), metered(loops.iter_range), round]);
    loops.accu_init = match loops.accu_init.expr {
        Expr::List(_) => loops.accu_init,
        _ => owned(metered(loops.accu_init)),
    };
    loops.loop_step = metered(loops.loop_step);
    loops.result = metered(loops.result);
    loops
}

fn metered_call(id: u64, call_expr: CallExpr) -> IdedExpr {
    let CallExpr { func_name, target, args } = call_expr;
    let qualified = target.as_ref().and_then(|target| qualified(target, &func_name));
    // The accumulator of a loop is not copied while the library recognises the form `accumulator + [item]`.
    let accumulates = func_name == operators::ADD
        && matches!(args.first().map(|first| &first.expr), Some(Expr::Ident(name)) if name.starts_with('@'));
    let args = args.into_iter().map(metered);
    let full = qualified.as_deref().unwrap_or(&func_name);
    if REPLACED.contains(&full) && !accumulates {
        let replacement = format!("@{full}");
        let receiver = if qualified.is_some() { None } else { target.map(|target| metered(*target)) };
        let args = std::iter::once(budget_variable()).chain(receiver).chain(args).collect();
        return call(&replacement, args);
    }
    let pays_itself = matches!(
        func_name.as_str(),
        operators::LOGICAL_AND
            | operators::LOGICAL_OR
            | operators::LOGICAL_NOT
            | operators::CONDITIONAL
            | operators::NOT_STRICTLY_FALSE
            | operators::INDEX
    );
    let unpaid = pays_itself || accumulates;
    let args = if unpaid { args.collect() } else { args.map(owned).collect() };
    let target = match (qualified, target) {
        (None, Some(target)) => Some(Box::new(owned(metered(*target)))),
        (_, library) => library,
    };
    IdedExpr { id, expr: Expr::Call(CallExpr { func_name, target, args }) }
}
