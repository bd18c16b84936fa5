//! The stack, the memo and the frame. CPython keeps a fence at the last mark: nothing below it can
//! be reached.

use super::{MAX_MARKS, MAX_MEMO, MAX_STACK, Machine, Value, Walked, broken, op, too_much};

impl Machine<'_, '_> {
    pub(super) fn fence(&self) -> usize {
        self.marks.last().copied().unwrap_or(0)
    }

    pub(super) fn push(&mut self, value: Value) -> Walked<()> {
        if self.stack.len() >= MAX_STACK {
            return too_much("its stack grows without end");
        }
        let weight = value.weight();
        let value = match self.contents_left.checked_sub(weight) {
            Some(left) => {
                self.contents_left = left;
                value
            }
            None => value.lightened(),
        };
        self.stack.push(value);
        Ok(())
    }

    /// Puts a value back that was counted before.
    pub(super) fn push_again(&mut self, value: Value) -> Walked<()> {
        if self.stack.len() >= MAX_STACK {
            return too_much("its stack grows without end");
        }
        self.stack.push(value);
        Ok(())
    }

    pub(super) fn pop(&mut self) -> Walked<Value> {
        if self.stack.len() > self.fence()
            && let Some(value) = self.stack.pop()
        {
            return Ok(value);
        }
        broken("it takes a value from an empty stack")
    }

    pub(super) fn top(&self) -> Walked<&Value> {
        match self.stack.last() {
            Some(value) if self.stack.len() > self.fence() => Ok(value),
            _ => broken("it reads a value from an empty stack"),
        }
    }

    pub(super) fn mark(&mut self) -> Walked<()> {
        if self.marks.len() >= MAX_MARKS {
            return too_much("its marks grow without end");
        }
        self.marks.push(self.stack.len());
        Ok(())
    }

    pub(super) fn pop_to_mark(&mut self) -> Walked<Vec<Value>> {
        match self.marks.pop() {
            Some(mark) => Ok(self.stack.split_off(mark.min(self.stack.len()))),
            None => broken("it needs a mark and there is none"),
        }
    }

    pub(super) fn pop_or_unmark(&mut self) -> Walked<()> {
        if self.marks.last() == Some(&self.stack.len()) {
            self.marks.pop();
            return Ok(());
        }
        self.pop().map(drop)
    }

    pub(super) fn get(&mut self) -> Walked<()> {
        let index = self.memo_index()?;
        let value = usize::try_from(index)
            .ok()
            .and_then(|index| self.memo.get(index)?.clone());
        match value {
            Some(value) => self.push_again(value),
            None => broken(format!("it gets memo entry {index}, which was never put")),
        }
    }

    pub(super) fn put(&mut self) -> Walked<()> {
        let index = self.memo_index()?;
        let value = self.top()?.clone();
        if index > self.report.opcodes {
            self.violate(&format!(
                "puts memo entry {index}, which makes a loader take memory without need"
            ));
            return too_much("its memo is a bomb");
        }
        self.remember(usize::try_from(index).unwrap_or(usize::MAX), value)
    }

    pub(super) fn memoize(&mut self) -> Walked<()> {
        let value = self.top()?.clone();
        self.remember(self.memo_filled, value)
    }

    pub(super) fn remember(&mut self, index: usize, value: Value) -> Walked<()> {
        if index >= MAX_MEMO {
            return too_much("its memo grows without end");
        }
        if index >= self.memo.len() {
            self.memo.resize(index + 1, None);
        }
        if let Some(entry) = self.memo.get_mut(index) {
            self.memo_filled += usize::from(entry.is_none());
            *entry = Some(value);
        }
        Ok(())
    }

    pub(super) fn proto(&mut self) -> Walked<()> {
        self.protocol = self.operand_byte()?;
        if self.protocol > op::HIGHEST_PROTOCOL {
            return broken(format!(
                "it asks for protocol {}, which does not exist",
                self.protocol
            ));
        }
        Ok(())
    }

    pub(super) fn frame(&mut self) -> Walked<()> {
        let length = u64::from_le_bytes(self.operand()?);
        if self.frame_end.is_some() {
            self.violate("opens a frame inside a frame");
        }
        self.frame_end = self.feed.position().checked_add(length);
        Ok(())
    }

    /// STOP before the frame's end: a cut or damaged file if the frame can't be whole, else a trick.
    pub(super) fn leave_frame(&mut self) {
        let Some(rest) = self
            .frame_end
            .and_then(|end| end.checked_sub(self.feed.position()))
        else {
            return;
        };
        if rest > self.feed.left() {
            self.report
                .geometry
                .get_or_insert_with(|| "a frame is longer than the file".to_owned());
        } else if rest > 0 {
            self.violate("ends before its frame does");
        }
    }
}
