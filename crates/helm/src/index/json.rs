//! Walks a JSON index: unknown fields are passed, the last of several equal ones counts. What the parts mean is decided elsewhere.

use std::cell::RefCell;
use std::fmt;
use std::io::Read;

use serde::de::{self, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Value as Json;
use sluice_yaml::Node;

use super::IndexError;
use super::meter::Gauge;
use super::read::{ChartList, Collector, ENTRIES, Interest};

/// How the reading ended.
pub(super) enum Outcome {
    Read,
    /// The text is no JSON, or the reader failed, which the gauge tells.
    NotJson,
    Failed(IndexError),
}

pub(super) fn read(input: impl Read, gauge: &Gauge, collector: &mut Collector<'_>) -> Outcome {
    let context = Context { gauge, collector: RefCell::new(collector), fault: RefCell::default() };
    let mut deserializer = serde_json::Deserializer::from_reader(input);
    let read = Part::Index.seed(&context).deserialize(&mut deserializer).and_then(|()| deserializer.end());
    match (context.fault.take(), read) {
        (Some(fault), _) => Outcome::Failed(fault),
        (None, Ok(())) => Outcome::Read,
        (None, Err(error)) if error.is_data() => Outcome::Failed(IndexError::Shape(error.to_string())),
        (None, Err(_)) => Outcome::NotJson,
    }
}

struct Context<'w, 'c> {
    gauge: &'w Gauge,
    collector: RefCell<&'w mut Collector<'c>>,
    /// Our own error, which serde's cannot carry.
    fault: RefCell<Option<IndexError>>,
}

impl Context<'_, '_> {
    fn ours<T, E: de::Error>(&self, result: Result<T, IndexError>) -> Result<T, E> {
        result.map_err(|fault| {
            *self.fault.borrow_mut() = Some(fault);
            E::custom("")
        })
    }
}

/// A part of the index that is walked.
#[derive(Clone, Copy)]
enum Part<'n> {
    Index,
    Entries,
    /// The versions of the chart of that name.
    Chart(&'n str),
}

impl<'n> Part<'n> {
    fn seed<'x, 'w, 'c>(self, context: &'x Context<'w, 'c>) -> Walk<'n, 'x, 'w, 'c> {
        Walk { part: self, context }
    }
}

struct Walk<'n, 'x, 'w, 'c> {
    part: Part<'n>,
    context: &'x Context<'w, 'c>,
}

impl<'de> DeserializeSeed<'de> for Walk<'_, '_, '_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Walk<'_, '_, '_, '_> {
    type Value = ();

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self.part {
            Part::Index => "an index",
            Part::Entries => "a map of charts",
            Part::Chart(_) => "a list of chart versions",
        })
    }

    fn visit_unit<E: de::Error>(self) -> Result<(), E> {
        if let Part::Chart(name) = self.part {
            let null = self.context.collector.borrow_mut().chart(name, ChartList::Null);
            self.context.ours(null)?;
        }
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let context = self.context;
        match self.part {
            Part::Index => {}
            Part::Entries => context.collector.borrow_mut().entries(),
            Part::Chart(_) => return Err(de::Error::invalid_type(de::Unexpected::Map, &self)),
        }
        loop {
            context.gauge.hold();
            let Some(key) = map.next_key::<String>()? else { return Ok(()) };
            if matches!(self.part, Part::Entries) {
                map.next_value_seed(Part::Chart(&key).seed(context))?;
                continue;
            }
            let name = context.collector.borrow().field(&key);
            match context.ours(name)? {
                Some(ENTRIES) => map.next_value_seed(Part::Entries.seed(context))?,
                Some(name) => {
                    let json = map.next_value_seed(Bounded(context))?;
                    let set = context.collector.borrow_mut().set(name, &Node::from_json(&json));
                    context.ours(set)?;
                }
                None => {
                    context.gauge.pass();
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        let Part::Chart(name) = self.part else {
            return Err(de::Error::invalid_type(de::Unexpected::Seq, &self));
        };
        let context = self.context;
        let interest = context.collector.borrow_mut().chart(name, ChartList::Versions);
        if context.ours(interest)? == Interest::None {
            context.gauge.pass();
            while items.next_element::<IgnoredAny>()?.is_some() {}
            return Ok(());
        }
        loop {
            context.gauge.hold();
            let Some(json) = items.next_element_seed(Bounded(context))? else { return Ok(()) };
            let version = context.collector.borrow_mut().version(name, &Node::from_json(&json));
            context.ours(version)?;
        }
    }
}

/// Any value, but of a bounded number of nodes.
struct Bounded<'x, 'w, 'c>(&'x Context<'w, 'c>);

impl<'de> DeserializeSeed<'de> for Bounded<'_, '_, '_> {
    type Value = Json;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Json, D::Error> {
        let limit = self.0.collector.borrow().limits.entry_nodes;
        let mut left = limit;
        deserializer.deserialize_any(Tree { left: &mut left }).inspect_err(|_| {
            if left == 0 {
                *self.0.fault.borrow_mut() = Some(IndexError::Limit { what: "nodes in one value", limit });
            }
        })
    }
}

struct Tree<'l> {
    left: &'l mut usize,
}

impl Tree<'_> {
    fn spend<E: de::Error>(&mut self) -> Result<(), E> {
        // Empty objects, which take a few bytes in the text and hundreds in memory.
        *self.left = self.left.saturating_sub(1);
        if *self.left == 0 { Err(E::custom("too many nodes")) } else { Ok(()) }
    }
}

impl<'de> DeserializeSeed<'de> for Tree<'_> {
    type Value = Json;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Json, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Tree<'_> {
    type Value = Json;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("any value")
    }

    fn visit_unit<E: de::Error>(self) -> Result<Json, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E: de::Error>(self, value: bool) -> Result<Json, E> {
        Ok(Json::Bool(value))
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<Json, E> {
        Ok(value.into())
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<Json, E> {
        Ok(value.into())
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Json, E> {
        Ok(value.into())
    }

    fn visit_str<E: de::Error>(self, value: &str) -> Result<Json, E> {
        Ok(Json::String(value.to_owned()))
    }

    fn visit_string<E: de::Error>(self, value: String) -> Result<Json, E> {
        Ok(Json::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut items: A) -> Result<Json, A::Error> {
        let mut list = Vec::new();
        loop {
            self.spend()?;
            match items.next_element_seed(Tree { left: self.left })? {
                Some(item) => list.push(item),
                None => return Ok(Json::Array(list)),
            }
        }
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<Json, A::Error> {
        let mut object = serde_json::Map::new();
        loop {
            self.spend()?;
            let Some(key) = map.next_key::<String>()? else { return Ok(Json::Object(object)) };
            object.insert(key, map.next_value_seed(Tree { left: self.left })?);
        }
    }
}
