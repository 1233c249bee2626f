//! The types of an expression, found before evaluation.
//!
//! This is what makes a mistyped name or a comparison of a number with a text an error when the expression is read, and what tells that a
//! bare field, which may be anything, is not a `bool`. Deliberately not here: overload choice at run time, and constants.

use cel::common::ast::{
    CallExpr, ComprehensionExpr, EntryExpr, Expr, IdedExpr, ListExpr, LiteralValue, MapExpr, operators,
};

use crate::signatures::{self, Call};
use crate::types::Type;

/// A mistake, and the node it is at.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct TypeError {
    pub(crate) node: u64,
    pub(crate) message: String,
}

/// The names an expression may use, and their types; the innermost last.
pub(crate) struct Checker<'n> {
    scope: Vec<(&'n str, Type)>,
}

type Checked = Result<Type, TypeError>;

fn error<T>(node: u64, message: impl Into<String>) -> Result<T, TypeError> {
    Err(TypeError { node, message: message.into() })
}

fn no_overload<T>(node: u64, function: &str, call: Call, arguments: &[Type]) -> Result<T, TypeError> {
    let printed: Vec<String> = arguments.iter().map(ToString::to_string).collect();
    let applied = match (call, printed.split_first()) {
        (Call::Member, Some((receiver, rest))) => format!("{receiver}.({})", rest.join(", ")),
        _ => format!("({})", printed.join(", ")),
    };
    error(node, format!("found no matching overload for '{function}' applied to '{applied}'"))
}

impl<'n> Checker<'n> {
    /// Knows variables of type `Struct`.
    pub(crate) fn new(variables: &[&'n str]) -> Self {
        Self { scope: variables.iter().map(|name| (*name, Type::variable())).collect() }
    }

    /// The type of a node, all nodes below it being well typed.
    pub(crate) fn infer(&mut self, node: &'n IdedExpr) -> Checked {
        match &node.expr {
            Expr::Literal(literal) => Ok(literal_type(literal)),
            Expr::Ident(name) => self.identifier(node.id, name),
            Expr::Select(select) => {
                let operand = self.infer(&select.operand)?;
                let field = selected(node.id, &operand)?;
                Ok(if select.test { Type::Bool } else { field })
            }
            Expr::List(list) => self.list(list),
            Expr::Map(map) => self.map(map),
            Expr::Call(call) => self.call(node.id, call),
            Expr::Comprehension(comprehension) => self.comprehension(comprehension),
            Expr::Struct(message) => undeclared(node.id, &message.type_name),
            Expr::Unspecified => error(node.id, "unexpected expression"),
        }
    }

    fn identifier(&self, node: u64, name: &str) -> Checked {
        let plain = name.trim_start_matches('.');
        match self.scope.iter().rev().find(|(known, _)| *known == plain) {
            Some((_, found)) => Ok(found.clone()),
            None if signatures::is_type_name(plain) => Ok(Type::Meta),
            None => undeclared(node, plain),
        }
    }

    fn list(&mut self, list: &'n ListExpr) -> Checked {
        let mut element = Type::Free;
        for (index, item) in list.elements.iter().enumerate() {
            let mut found = self.infer(item)?;
            if list.optional_indices.contains(&index) {
                found = unwrapped(item.id, found)?;
            }
            element = homogeneous(item.id, &element, &found)?;
        }
        Ok(Type::list(element))
    }

    fn map(&mut self, map: &'n MapExpr) -> Checked {
        let (mut key, mut value) = (Type::Free, Type::Free);
        for entry in &map.entries {
            let EntryExpr::MapEntry(entry) = &entry.expr else { return error(entry.id, "unexpected field in a map") };
            let found = self.infer(&entry.key)?;
            key = homogeneous(entry.key.id, &key, &found)?;
            let mut found = self.infer(&entry.value)?;
            if entry.optional {
                found = unwrapped(entry.value.id, found)?;
            }
            value = homogeneous(entry.value.id, &value, &found)?;
        }
        Ok(Type::map(key, value))
    }

    fn call(&mut self, node: u64, call: &'n CallExpr) -> Checked {
        let name = call.func_name.as_str();
        if let Some(target) = &call.target {
            if let Some(qualified) = qualified(target, name) {
                return self.overload(node, &qualified, Call::Global, &call.args, Vec::new());
            }
            let receiver = self.infer(target)?;
            return self.overload(node, name, Call::Member, &call.args, vec![receiver]);
        }
        match (name, call.args.as_slice()) {
            (operators::CONDITIONAL, [condition, yes, no]) => {
                let types = [self.infer(condition)?, self.infer(yes)?, self.infer(no)?];
                let joined = types[1].unify(&types[2]).filter(|_| types[0].unify(&Type::Bool).is_some());
                joined.map_or_else(|| no_overload(node, name, Call::Global, &types), Ok)
            }
            (operators::OPT_SELECT, [operand, _]) => {
                let operand = self.infer(operand)?;
                Ok(match selected(node, &operand)? {
                    already @ Type::Optional(_) => already,
                    plain => Type::optional(plain),
                })
            }
            (_, [left, right]) => {
                let types = [self.infer(left)?, self.infer(right)?];
                match binary(name, &types[0], &types[1]) {
                    Binary::Fits(result) => Ok(result),
                    Binary::Unfit => no_overload(node, name, Call::Global, &types),
                    Binary::Other => self.overload(node, name, Call::Global, &[], types.to_vec()),
                }
            }
            _ => self.overload(node, name, Call::Global, &call.args, Vec::new()),
        }
    }

    fn overload(&mut self, node: u64, name: &str, call: Call, rest: &'n [IdedExpr], first: Vec<Type>) -> Checked {
        if !signatures::is_function(name, call) {
            return undeclared(node, name);
        }
        let mut arguments = first;
        for argument in rest {
            arguments.push(self.infer(argument)?);
        }
        signatures::result(name, call, &arguments).map_or_else(|| no_overload(node, name, call, &arguments), Ok)
    }

    fn comprehension(&mut self, comprehension: &'n ComprehensionExpr) -> Checked {
        let range = self.infer(&comprehension.iter_range)?;
        let item = match range {
            Type::List(element) => *element,
            Type::Map(key, _) => *key,
            Type::Dyn => Type::Dyn,
            other => {
                let message = format!(
                    "expression of type '{other}' cannot be range of a comprehension (must be list, map, or dynamic)"
                );
                return error(comprehension.iter_range.id, message);
            }
        };
        let initial = self.infer(&comprehension.accu_init)?;
        let outer = self.scope.len();
        self.scope.push((&comprehension.accu_var, initial.clone()));
        self.scope.push((&comprehension.iter_var, item));
        let condition = self.infer(&comprehension.loop_cond)?;
        if condition.unify(&Type::Bool).is_none() {
            return error(comprehension.loop_cond.id, format!("expected type 'bool' but found '{condition}'"));
        }
        let step = self.infer(&comprehension.loop_step)?;
        let Some(accumulated) = initial.unify(&step) else {
            return error(comprehension.loop_step.id, format!("expected type '{initial}' but found '{step}'"));
        };
        self.scope.truncate(outer);
        self.scope.push((&comprehension.accu_var, accumulated));
        let result = self.infer(&comprehension.result);
        self.scope.truncate(outer);
        result
    }
}

fn undeclared<T>(node: u64, name: &str) -> Result<T, TypeError> {
    error(node, format!("undeclared reference to '{name}' (in container '')"))
}

fn literal_type(literal: &LiteralValue) -> Type {
    match literal {
        LiteralValue::Boolean(_) => Type::Bool,
        LiteralValue::Bytes(_) => Type::Bytes,
        LiteralValue::Double(_) => Type::Double,
        LiteralValue::Int(_) => Type::Int,
        LiteralValue::Null => Type::Null,
        LiteralValue::String(_) => Type::Text,
        LiteralValue::UInt(_) => Type::Uint,
    }
}

/// The name of the function that `target.name(…)` calls if the target is a library and no value.
pub(crate) fn qualified(target: &IdedExpr, name: &str) -> Option<String> {
    let Expr::Ident(library) = &target.expr else { return None };
    Some(format!("{library}.{name}")).filter(|full| signatures::is_function(full, Call::Global))
}

/// The type of a field of an operand.
fn selected(node: u64, operand: &Type) -> Checked {
    match operand {
        Type::Map(_, value) => Ok((**value).clone()),
        Type::Dyn | Type::Free => Ok(Type::Dyn),
        Type::Optional(inner) => Ok(Type::optional(selected(node, inner)?)),
        other => error(node, format!("type '{other}' does not support field selection")),
    }
}

fn unwrapped(node: u64, found: Type) -> Checked {
    match found {
        Type::Optional(value) => Ok(*value),
        Type::Dyn => Ok(Type::Dyn),
        other => error(node, format!("expected type 'optional_type(dyn)' but found '{other}'")),
    }
}

/// The elements of a literal must all be of one type, a type known only later being one of its own.
fn homogeneous(node: u64, expected: &Type, found: &Type) -> Checked {
    match expected.same(found) {
        Some(joined) => Ok(joined),
        None => error(node, format!("expected type '{expected}' but found '{found}'")),
    }
}

fn is_numeric(kind: &Type) -> bool {
    matches!(kind, Type::Int | Type::Uint | Type::Double)
}

/// What is known of a call with two arguments.
enum Binary {
    /// An operator whose operands fit, and its type.
    Fits(Type),
    /// An operator whose operands do not fit.
    Unfit,
    /// Not an operator whose operands' types depend on each other.
    Other,
}

/// Operators whose operands' types depend on each other.
fn binary(name: &str, left: &Type, right: &Type) -> Binary {
    let result = match name {
        operators::EQUALS | operators::NOT_EQUALS => left.unify(right).map(|_| Type::Bool),
        operators::LESS | operators::LESS_EQUALS | operators::GREATER | operators::GREATER_EQUALS => {
            let ordered = |kind: &Type| {
                !matches!(kind, Type::List(_) | Type::Map(..) | Type::Optional(_) | Type::Null | Type::Meta)
            };
            let comparable = (is_numeric(left) && is_numeric(right)) || left.unify(right).is_some();
            (comparable && ordered(left) && ordered(right)).then_some(Type::Bool)
        }
        operators::IN => match right {
            Type::List(inner) | Type::Map(inner, _) => left.unify(inner).map(|_| Type::Bool),
            Type::Dyn | Type::Free => Some(Type::Bool),
            _ => None,
        },
        operators::INDEX => indexed(left, right),
        operators::OPT_INDEX => indexed(left, right).map(|result| match result {
            already @ Type::Optional(_) => already,
            plain => Type::optional(plain),
        }),
        operators::ADD => match (left, right) {
            (Type::List(_), Type::List(_)) => left.unify(right),
            (Type::List(_), Type::Dyn) | (Type::Dyn, Type::List(_)) => Some(Type::list(Type::Dyn)),
            _ => return Binary::Other,
        },
        _ => return Binary::Other,
    };
    result.map_or(Binary::Unfit, Binary::Fits)
}

fn indexed(operand: &Type, index: &Type) -> Option<Type> {
    match operand {
        Type::List(element) => index.unify(&Type::Int).map(|_| (**element).clone()),
        Type::Map(key, value) => index.unify(key).map(|_| (**value).clone()),
        Type::Dyn | Type::Free => Some(Type::Dyn),
        Type::Optional(inner) => indexed(inner, index).map(Type::optional),
        _ => None,
    }
}
