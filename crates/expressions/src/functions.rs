//! The functions the library lacks or that need a bound: the environment all expressions share.
//!
//! Optional values of lists, sets, and the text functions whose cost or result can be far larger than their arguments. Deliberately not
//! here: functions of Kubernetes' own environment (`url`, `quantity`, `sort`…), which Flux does not have.

#![expect(clippy::needless_pass_by_value, reason = "the library's function type takes its arguments by value")]

use std::sync::{Arc, LazyLock};

use cel::common::functions::Function;
use cel::common::traits::Iterable;
use cel::common::types::{CelBool, CelInt, CelList, CelOptional, CelString, DYN_TYPE, LIST_TYPE};
use cel::common::value::{CowVal, Val};
use cel::{DeclarationError, Env, ExecutionError, extensions};

use crate::budget::{ITERATE, OWN, budget, iterate, own};

type Outcome<'b, 'v> = Result<CowVal<'b, 'v>, ExecutionError>;
type Arguments<'b, 'v> = Vec<CowVal<'b, 'v>>;

/// The one environment. That it can be built depends on nothing but this crate, and a test builds it.
pub(crate) static ENVIRONMENT: LazyLock<Result<Arc<Env>, DeclarationError>> = LazyLock::new(|| build().map(Arc::new));

/// Our own functions: name and number of arguments. All take anything, and find out.
const GLOBAL: [(&str, usize, Function); 16] = [
    (OWN, 2, own),
    (ITERATE, 3, iterate),
    ("@_+_", 3, add),
    ("@replace", 4, replace),
    ("@replace", 5, replace),
    ("@join", 2, join),
    ("@join", 3, join),
    ("@indexOf", 3, index_of),
    ("@indexOf", 4, index_of),
    ("@lastIndexOf", 3, last_index_of),
    ("@lastIndexOf", 4, last_index_of),
    ("@matches", 3, matches),
    ("@sets.contains", 3, contains),
    ("@sets.equivalent", 3, equivalent),
    ("@sets.intersects", 3, intersects),
    ("optional.unwrap", 1, unwrap),
];

fn build() -> Result<Env, DeclarationError> {
    let mut env = Env::stdlib();
    env.add_extension(extensions::strings)?;
    env.add_extension(extensions::encoders)?;
    for (name, arguments, function) in GLOBAL {
        let anything = std::iter::repeat_with(|| DYN_TYPE).take(arguments).collect();
        env.add_overload(name, &format!("{name}/{arguments}"), anything, function)?;
    }
    env.add_member_overload("first", "list.first()", LIST_TYPE, Vec::new(), first)?;
    env.add_member_overload("last", "list.last()", LIST_TYPE, Vec::new(), last)?;
    env.add_member_overload("unwrapOpt", "list.unwrapOpt()", LIST_TYPE, Vec::new(), unwrap)?;
    Ok(env)
}

fn unfit(function: &str) -> ExecutionError {
    ExecutionError::no_such_overload(function, Vec::new())
}

fn text<'a>(args: &'a [CowVal<'_, '_>], index: usize, function: &str) -> Result<&'a str, ExecutionError> {
    let text = args.get(index).and_then(|value| value.downcast_ref::<CelString>());
    text.map(CelString::inner).ok_or_else(|| unfit(function))
}

fn integer(args: &[CowVal<'_, '_>], index: usize, function: &str) -> Result<Option<i64>, ExecutionError> {
    let Some(value) = args.get(index) else { return Ok(None) };
    value.downcast_ref::<CelInt>().map(|int| Some(*int.inner())).ok_or_else(|| unfit(function))
}

fn items<'a, 'v>(
    args: &'a [CowVal<'_, 'v>],
    index: usize,
    function: &str,
) -> Result<&'a [Box<dyn Val + 'v>], ExecutionError> {
    let list = args.get(index).and_then(|value| value.downcast_ref::<CelList>());
    list.map(CelList::inner).ok_or_else(|| unfit(function))
}

fn add<'b, 'v>(args: Arguments<'b, 'v>) -> Outcome<'b, 'v> {
    let [_, left, right] = args.as_slice() else { return Err(unfit("_+_")) };
    let budget = budget(&args)?;
    budget.charge_value(left.as_ref(), 1)?;
    budget.charge_value(right.as_ref(), 1)?;
    let adder = left.as_adder().ok_or_else(|| unfit("_+_"))?;
    Ok(CowVal::Owned(adder.add(right.as_ref())?.into_owned()))
}

/// Units for making a text of so many bytes.
fn charge_bytes(args: &[CowVal<'_, '_>], bytes: usize) -> Result<(), ExecutionError> {
    budget(args)?.charge(1 + bytes as u64 / 16)
}

fn replace<'b, 'v>(args: Arguments<'b, 'v>) -> Outcome<'b, 'v> {
    let (this, search) = (text(&args, 1, "replace")?, text(&args, 2, "replace")?);
    let replacement = text(&args, 3, "replace")?;
    let most = integer(&args, 4, "replace")?.and_then(|most| usize::try_from(most).ok()).unwrap_or(usize::MAX);
    charge_bytes(&args, this.len())?;
    let places = this.matches(search).take(most).count();
    charge_bytes(&args, places.saturating_mul(replacement.len()))?;
    Ok(CowVal::owned(CelString::from(this.replacen(search, replacement, most))))
}

fn join<'b, 'v>(args: Arguments<'b, 'v>) -> Outcome<'b, 'v> {
    let separator = if args.len() > 2 { text(&args, 2, "join")? } else { "" };
    let list = items(&args, 1, "join")?;
    let mut bytes = list.len().saturating_mul(separator.len());
    let mut parts = Vec::with_capacity(list.len());
    for item in list {
        let part = item.downcast_ref::<CelString>().ok_or_else(|| unfit("join"))?.inner();
        bytes = bytes.saturating_add(part.len() + 16);
        parts.push(part);
    }
    charge_bytes(&args, bytes)?;
    Ok(CowVal::owned(CelString::from(parts.join(separator))))
}

/// How many characters lie before a place in bytes.
fn characters(text: &str, place: Option<usize>) -> i64 {
    place.map_or(-1, |place| i64::try_from(text[..place].chars().count()).unwrap_or(i64::MAX))
}

/// The place in bytes of a character, the end being one.
fn place_of(text: &str, character: i64, function: &str) -> Result<usize, ExecutionError> {
    let index = usize::try_from(character).ok();
    let places = text.char_indices().map(|(place, _)| place).chain(std::iter::once(text.len()));
    let place = index.and_then(|index| places.into_iter().nth(index));
    place.ok_or_else(|| ExecutionError::function_error(function, format!("index out of range: {character}")))
}

fn index_of<'b, 'v>(args: Arguments<'b, 'v>) -> Outcome<'b, 'v> {
    let (this, search) = (text(&args, 1, "indexOf")?, text(&args, 2, "indexOf")?);
    charge_bytes(&args, this.len() + search.len())?;
    let start = place_of(this, integer(&args, 3, "indexOf")?.unwrap_or(0), "indexOf")?;
    let found = this[start..].find(search).map(|place| place + start);
    Ok(CowVal::owned(CelInt::from(characters(this, found))))
}

/// The last occurrence that begins at the given character or before it.
fn last_index_of<'b, 'v>(args: Arguments<'b, 'v>) -> Outcome<'b, 'v> {
    let (this, search) = (text(&args, 1, "lastIndexOf")?, text(&args, 2, "lastIndexOf")?);
    charge_bytes(&args, this.len() + search.len())?;
    let end = match integer(&args, 3, "lastIndexOf")? {
        None => this.len(),
        Some(character) => {
            let start = place_of(this, character, "lastIndexOf")?;
            let end = start.saturating_add(search.len()).min(this.len());
            (end..=this.len()).find(|end| this.is_char_boundary(*end)).unwrap_or(this.len())
        }
    };
    Ok(CowVal::owned(CelInt::from(characters(this, this[..end].rfind(search)))))
}

fn matches<'b, 'v>(args: Arguments<'b, 'v>) -> Outcome<'b, 'v> {
    let (this, pattern) = (text(&args, 1, "matches")?, text(&args, 2, "matches")?);
    let budget = budget(&args)?;
    let pattern = budget.pattern(pattern)?;
    // Linear in the text, with a factor of the size of the pattern.
    budget.charge(1 + this.len() as u64 * (1 + pattern.as_str().len() as u64 / 16))?;
    Ok(CowVal::owned(CelBool::from(pattern.is_match(this))))
}

/// Whether every one of some values is among others; pays for all comparisons.
fn all_among(args: &[CowVal<'_, '_>], function: &str, sides: [usize; 2]) -> Result<bool, ExecutionError> {
    let [some, others] = [items(args, sides[0], function)?, items(args, sides[1], function)?];
    budget(args)?.charge_value(args[sides[0]].as_ref(), others.len() as u64 + 1)?;
    Ok(some.iter().all(|value| others.iter().any(|other| other.equals(value.as_ref()))))
}

fn contains<'b, 'v>(args: Arguments<'b, 'v>) -> Outcome<'b, 'v> {
    Ok(CowVal::owned(CelBool::from(all_among(&args, "sets.contains", [2, 1])?)))
}

fn equivalent<'b, 'v>(args: Arguments<'b, 'v>) -> Outcome<'b, 'v> {
    let same = all_among(&args, "sets.equivalent", [1, 2])? && all_among(&args, "sets.equivalent", [2, 1])?;
    Ok(CowVal::owned(CelBool::from(same)))
}

fn intersects<'b, 'v>(args: Arguments<'b, 'v>) -> Outcome<'b, 'v> {
    let [some, others] = [items(&args, 1, "sets.intersects")?, items(&args, 2, "sets.intersects")?];
    budget(&args)?.charge_value(args[1].as_ref(), others.len() as u64 + 1)?;
    let found = some.iter().any(|value| others.iter().any(|other| other.equals(value.as_ref())));
    Ok(CowVal::owned(CelBool::from(found)))
}

fn iterable<'a, 'v>(args: &'a [CowVal<'_, 'v>], function: &str) -> Result<&'a (dyn Iterable + 'v), ExecutionError> {
    args.first().and_then(|list| list.as_iterable()).ok_or_else(|| unfit(function))
}

fn first<'b, 'v>(args: Arguments<'b, 'v>) -> Outcome<'b, 'v> {
    let item = iterable(&args, "first")?.iter().next().map(Val::clone_as_boxed);
    Ok(CowVal::owned(CelOptional::from(item)))
}

fn last<'b, 'v>(args: Arguments<'b, 'v>) -> Outcome<'b, 'v> {
    let item = items(&args, 0, "last")?.last().map(|item| item.clone_as_boxed());
    Ok(CowVal::owned(CelOptional::from(item)))
}

/// The values of those optionals of a list that have one.
fn unwrap<'b, 'v>(args: Arguments<'b, 'v>) -> Outcome<'b, 'v> {
    let mut values: Vec<Box<dyn Val + 'v>> = Vec::new();
    for item in items(&args, 0, "unwrapOpt")? {
        let optional = item.downcast_ref::<CelOptional>().ok_or_else(|| unfit("unwrapOpt"))?;
        values.extend(optional.option().map(Val::clone_as_boxed));
    }
    Ok(CowVal::owned(CelList::from(values)))
}
