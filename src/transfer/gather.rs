//! The bytes of a part as they come, in as much memory as they are long.
//!
//! A chunk that the HTTP library hands out is a piece of a buffer that was made
//! for more, up to twice as long, and keeps all of it. So chunks are copied into
//! buffers that are filled: without it, an import held 1.5 times what was
//! counted against the memory.

use bytes::{Bytes, BytesMut};

/// Chunks share buffers of this length.
const BUFFER: u64 = 1024 * 1024;

/// The bytes of a part, in order.
#[derive(Debug)]
pub struct Gathered {
    full: Vec<Bytes>,
    /// The one that is being filled.
    last: BytesMut,
    /// Bytes still expected.
    left: u64,
}

impl Gathered {
    /// Of a part that is expected to be so long.
    pub fn expecting(length: u64) -> Self {
        Self {
            full: Vec::new(),
            last: BytesMut::new(),
            left: length,
        }
    }

    /// What came next.
    pub fn push(&mut self, mut chunk: Bytes) {
        // Of a small file the first chunk is often all there is.
        if self.full.is_empty() && self.last.is_empty() && chunk.len() as u64 == self.left {
            self.left = 0;
            self.full.push(chunk);
            return;
        }
        while !chunk.is_empty() {
            let room = self.last.capacity() - self.last.len();
            if room == 0 {
                self.close();
                let length = BUFFER.min(self.left.max(chunk.len() as u64));
                self.last = BytesMut::with_capacity(usize::try_from(length).unwrap_or(chunk.len()));
                continue;
            }
            let fits = chunk.split_to(room.min(chunk.len()));
            self.left = self.left.saturating_sub(fits.len() as u64);
            self.last.extend_from_slice(&fits);
        }
    }

    /// Where it is now, to come back to by [`Gathered::back_to`].
    pub fn mark(&mut self) -> usize {
        self.close();
        self.full.len()
    }

    /// Forgets what came after this mark.
    pub fn back_to(&mut self, mark: usize) {
        self.close();
        let forgotten = self.full.drain(mark.min(self.full.len())..);
        self.left += forgotten.map(|chunk| chunk.len() as u64).sum::<u64>();
    }

    /// All of it.
    pub fn into_chunks(mut self) -> Vec<Bytes> {
        self.close();
        self.full
    }

    /// Ends the buffer that is being filled.
    fn close(&mut self) {
        let last = std::mem::take(&mut self.last);
        if !last.is_empty() {
            self.full.push(last.freeze());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbered(lengths: &[usize]) -> (Vec<Bytes>, Vec<u8>) {
        let mut next = 0..;
        let chunks: Vec<Bytes> = lengths
            .iter()
            .map(|length| {
                next.by_ref()
                    .take(*length)
                    .map(|n: usize| n as u8)
                    .collect()
            })
            .collect();
        let all = chunks.concat();
        (chunks, all)
    }

    #[test]
    fn whatever_the_chunks_are_the_bytes_come_out_in_order() {
        let cases: [&[usize]; 6] = [
            &[],
            &[5],
            &[100, 400_000, 3, 3, 3_000_000],
            &[BUFFER as usize - 1, 2, 1],
            &[200_000; 9],
            &[1; 300],
        ];
        for lengths in cases {
            let (chunks, all) = numbered(lengths);
            for expected in [0, all.len() as u64, u64::MAX] {
                let mut gathered = Gathered::expecting(expected);
                chunks.iter().for_each(|chunk| gathered.push(chunk.clone()));
                assert!(gathered.into_chunks().concat() == all, "{lengths:?}");
            }
        }
    }

    #[test]
    fn no_more_memory_is_held_than_there_are_bytes() {
        let (chunks, all) = numbered(&[100_000; 84]);
        let mut gathered = Gathered::expecting(all.len() as u64);
        chunks.into_iter().for_each(|chunk| gathered.push(chunk));
        let chunks = gathered.into_chunks();
        let lengths: Vec<u64> = chunks.iter().map(|chunk| chunk.len() as u64).collect();
        let (last, full) = lengths.split_last().unwrap();
        assert!(full.iter().all(|length| *length == BUFFER), "{lengths:?}");
        assert_eq!(*last, 8_400_000 % BUFFER);
    }

    #[test]
    fn a_small_file_that_came_at_once_is_not_copied() {
        let chunk = Bytes::from_static(b"all of it");
        let mut gathered = Gathered::expecting(chunk.len() as u64);
        gathered.push(chunk.clone());
        assert_eq!(gathered.into_chunks()[0].as_ptr(), chunk.as_ptr());
    }

    #[test]
    fn what_came_after_a_mark_can_be_forgotten() {
        let mut gathered = Gathered::expecting(40);
        gathered.push(Bytes::from_static(b"stays, "));
        let mark = gathered.mark();
        gathered.push(Bytes::from_static(b"goes"));
        gathered.back_to(mark);
        gathered.push(Bytes::from_static(b"comes"));
        assert_eq!(gathered.into_chunks().concat(), b"stays, comes");
    }
}
