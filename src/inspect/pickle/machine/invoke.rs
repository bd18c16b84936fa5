//! References and what is done with them: calls, builds, persistent ids, extensions.

use std::rc::Rc;

use super::{
    super::super::finding::shown,
    super::{
        calls::{self, Fault},
        names,
        references::{Reference, Role},
        report::MAX_KEPT,
        value::Made,
    },
    MAX_REFERENCES, MAX_STORAGES, Machine, Value, Walked, broken, is_plausible, op, too_much,
};

impl Machine<'_, '_> {
    pub(super) fn global(&mut self) -> Walked<()> {
        let module = self.name_line()?;
        let name = self.name_line()?;
        let reference = self.refer(&module, &name)?;
        self.push(Value::Reference(reference))
    }

    pub(super) fn stack_global(&mut self) -> Walked<()> {
        let name = self.pop()?;
        let module = self.pop()?;
        match (module.as_text(), name.as_text()) {
            (Some(module), Some(name)) => {
                let reference = self.refer(module, name)?;
                self.push(Value::Reference(reference))
            }
            _ => {
                self.violate("takes a reference whose name can't be read from the file");
                self.push(Value::Instance(Made::Unknown))
            }
        }
    }

    pub(super) fn refer(&mut self, module: &str, name: &str) -> Walked<Rc<Reference>> {
        let module = if self.protocol < 3 {
            names::modern_module(module)
        } else {
            module
        };
        let pair = (module.to_owned(), name.to_owned());
        if let Some(known) = self.references.get(&pair) {
            return Ok(Rc::clone(known));
        }
        if self.references.len() >= MAX_REFERENCES {
            return too_much("it names too many things");
        }
        let reference = Rc::new(Reference::find(module, name, self.extra));
        self.references.insert(pair, Rc::clone(&reference));
        if self.report.named.len() < MAX_KEPT {
            self.report
                .named
                .insert(shown(&format!("{module}.{name}"), 160));
        }
        if reference.role == Role::Unlisted {
            self.violate_by_name(&reference);
        }
        Ok(reference)
    }

    pub(super) fn inst(&mut self) -> Walked<()> {
        if self.marks.is_empty() {
            return broken("it needs a mark and there is none");
        }
        let module = self.name_line()?;
        let name = self.name_line()?;
        let callee = Value::Reference(self.refer(&module, &name)?);
        let args = self.pop_to_mark()?;
        self.call(&callee, &args, false)
    }

    pub(super) fn obj(&mut self) -> Walked<()> {
        let all = self.pop_to_mark()?;
        match all.split_first() {
            Some((callee, args)) => self.call(callee, args, false),
            None => broken("it makes an object of no class"),
        }
    }

    pub(super) fn reduce(&mut self) -> Walked<()> {
        let args = self.pop()?;
        let callee = self.pop()?;
        self.call_with_tuple(&callee, &args, false)
    }

    pub(super) fn newobj(&mut self) -> Walked<()> {
        let args = self.pop()?;
        let class = self.pop()?;
        self.call_with_tuple(&class, &args, true)
    }

    pub(super) fn newobj_ex(&mut self) -> Walked<()> {
        let keywords = self.pop()?;
        if !matches!(&keywords, Value::Dict(keys) if !keys.get().any) {
            self.violate("makes an object with keyword arguments");
        }
        self.newobj()
    }

    pub(super) fn call_with_tuple(
        &mut self,
        callee: &Value,
        args: &Value,
        class_only: bool,
    ) -> Walked<()> {
        let Some(args) = args.as_tuple() else {
            self.note_call(callee);
            self.violate("calls something with arguments that are not a tuple it can read");
            return self.push(Value::Instance(Made::Unknown));
        };
        self.call(callee, args, class_only)
    }

    pub(super) fn call(&mut self, callee: &Value, args: &[Value], class_only: bool) -> Walked<()> {
        self.note_call(callee);
        let Value::Reference(reference) = callee else {
            self.violate("calls a value that is not a plain reference");
            return self.push(Value::Instance(Made::Unknown));
        };
        let result = match reference.role {
            Role::Callable(callee) if !class_only || callee.is_class() => calls::call(callee, args),
            Role::Vouched => Ok(Value::Instance(Made::Vouched)),
            // Naming it was already noted.
            Role::Unlisted => Ok(Value::Instance(Made::Unknown)),
            _ => Err(Fault::Unsafe("although it may only be named".to_owned())),
        };
        let made = result.unwrap_or_else(|fault| {
            self.violate_call(reference, fault);
            Value::Instance(Made::Unknown)
        });
        if matches!(made, Value::Instance(Made::Tensor)) {
            self.report.tensors += 1;
            if let Some((dtype, elements)) = calls::rebuilt(args) {
                self.report.census.count(dtype, elements);
            }
        }
        self.push(made)
    }

    pub(super) fn note_call(&mut self, callee: &Value) {
        self.report.called_unlisted |= match callee {
            Value::Reference(reference) => {
                reference.role == Role::Unlisted && is_plausible(reference)
            }
            Value::Instance(_) => true,
            _ => false,
        };
    }

    pub(super) fn build(&mut self) -> Walked<()> {
        let state = self.pop()?;
        let instance = self.top()?.clone();
        match calls::build(&instance, &state) {
            Ok(()) => {}
            // What an unlisted call made was noted when it was named.
            Err(_)
                if matches!(instance, Value::Instance(Made::Unknown))
                    && !self.report.violations.is_empty() => {}
            Err(Fault::Unsafe(text)) => self.violate(&text),
            Err(Fault::Geometry(text)) => self.note_geometry(text),
        }
        Ok(())
    }

    pub(super) fn persid(&mut self) -> Walked<()> {
        let _id = self.line()?;
        self.violate("uses a persistent id in text form, which no checkpoint does");
        self.push(Value::Instance(Made::Unknown))
    }

    pub(super) fn binpersid(&mut self) -> Walked<()> {
        let id = self.pop()?;
        match calls::persistent_id(&id) {
            Ok(storage) => {
                if self.report.storages.len() >= MAX_STORAGES {
                    return too_much("it names too many storages");
                }
                let known = self
                    .report
                    .storages
                    .entry(Rc::clone(&storage.key))
                    .or_insert_with(|| storage.clone());
                if known.bytes() != storage.bytes() {
                    let key = shown(&storage.key, 40);
                    self.note_geometry(format!("it names the storage `{key}` with two sizes"));
                }
                self.push(Value::Storage(Rc::new(storage)))
            }
            Err(_) => {
                self.violate("has a persistent id that is not a tensor storage");
                self.push(Value::Instance(Made::Unknown))
            }
        }
    }

    pub(super) fn extension(&mut self) -> Walked<()> {
        let code = match self.opcode {
            op::EXT1 => u32::from(self.operand_byte()?),
            op::EXT2 => u32::from(u16::from_le_bytes(self.operand()?)),
            _ => u32::from_le_bytes(self.operand()?),
        };
        self.violate(&format!(
            "takes extension {code} from a registry that is not in the file"
        ));
        self.push(Value::Instance(Made::Unknown))
    }
}
