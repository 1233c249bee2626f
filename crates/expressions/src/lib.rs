//! Expressions over objects, in the Common Expression Language, in the environment Flux gives them.
//!
//! An [`Expression`] is read once and evaluated often. [`Expression::compile`] checks names and types against declared variables, as
//! dependencies' `readyExpr`, Receivers' filters and `commitStatusExpr` need it; [`Expression::parse`] only reads, as health checks need it,
//! whose variables are the fields of an object nobody knows beforehand. [`HealthChecks`] is the whole of `healthCheckExprs`.
//!
//! This crate alone knows the library that evaluates. It has no type checker and no bounds, so both are ours. Reading happens on a
//! thread of its own with a large stack, and so does evaluation of what is nested deeper than people write.
//!
//! Deliberately not here: where objects come from, and the CEL rules of custom resource definitions, which the API server evaluates.

mod budget;
mod check;
mod functions;
mod health;
mod signatures;
mod types;
mod values;

use std::fmt;
use std::sync::Arc;

use cel::common::ast::{IdedExpr, SourceInfo};
use cel::common::types::{CelBool, CelString};
use cel::common::value::Val;
use cel::{Context, Env, ExecutionError};
use serde_json::Value;

use budget::BudgetValue;
use check::Checker;
use types::Type;

pub use health::{Health, HealthCheck, HealthCheckError, HealthChecks, HealthChecksError};

/// Longest text of an expression, in bytes.
pub const MAX_TEXT: usize = 16 << 10;

/// Most levels an expression may nest. Evaluation needs stack for each; a chain of `+` is as deep as it is long.
pub const MAX_DEPTH: usize = 100;

/// What one evaluation may cost: values looked at or copied, about a second's worth in the worst case.
pub const MAX_COST: u64 = 2_000_000;

/// Levels that are evaluated on the caller's stack. The library's frames take up to 12 KiB for one, unoptimised.
const INLINE_DEPTH: usize = 24;

/// Stack for evaluating more levels than that: twice [`MAX_DEPTH`] frames, since every node may have one around it that pays.
const EVALUATOR_STACK: usize = 64 << 20;

/// Stack for reading expressions: the parser takes kilobytes for each level of texts that have not been measured yet.
const PARSER_STACK: usize = 256 << 20;

/// The type an expression must have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Output {
    /// A `bool`, for [`Expression::evaluate_bool`].
    Bool,
    /// A `string`, for [`Expression::evaluate_text`].
    Text,
    /// Whatever it is, for [`Expression::evaluate_json`].
    Any,
}

impl Output {
    fn as_type(self) -> Option<Type> {
        match self {
            Self::Bool => Some(Type::Bool),
            Self::Text => Some(Type::Text),
            Self::Any => None,
        }
    }
}

/// What numbers in JSON are to an expression.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Numbers {
    /// Whole numbers are `int`, others `double`: objects of the API server.
    AsWritten,
    /// All are `double`: request bodies, claims, and everything else that was read as plain JSON.
    Doubles,
}

/// Why an expression could not be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CompileError {
    /// Its text is no expression, or does not fit the declared variables. `issues` has positions, one issue after the other.
    #[error("failed to parse the CEL expression '{expression}': {issues}")]
    Parse {
        /// The text.
        expression: String,
        /// What is wrong with it.
        issues: String,
    },
    /// It gives something else than is wanted; `dyn` is what is known only later, such as a bare field.
    #[error("CEL expression output type mismatch: expected {expected}, got {found}")]
    OutputType {
        /// The wanted type.
        expected: String,
        /// The type it has.
        found: String,
    },
    /// Longer than [`MAX_TEXT`].
    #[error("failed to parse the CEL expression: it has {0} bytes, more than {MAX_TEXT}")]
    TooLong(usize),
    /// Nested deeper than [`MAX_DEPTH`].
    #[error("failed to parse the CEL expression '{0}': it is nested more than {MAX_DEPTH} levels deep")]
    TooDeep(String),
    /// The reader failed in itself.
    #[error("failed to create CEL environment")]
    Environment,
}

/// Why an expression gave nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EvaluateError {
    /// For example a field that is not there, or more cost than [`MAX_COST`].
    #[error("failed to evaluate the CEL expression '{expression}': {cause}")]
    Failed {
        /// The text.
        expression: String,
        /// What happened: names of fields and the like, but not the operands of an operator.
        cause: String,
    },
    /// The result is no `bool`.
    #[error("failed to evaluate CEL expression as boolean: '{0}'")]
    NotBool(String),
    /// The result is no `string`.
    #[error("failed to evaluate CEL expression as string: '{0}'")]
    NotText(String),
    /// The result is nothing that JSON has, such as a time or an optional value.
    #[error("failed to evaluate CEL expression as a JSON value: '{0}'")]
    NotJson(String),
}

/// An expression, ready to be evaluated any number of times, on any thread.
#[derive(Clone)]
pub struct Expression {
    text: String,
    node: Arc<IdedExpr>,
    depth: usize,
    environment: Arc<Env>,
}

impl fmt::Debug for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Expression({:?})", self.text)
    }
}

impl Expression {
    /// Reads an expression without knowing its variables: names and types are checked when it is evaluated.
    ///
    /// # Errors
    ///
    /// Text that is no expression, or a bound.
    pub fn parse(text: &str) -> Result<Self, CompileError> {
        read(text, None)
    }

    /// Reads an expression over variables that are all maps with fields of any type, and checks that it gives `output`.
    ///
    /// # Errors
    ///
    /// Text that is no expression, a name that is not declared, operands that do not fit, another type than wanted, or a bound.
    pub fn compile(text: &str, variables: &[&str], output: Output) -> Result<Self, CompileError> {
        read(text, Some((variables, output)))
    }

    /// The text it was read from.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Evaluates to a `bool`. Variables are names and values; those the expression does not use cost nothing.
    ///
    /// # Errors
    ///
    /// A field that is not there, operands that do not fit, too much cost, or another result.
    pub fn evaluate_bool(&self, variables: &[(&str, &Value)], numbers: Numbers) -> Result<bool, EvaluateError> {
        self.evaluate(variables, numbers, |value| value.downcast_ref::<CelBool>().map(|result| *result.inner()))?
            .ok_or_else(|| EvaluateError::NotBool(self.text.clone()))
    }

    /// Evaluates to a `string`, as [`Expression::evaluate_bool`] does to a `bool`.
    ///
    /// # Errors
    ///
    /// The same.
    pub fn evaluate_text(&self, variables: &[(&str, &Value)], numbers: Numbers) -> Result<String, EvaluateError> {
        self.evaluate(variables, numbers, |value| {
            value.downcast_ref::<CelString>().map(|result| result.inner().to_owned())
        })?
        .ok_or_else(|| EvaluateError::NotText(self.text.clone()))
    }

    /// Evaluates to whatever JSON can hold, as [`Expression::evaluate_bool`] does to a `bool`. An `int` of the language becomes a whole
    /// number and a `double` one with a fraction, so that [`Numbers::AsWritten`] reads the result back as it was.
    ///
    /// # Errors
    ///
    /// The same.
    pub fn evaluate_json(&self, variables: &[(&str, &Value)], numbers: Numbers) -> Result<Value, EvaluateError> {
        self.evaluate(variables, numbers, |value| values::to_json(value))?
            .ok_or_else(|| EvaluateError::NotJson(self.text.clone()))
    }

    fn evaluate<T: Send>(
        &self,
        variables: &[(&str, &Value)],
        numbers: Numbers,
        result: impl for<'b, 'v> Fn(&'b (dyn Val + 'v)) -> Option<T> + Send,
    ) -> Result<Option<T>, EvaluateError> {
        if self.depth <= INLINE_DEPTH {
            return self.evaluate_here(variables, numbers, result);
        }
        let evaluated = std::thread::scope(|scope| {
            let evaluator = std::thread::Builder::new().stack_size(EVALUATOR_STACK);
            let thread = evaluator.spawn_scoped(scope, || self.evaluate_here(variables, numbers, result));
            thread.ok()?.join().ok()
        });
        let stopped =
            || Err(EvaluateError::Failed { expression: self.text.clone(), cause: "internal error".to_owned() });
        evaluated.unwrap_or_else(stopped)
    }

    fn evaluate_here<T>(
        &self,
        variables: &[(&str, &Value)],
        numbers: Numbers,
        result: impl for<'b, 'v> Fn(&'b (dyn Val + 'v)) -> Option<T>,
    ) -> Result<Option<T>, EvaluateError> {
        let failed = |cause| EvaluateError::Failed { expression: self.text.clone(), cause };
        let budget = BudgetValue::new(MAX_COST);
        let mut context = Context::with_env(Arc::clone(&self.environment));
        let used = self.node.references();
        for (name, value) in variables.iter().filter(|(name, _)| used.has_variable(name)) {
            context.add_variable_as_val(*name, values::from_json(value, numbers));
        }
        context.add_variable_as_val(budget::VARIABLE, Box::new(budget.clone()));
        let evaluated = cel::Value::resolve_val(&self.node, &context);
        if budget.is_exhausted() {
            return Err(failed("operation cancelled: actual cost limit exceeded".to_owned()));
        }
        match evaluated {
            Ok(value) => Ok(result(value.as_ref())),
            Err(error) => Err(failed(cause(&error))),
        }
    }
}

/// An error of evaluation, without the values that the library would print.
fn cause(error: &ExecutionError) -> String {
    match error {
        ExecutionError::NoSuchKey(key) => format!("no such key: {key}"),
        ExecutionError::UndeclaredReference(name) => format!("no such attribute(s): {name}"),
        ExecutionError::DivisionByZero(_) => "division by zero".to_owned(),
        ExecutionError::RemainderByZero(_) => "modulus by zero".to_owned(),
        ExecutionError::Overflow(..) => "integer overflow".to_owned(),
        ExecutionError::IndexOutOfBounds(cel::Value::Int(index)) => format!("index out of bounds: {index}"),
        ExecutionError::IndexOutOfBounds(_) => "index out of bounds".to_owned(),
        ExecutionError::FunctionError { message, .. } => message.clone(),
        ExecutionError::DuplicateKey(_) => "Failed with repeated key".to_owned(),
        ExecutionError::InvalidArgumentCount { .. } | ExecutionError::UnexpectedType { .. } => error.to_string(),
        _ => "no such overload".to_owned(),
    }
}

/// What is declared of an expression: its variables and its type.
type Declared<'a> = (&'a [&'a str], Output);

fn read(text: &str, declared: Option<Declared<'_>>) -> Result<Expression, CompileError> {
    if text.len() > MAX_TEXT {
        return Err(CompileError::TooLong(text.len()));
    }
    let environment = functions::ENVIRONMENT.as_ref().map_err(|_| CompileError::Environment)?;
    let node = std::thread::scope(|scope| {
        let reader = std::thread::Builder::new().stack_size(PARSER_STACK);
        let thread = reader.spawn_scoped(scope, || read_here(environment, text, declared));
        thread.ok()?.join().ok()
    });
    let node = node.unwrap_or(Err(CompileError::Environment))?;
    let depth = budget::depth(&node);
    Ok(Expression { text: text.to_owned(), node: Arc::new(node), depth, environment: Arc::clone(environment) })
}

fn read_here(environment: &Env, text: &str, declared: Option<Declared<'_>>) -> Result<IdedExpr, CompileError> {
    let parse = |issues| CompileError::Parse { expression: text.to_owned(), issues };
    let program = environment.compile(text).map_err(|errors| parse(errors.to_string()))?;
    let node = program.expression();
    if budget::depth(node) > MAX_DEPTH {
        return Err(CompileError::TooDeep(text.to_owned()));
    }
    if let Some((variables, output)) = declared {
        let found = Checker::new(variables).infer(node);
        let found = found.map_err(|error| parse(issue(program.source_info(), text, &error)))?;
        if let Some(expected) = output.as_type()
            && found != expected
        {
            return Err(CompileError::OutputType { expected: expected.to_string(), found: found.to_string() });
        }
    }
    Ok(budget::metered(node.clone()))
}

/// A mistake with its place and the line it is in, in the form of the parser's own.
fn issue(source: &SourceInfo, text: &str, error: &check::TypeError) -> String {
    let start = source.offset_for(error.node).map_or(0, |(start, _)| start as usize);
    let before: String = text.chars().take(start).collect();
    let line = before.matches('\n').count();
    let column = before.chars().rev().take_while(|character| *character != '\n').count();
    let snippet = text.lines().nth(line).unwrap_or_default();
    let message = &error.message;
    format!("ERROR: <input>:{}:{}: {message}\n | {snippet}\n | {}^", line + 1, column + 1, ".".repeat(column))
}

#[cfg(test)]
mod tests;
