//! The bytes of a part as they come, in little more memory than they are long.

use bytes::{Bytes, BytesMut};

/// A shorter chunk is copied. It is a piece of a buffer that was made for more,
/// up to twice as long, and would keep all of it.
const LARGE: usize = 256 * 1024;
/// Copies share buffers of this length.
const BUFFER: u64 = 1024 * 1024;

/// The bytes of a part, in order.
#[derive(Debug)]
pub struct Gathered {
    chunks: Vec<Bytes>,
    /// Short chunks that follow those, together.
    short: BytesMut,
    /// Bytes still expected.
    left: u64,
}

impl Gathered {
    /// Of a part that is expected to be so long.
    pub fn expecting(length: u64) -> Self {
        Self {
            chunks: Vec::new(),
            short: BytesMut::new(),
            left: length,
        }
    }

    /// What came next.
    pub fn push(&mut self, mut chunk: Bytes) {
        // The last one is kept as it is: of a small file it is often all there is.
        if chunk.len() >= LARGE || chunk.len() as u64 >= self.left {
            self.close();
            self.left = self.left.saturating_sub(chunk.len() as u64);
            self.chunks.push(chunk);
            return;
        }
        while !chunk.is_empty() {
            let room = self.short.capacity() - self.short.len();
            if room == 0 {
                self.close();
                let buffer = BUFFER.min(self.left.max(chunk.len() as u64));
                self.short = BytesMut::with_capacity(usize::try_from(buffer).unwrap_or(LARGE));
                continue;
            }
            let fits = chunk.split_to(room.min(chunk.len()));
            self.left = self.left.saturating_sub(fits.len() as u64);
            self.short.extend_from_slice(&fits);
        }
    }

    /// Where it is now, to come back to by [`Gathered::back_to`].
    pub fn mark(&mut self) -> usize {
        self.close();
        self.chunks.len()
    }

    /// Forgets what came after this mark.
    pub fn back_to(&mut self, mark: usize) {
        self.close();
        let forgotten = self.chunks.drain(mark.min(self.chunks.len())..);
        self.left += forgotten.map(|chunk| chunk.len() as u64).sum::<u64>();
    }

    /// All of it.
    pub fn into_chunks(mut self) -> Vec<Bytes> {
        self.close();
        self.chunks
    }

    /// Ends the buffer that is being filled.
    fn close(&mut self) {
        let short = std::mem::take(&mut self.short);
        if !short.is_empty() {
            self.chunks.push(short.freeze());
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
            &[100, LARGE, 3, 3, LARGE + 1],
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
    fn short_chunks_share_full_buffers() {
        let (chunks, all) = numbered(&[16 * 1024; 512]);
        let mut gathered = Gathered::expecting(all.len() as u64);
        chunks.into_iter().for_each(|chunk| gathered.push(chunk));
        let chunks = gathered.into_chunks();
        let lengths: Vec<u64> = chunks.iter().map(|chunk| chunk.len() as u64).collect();
        // The very last one is not copied.
        assert_eq!(lengths.len(), 9, "{lengths:?}");
        assert!(lengths[..7].iter().all(|length| *length == BUFFER));
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
