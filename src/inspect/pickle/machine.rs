//! The pickle machine: every opcode of protocols 0 to 5 over a stack and a memo of abstract
//! values, as CPython's `Modules/_pickle.c` runs them, with each rule of the policy on the way.
//!
//! A violation is noted and the walk goes on, so that one message can name every reference. It
//! ends where a loader would fail: what it saw until then is what would have run.

use std::{collections::HashMap, io, rc::Rc};

use super::{
    super::finding::shown,
    allow::AllowList,
    calls::Fault,
    feed::Feed,
    names, opcodes as op,
    references::Reference,
    report::{End, MAX_KEPT, Report, Unlisted, Violation},
    value::{MAX_TEXT, Value},
};

mod containers;
mod invoke;
mod operands;
mod stack;

const MAX_STACK: usize = 1_000_000;
const MAX_MARKS: usize = 100_000;
const MAX_MEMO: usize = 2_000_000;
/// Bytes that may be spent on contents of values; beyond it values are known by type alone.
const MAX_CONTENTS: usize = 48 * 1024 * 1024;
/// Most storages and distinct references one pickle may name.
const MAX_STORAGES: usize = 250_000;
const MAX_REFERENCES: usize = 4096;

/// Walks one pickle from where `feed` stands to its STOP, or to where a loader would fail.
///
/// With `keep_texts` the texts appended to lists are kept, for a pickle that is a list of names.
pub(super) fn walk(feed: &mut Feed<'_>, extra: &AllowList, keep_texts: bool) -> io::Result<Report> {
    let mut machine = Machine {
        feed,
        extra,
        keep_texts,
        stack: Vec::new(),
        marks: Vec::new(),
        memo: Vec::new(),
        memo_filled: 0,
        references: HashMap::new(),
        contents_left: MAX_CONTENTS,
        protocol: 0,
        frame_end: None,
        here: 0,
        opcode: 0,
        report: Report::default(),
    };
    let end = loop {
        match machine.step() {
            Ok(Step::On) => {}
            Ok(Step::Stop(root)) => {
                machine.report.root = Some(root);
                break End::Stopped;
            }
            Err(Halt::Io(error)) => return Err(error),
            Err(Halt::End(end)) => break end,
        }
    };
    machine.report.end = end;
    Ok(machine.report)
}

struct Machine<'m, 'f> {
    feed: &'m mut Feed<'f>,
    extra: &'m AllowList,
    keep_texts: bool,
    stack: Vec<Value>,
    marks: Vec<usize>,
    memo: Vec<Option<Value>>,
    memo_filled: usize,
    references: HashMap<(String, String), Rc<Reference>>,
    contents_left: usize,
    protocol: u8,
    frame_end: Option<u64>,
    here: u64,
    opcode: u8,
    report: Report,
}

enum Step {
    On,
    Stop(Value),
}

/// Why the walk can't go on.
enum Halt {
    Io(io::Error),
    End(End),
}

impl From<io::Error> for Halt {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

type Walked<T> = Result<T, Halt>;

fn broken<T>(why: impl Into<String>) -> Walked<T> {
    Err(Halt::End(End::Broken(why.into())))
}

fn too_much<T>(what: &'static str) -> Walked<T> {
    Err(Halt::End(End::TooMuch(what)))
}

impl Machine<'_, '_> {
    fn step(&mut self) -> Walked<Step> {
        self.here = self.feed.position();
        if self.frame_end.is_some_and(|end| self.here >= end) {
            self.frame_end = None;
        }
        self.opcode = self.operand_byte()?;
        self.report.opcodes += 1;
        if !self.feed.spend() {
            return too_much("it has too many opcodes");
        }
        if self.opcode == op::STOP {
            let root = self.pop()?;
            self.leave_frame();
            return Ok(Step::Stop(root));
        }
        self.execute()?;
        if self.opcode != op::FRAME && self.frame_end.is_some_and(|end| self.feed.position() > end)
        {
            self.violate("breaks out of its frame, which hides opcodes from scanners");
            self.frame_end = None;
        }
        Ok(Step::On)
    }

    fn execute(&mut self) -> Walked<()> {
        match self.opcode {
            op::PROTO => self.proto(),
            op::FRAME => self.frame(),
            op::MARK => self.mark(),
            op::POP => self.pop_or_unmark(),
            op::POP_MARK => self.pop_to_mark().map(drop),
            op::DUP => self.top().cloned().and_then(|top| self.push(top)),
            op::GET | op::BINGET | op::LONG_BINGET => self.get(),
            op::PUT | op::BINPUT | op::LONG_BINPUT => self.put(),
            op::MEMOIZE => self.memoize(),
            op::GLOBAL => self.global(),
            op::STACK_GLOBAL => self.stack_global(),
            op::INST => self.inst(),
            op::OBJ => self.obj(),
            op::REDUCE => self.reduce(),
            op::NEWOBJ => self.newobj(),
            op::NEWOBJ_EX => self.newobj_ex(),
            op::BUILD => self.build(),
            op::PERSID => self.persid(),
            op::BINPERSID => self.binpersid(),
            op::EXT1 | op::EXT2 | op::EXT4 => self.extension(),
            op::TUPLE | op::TUPLE1 | op::TUPLE2 | op::TUPLE3 => self.tuple(),
            op::LIST | op::DICT | op::FROZENSET => self.collect(),
            op::APPEND | op::APPENDS => self.append(),
            op::SETITEM | op::SETITEMS => self.set_items(),
            op::ADDITEMS => self.add_items(),
            op::READONLY_BUFFER => self.top().map(drop),
            other if op::name(other).is_some() => self.literal(),
            other => broken(format!("byte {other:#04x} is not an opcode")),
        }
    }

    fn literal(&mut self) -> Walked<()> {
        let value = match self.opcode {
            op::EMPTY_LIST => self.new_list(),
            op::EMPTY_DICT => Value::empty_dict(),
            op::EMPTY_SET => Value::Set,
            op::EMPTY_TUPLE => Value::tuple(&[]),
            op::NEXT_BUFFER => Value::SomeBytes,
            _ => self.scalar()?,
        };
        self.push(value)
    }

    fn place(&self) -> String {
        format!(
            "{} at byte {}",
            op::name(self.opcode).unwrap_or("opcode"),
            self.here
        )
    }

    fn violate(&mut self, what: &str) {
        let text = format!("it {what} ({})", self.place());
        self.add_violation(text, None);
    }

    fn violate_call(&mut self, reference: &Reference, fault: Fault) {
        match fault {
            Fault::Unsafe(how) => {
                let called = shown(&format!("{}.{}", reference.module, reference.name), 160);
                self.violate(&format!("calls `{called}` {how}"));
            }
            Fault::Geometry(text) => self.note_geometry(text),
        }
    }

    fn violate_by_name(&mut self, reference: &Reference) {
        let pair = shown(&format!("{}.{}", reference.module, reference.name), 160);
        let allow_line = reference.allow_line();
        let why = if allow_line.is_some() {
            "which is not known to be harmless"
        } else {
            "which can run code or reach files"
        };
        let text = format!("it names `{pair}` ({}), {why}", self.place());
        let plausible = is_plausible(reference);
        self.add_violation(
            text,
            Some(Unlisted {
                allow_line,
                plausible,
            }),
        );
    }

    fn add_violation(&mut self, text: String, reference: Option<Unlisted>) {
        if self.report.violations.len() < MAX_KEPT {
            self.report.violations.push(Violation { text, reference });
        }
    }

    fn note_geometry(&mut self, text: String) {
        let place = self.place();
        self.report
            .geometry
            .get_or_insert_with(|| format!("{text} ({place})"));
    }
}

/// Whether both names could be Python's: text that happens to read as opcodes gives other ones.
fn is_plausible(reference: &Reference) -> bool {
    names::is_dotted_identifier(&reference.module) && names::is_dotted_identifier(&reference.name)
}
