//! Times and memory of one look at each of some large files, which are made as they are read.

use std::{
    io::{self, Read, Seek, SeekFrom},
    time::Instant,
};

use modelferry_gate::{
    build::{Entry, Gguf, Pickle, Zip, safetensors, torch},
    inspect::{AllowList, PicklePolicy, inspect},
};
use peak_alloc::PeakAlloc;

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

/// A head, a run of one byte, and a tail.
struct Sparse {
    head: Vec<u8>,
    fill: u8,
    run: u64,
    tail: Vec<u8>,
    at: u64,
}

impl Sparse {
    fn size(&self) -> u64 {
        self.head.len() as u64 + self.run + self.tail.len() as u64
    }
}

impl Read for Sparse {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let head = self.head.len() as u64;
        let part = |bytes: &[u8], from: u64, into: &mut [u8]| {
            let rest = &bytes[from as usize..];
            let n = rest.len().min(into.len());
            into[..n].copy_from_slice(&rest[..n]);
            n
        };
        let n = if self.at < head {
            part(&self.head, self.at, into)
        } else if self.at < head + self.run {
            let n = (head + self.run - self.at).min(into.len() as u64) as usize;
            into[..n].fill(self.fill);
            n
        } else if self.at < self.size() {
            part(&self.tail, self.at - head - self.run, into)
        } else {
            0
        };
        self.at += n as u64;
        Ok(n)
    }
}

impl Seek for Sparse {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        if let SeekFrom::Start(at) = to {
            self.at = at;
        }
        Ok(self.at)
    }
}

const GIB: u64 = 1 << 30;

fn whole(bytes: Vec<u8>) -> Sparse {
    Sparse { head: bytes, fill: 0, run: 0, tail: Vec::new(), at: 0 }
}

fn filled(head: Vec<u8>, fill: u8, run: u64) -> Sparse {
    Sparse { head, fill, run, tail: Vec::new(), at: 0 }
}

/// A checkpoint of so many tensors in the format of before 1.6, whose storages are one long run.
fn legacy(tensors: i32) -> Sparse {
    let names = (0..tensors).fold(Pickle::protocol(2).raw(b"}("), |at, n| {
        at.text(&format!("model.layers.{n}.weight")).rebuilt("0", 1 << 28, n * 64, &[8, 8], &[8, 1])
    });
    let mut head = torch::legacy(&names.raw(b"u").stop(), &[("0", &[])]);
    let length = head.len();
    head[length - 8..].copy_from_slice(&(1_u64 << 28).to_le_bytes());
    filled(head, 0, GIB)
}

/// A zip checkpoint of so many storages of 256 KiB.
fn zipped(tensors: i32) -> Sparse {
    let names = (0..tensors).fold(Pickle::protocol(2).raw(b"}("), |at, n| {
        at.text(&format!("model.layers.{n}.weight")).tensor(&n.to_string(), 1 << 16)
    });
    let data = vec![0; 1 << 18];
    let entries = (0..tensors).map(|n| Entry::stored(&format!("model/data/{n}"), data.clone()).padded(40));
    let pickle = Entry::stored("model/data.pkl", names.raw(b"u").stop());
    whole(Zip::new(std::iter::once(pickle).chain(entries)).finish())
}

fn tensors(count: u64, each: u64) -> Sparse {
    let entries: Vec<String> = (0..count)
        .map(|n| {
            format!(
                r#""model.layers.{n}.self_attn.q_proj.weight":{{"dtype":"BF16","shape":[{}],"data_offsets":[{},{}]}}"#,
                each / 2, n * each, (n + 1) * each
            )
        })
        .collect();
    filled(safetensors(&format!("{{{}}}", entries.join(",")), b""), 0, count * each)
}

fn vocabulary(words: usize) -> Sparse {
    let words: Vec<String> = (0..words).map(|n| format!("token{n}")).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let head = Gguf::new()
        .text("general.architecture", "llama")
        .texts("tokenizer.ggml.tokens", &words)
        .texts("tokenizer.ggml.merges", &words)
        .tensor("token_embd.weight", &[GIB / 4], 0, 0)
        .data(32)
        .finish();
    filled(head, 0, GIB - 32)
}

fn arrays(count: usize) -> Sparse {
    let one = |at: Pickle| {
        let mut at = at.raw(b"B").raw((1_u32 << 20).to_le_bytes());
        at = at.raw(vec![0; 1 << 20]);
        at.raw(b"a")
    };
    whole((0..count).fold(Pickle::protocol(3).raw(b"]"), |at, _| one(at)).stop())
}

/// Looks at one file and prints what that took.
fn time(name: &str, path: &str, mut file: Sparse) {
    let size = file.size();
    let before = MEMORY.current_usage();
    MEMORY.reset_peak_usage();
    let start = Instant::now();
    let looked = inspect(path, size, &mut file, PicklePolicy::Scan, &AllowList::default());
    let seconds = start.elapsed().as_secs_f64();
    let peak = MEMORY.peak_usage().saturating_sub(before) as f64 / (1 << 20) as f64;
    let mib = size as f64 / (1 << 20) as f64;
    let verdict = match looked {
        Ok(_) => "ok".to_owned(),
        Err(error) => error.to_string().chars().take(90).collect(),
    };
    println!("{name:<44} {mib:>9.1} MiB {seconds:>9.4} s {:>10.0} MiB/s {peak:>7.1} MiB held  {verdict}", mib / seconds);
}

pub fn all() {
    println!("# checkpoints of real shapes");
    time("safetensors, 2,000 tensors", "m.safetensors", tensors(2000, GIB / 2000 / 2 * 2));
    time("GGUF, vocabulary of 256,000", "m.gguf", vocabulary(256_000));
    time("torch zip, 2,000 storages", "m.pt", zipped(2000));
    time("legacy torch, 5,000 tensors", "m.pth", legacy(5000));
    time("pickle of 256 byte strings of 1 MiB", "m.pkl", arrays(256));
    println!("# made to be slow or large");
    time("pickle of NONE, POP", "m.pkl", whole(b"N0".repeat(64 << 20)));
    time("pickle of empty tuples", "m.pkl", filled(b"\x80\x02".to_vec(), b')', GIB));
    time("pickle of one endless line", "m.pkl", filled(b"\x80\x02c".to_vec(), b'a', GIB));
    time("pickles of one opcode each", "m.pkl", whole(b"N.".repeat(16 << 20)));
    time("pickle of distinct memo entries", "m.pkl", whole([b"\x80\x04".to_vec(), b"N\x940".repeat(8 << 20)].concat()));
    time("pickle of distinct texts in the memo", "m.pkl", whole(texts(1 << 20)));
    time("safetensors, 1,000,000 empty tensors", "m.safetensors", many_names(1_000_000));
    time("safetensors, header of blanks", "m.safetensors", blanks());
    time("GGUF, 16 million empty texts", "m.gguf", empty_texts(16_000_000));
    time("zip, 60,000 empty entries", "m.pt", zip_of_many(60_000));
    time("ONNX of empty fields", "m.onnx", onnx_of_many());
    time("text of opcodes", "m.txt", filled(b"K".to_vec(), b'K', GIB));
}

fn texts(count: u32) -> Vec<u8> {
    let mut out = b"\x80\x04".to_vec();
    for n in 0..count {
        out.extend(b"\x8c\x40");
        out.extend(format!("{n:064}").as_bytes());
        out.extend(b"\x94");
        out.push(b'0');
    }
    out
}

fn many_names(count: u64) -> Sparse {
    let entries: Vec<String> = (0..count).map(|n| format!(r#""{n}":{{"dtype":"U8","shape":[0],"data_offsets":[0,0]}}"#)).collect();
    whole(safetensors(&format!("{{{}}}", entries.join(",")), b""))
}

fn blanks() -> Sparse {
    whole(safetensors(&format!("{{{}}}", " ".repeat(99_000_000)), b""))
}

fn empty_texts(count: u64) -> Sparse {
    let list = [&8_u32.to_le_bytes()[..], &count.to_le_bytes()].concat();
    let head = Gguf::new().pair("tokens", 9, &list).finish();
    filled(head, 0, count * 8)
}

fn zip_of_many(count: usize) -> Sparse {
    whole(Zip::new((0..count).map(|n| Entry::stored(&format!("model/{n}"), *b""))).finish())
}

fn onnx_of_many() -> Sparse {
    let graph = (GIB - 16) as u64;
    let mut head = vec![0x08, 0x08, 0x3a];
    let mut n = graph;
    while n >= 0x80 {
        head.push(n as u8 | 0x80);
        n >>= 7;
    }
    head.push(n as u8);
    // Fields of number 6, which is none, and of no bytes: `2 0`.
    let body = [0x32, 0].repeat(8 << 20);
    let run = graph - body.len() as u64;
    head.extend(body);
    filled(head, 0, run)
}
