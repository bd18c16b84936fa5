//! Tuples, lists, dicts and sets.

use std::rc::Rc;

use super::{
    super::value::{Keys, Made},
    MAX_STORAGES, Machine, Value, Walked, broken, op,
};

impl Machine<'_, '_> {
    pub(super) fn new_list(&self) -> Value {
        Value::List(self.keep_texts.then(Rc::default))
    }

    pub(super) fn tuple(&mut self) -> Walked<()> {
        let length = match self.opcode {
            op::TUPLE1 => 1,
            op::TUPLE2 => 2,
            op::TUPLE3 => 3,
            _ => {
                let items = self.pop_to_mark()?;
                return self.push(Value::tuple(&items));
            }
        };
        match self.stack.len().checked_sub(length) {
            Some(start) if start >= self.fence() => {
                let items = self.stack.split_off(start);
                self.push(Value::tuple(&items))
            }
            _ => broken("it takes a value from an empty stack"),
        }
    }

    pub(super) fn collect(&mut self) -> Walked<()> {
        let items = self.pop_to_mark()?;
        match self.opcode {
            op::LIST => {
                let list = self.new_list();
                self.extend(&list, &items);
                self.push(list)
            }
            op::DICT => {
                let dict = Value::empty_dict();
                self.insert(&dict, &items)?;
                self.push(dict)
            }
            _ => self.push(Value::FrozenSet),
        }
    }

    pub(super) fn append(&mut self) -> Walked<()> {
        let items = if self.opcode == op::APPENDS {
            self.pop_to_mark()?
        } else {
            vec![self.pop()?]
        };
        let list = self.top()?.clone();
        self.extend(&list, &items);
        Ok(())
    }

    pub(super) fn extend(&mut self, list: &Value, items: &[Value]) {
        match list {
            Value::List(Some(texts)) => {
                let mut texts = texts.borrow_mut();
                let room = (MAX_STORAGES + 1).saturating_sub(texts.len());
                // A placeholder keeps the count right where an item is no known text.
                texts.extend(items.iter().take(room).map(|item| match item {
                    Value::Text(text) => Rc::clone(text),
                    _ => "".into(),
                }));
            }
            Value::List(None) | Value::Instance(Made::Vouched | Made::Unknown) => {}
            _ => self.violate("appends to something that is not a list"),
        }
    }

    pub(super) fn set_items(&mut self) -> Walked<()> {
        let items = if self.opcode == op::SETITEMS {
            self.pop_to_mark()?
        } else {
            let value = self.pop()?;
            vec![self.pop()?, value]
        };
        let dict = self.top()?.clone();
        self.insert(&dict, &items)
    }

    pub(super) fn insert(&mut self, dict: &Value, items: &[Value]) -> Walked<()> {
        if !items.len().is_multiple_of(2) {
            return broken("it sets a key without a value");
        }
        for pair in items.chunks_exact(2) {
            if let [
                Value::Text(name),
                Value::Instance(Made::Tensor | Made::Parameter),
            ] = pair
            {
                self.report.census.name(name, None);
            }
        }
        match dict {
            Value::Dict(keys) => {
                let special = items
                    .iter()
                    .step_by(2)
                    .any(|key| key.as_text().is_none_or(|text| text.starts_with("__")));
                let before = keys.get();
                keys.set(Keys {
                    any: before.any || !items.is_empty(),
                    special: before.special || special,
                });
            }
            Value::Instance(Made::OrderedDict | Made::Counter | Made::Vouched | Made::Unknown) => {}
            _ => self.violate("sets items of something that is not a dict"),
        }
        Ok(())
    }

    pub(super) fn add_items(&mut self) -> Walked<()> {
        self.pop_to_mark()?;
        if !matches!(
            self.top()?,
            Value::Set | Value::Instance(Made::Set | Made::Vouched | Made::Unknown)
        ) {
            self.violate("adds items to something that is not a set");
        }
        Ok(())
    }
}
