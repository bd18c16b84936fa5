//! The machine: every opcode, the memo, marks, frames, and the tricks played with them.

use super::{End, Pickle, assert_breaks, assert_harmless, assert_violates, of_protocol_2, walked};

#[test]
fn plain_values_of_every_protocol_are_harmless() {
    let cases: [&[u8]; 26] = [
        b"N.",
        b"I12\n.",
        b"I01\n.",
        b"L123456789012345678901234567890L\n.",
        b"F1.5\n.",
        b"S'text'\n.",
        b"S\"text\"\n.",
        b"Vtext\n.",
        b"(lp0\nI1\na.",
        b"(dp0\nS'a'\nI1\ns.",
        b"(I1\nI2\nt.",
        b"]q\x00(K\x01K\x02e.",
        b"}q\x00(U\x01aK\x01u.",
        b"G\x3f\xf0\0\0\0\0\0\0.",
        b"T\x02\0\0\0ab.",
        b"X\x02\0\0\0ab.",
        b"\x80\x02\x8a\x02\x00\x01.",
        b"\x80\x02\x8b\x02\0\0\0\x00\x01.",
        b"\x80\x02K\x01K\x02\x86.",
        b"\x80\x02\x88\x89N\x87.",
        b"\x80\x03C\x02ab.",
        b"\x80\x03B\x02\0\0\0ab.",
        b"\x80\x04\x8f(K\x01\x90.",
        b"\x80\x04(K\x01\x91.",
        b"\x80\x04\x8e\x01\0\0\0\0\0\0\0a.",
        b"\x80\x05\x96\x01\0\0\0\0\0\0\0a.",
    ];
    for bytes in cases {
        assert_harmless(bytes);
    }
}

#[test]
fn a_cut_pickle_has_no_end() {
    let whole = of_protocol_2().raw(b"}(").text("a").raw(b"K\x01u").stop();
    for length in 2..whole.len() {
        assert_eq!(walked(&whole[..length]).end, End::Cut, "{length}");
    }
    assert_eq!(walked(b"X\xff\xff\xff\xffabc").end, End::Cut);
    assert_eq!(
        walked(b"\x80\x04\x8d\xff\xff\xff\xff\xff\xff\xff\xff").end,
        End::Cut
    );
}

#[test]
fn what_a_loader_can_not_do_is_broken() {
    for (bytes, why) in [
        (&b"0."[..], "from an empty stack"),
        (b".", "from an empty stack"),
        (b"t.", "needs a mark"),
        (b"(.", "from an empty stack"),
        (b"K\x01(0.", ""),
        (b"h\x05.", "memo entry 5, which was never put"),
        (b"gx\n.", "is not a number"),
        (b"K\x01(K\x02s.", "from an empty stack"),
        (b"}(K\x01u.", "a key without a value"),
        (b"\xff.", "byte 0xff is not an opcode"),
        (b"\x80\x06.", "protocol 6, which does not exist"),
        (b"Iabc!\n.", "is not a number"),
        (b"Sab\n.", "has no quotes"),
        (b"T\xff\xff\xff\xffab.", "negative length"),
        (b"\x8b\xff\xff\xff\xff.", "negative length"),
        (b"(o.", "of no class"),
        (b"ccollections\nOrdered\xffDict\n.", "not UTF-8"),
        (b"N.\x00", "no pickle follow at byte 2"),
    ] {
        if why.is_empty() {
            assert_harmless(bytes);
        } else {
            assert_breaks(bytes, why);
        }
    }
}

#[test]
fn a_name_is_taken_from_the_stack_and_the_memo_as_a_loader_takes_it() {
    // MEMOIZE after POP: the memo holds the top of the stack, not what came last in the bytes.
    let popped = Pickle::protocol(4)
        .short("os")
        .short("collections")
        .raw(b"0\x940")
        .short("system")
        .short("OrderedDict")
        .raw(b"0\x940h\x00h\x01\x93")
        .tuple(|at| at.short("true"))
        .raw(b"R")
        .stop();
    assert_violates(&popped, "`os.system` (STACK_GLOBAL at byte 50)");
    // PUT to an index that MEMOIZE would have taken.
    let mixed = Pickle::protocol(4)
        .short("os")
        .raw(b"q\x000")
        .short("collections")
        .raw(b"\x940h\x00")
        .short("system")
        .raw(b"\x93.")
        .unfinished();
    assert_violates(&mixed, "`os.system`");
    // DUP, and names through the memo of protocol 0.
    assert_violates(
        b"\x80\x04Vposix\np0\n0Vsystem\np3\n0g0\ng3\n\x93.",
        "`posix.system`",
    );
}

#[test]
fn a_name_that_is_not_in_the_file_is_unsafe() {
    let joined = Pickle::protocol(4)
        .call("collections", "OrderedDict", &[])
        .short("system")
        .raw([0x93])
        .stop();
    assert_violates(&joined, "whose name can't be read from the file");
    let number = Pickle::protocol(4)
        .int(1)
        .short("system")
        .raw([0x93])
        .stop();
    assert_violates(&number, "whose name can't be read");
    let escaped = b"\x80\x04V\\u006fs\nVsystem\n\x93.";
    assert_violates(escaped, "whose name can't be read");
    let long = Pickle::protocol(4)
        .text(&"o".repeat(300))
        .short("x")
        .raw([0x93])
        .stop();
    assert_violates(&long, "whose name can't be read");
}

#[test]
fn extensions_and_text_persistent_ids_are_unsafe() {
    for (bytes, what) in [
        (&b"\x80\x02\x82\x07."[..], "extension 7"),
        (b"\x80\x02\x83\x07\x01.", "extension 263"),
        (b"\x80\x02\x84\x07\0\0\x01.", "extension 16777223"),
        (b"Pmodule\n.", "a persistent id in text form"),
        (b"K\x01Q.", "not a tensor storage"),
    ] {
        assert_violates(bytes, what);
    }
}

#[test]
fn each_way_to_call_is_seen() {
    for bytes in [
        &b"cos\nsystem\n(S'true'\ntR."[..],
        b"(S'true'\nios\nsystem\n.",
        b"(cos\nsystem\nS'true'\no.",
        b"(cos\nsystem\nS'true'\no0N.",
        b"\x80\x02cos\nsystem\nX\x04\0\0\0true\x85\x81.",
        b"\x80\x04cos\nsystem\n)}\x92.",
        b"\x80\x02cos\nsystem\n0N.",
    ] {
        assert_violates(bytes, "`os.system`");
    }
}

#[test]
fn what_a_call_made_can_not_be_called() {
    let made = of_protocol_2()
        .call("collections", "OrderedDict", &[])
        .raw(b")R")
        .stop();
    assert_violates(&made, "calls a value that is not a plain reference");
    assert_violates(
        b"\x80\x02K\x01)R.",
        "calls a value that is not a plain reference",
    );
    let args = of_protocol_2()
        .global("collections", "OrderedDict")
        .raw(b"]R")
        .stop();
    assert_violates(&args, "arguments that are not a tuple");
    let keywords = Pickle::protocol(4)
        .global("collections", "OrderedDict")
        .raw(b")}")
        .short("a")
        .raw(b"K\x01s\x92")
        .stop();
    assert_violates(&keywords, "keyword arguments");
}

#[test]
fn frames_hold_whole_opcodes() {
    let inside = |at: Pickle| at.short("abcdef").raw([0x94, b'.']);
    assert_harmless(&Pickle::protocol(4).frame(0, inside).unfinished());
    assert_violates(
        &Pickle::protocol(4).frame(-4, inside).unfinished(),
        "breaks out of its frame",
    );
    assert_violates(
        &Pickle::protocol(4)
            .frame(0, |at| inside(at).raw(b"xyz"))
            .unfinished(),
        "ends before its frame does",
    );
    let nested = Pickle::protocol(4)
        .frame(0, |at| at.frame(0, inside))
        .unfinished();
    assert_violates(&nested, "a frame inside a frame");
    let report = walked(&Pickle::protocol(4).frame(100, inside).unfinished());
    assert!(report.geometry.unwrap().contains("longer than the file"));
}

#[test]
fn pickles_that_follow_one_another_are_all_walked() {
    let first = of_protocol_2().raw(b"}").stop();
    let second = of_protocol_2().call("os", "system", &["true"]).stop();
    assert_violates(&[first.clone(), second].concat(), "`os.system`");
    assert_harmless(&first.repeat(5));
    let report = walked(&[first, b"\x00rest".to_vec()].concat());
    assert!(matches!(report.end, End::Broken(_)));
}

#[test]
fn what_ran_before_a_break_counts() {
    let broken = of_protocol_2()
        .call("os", "system", &["true"])
        .raw(b"\xff\xff")
        .unfinished();
    let report = walked(&broken);
    assert!(report.called_unlisted);
    assert!(matches!(report.end, End::Broken(_)));
}

#[test]
fn containers_take_only_their_own_items() {
    for (bytes, what) in [
        (
            &b"\x80\x02}K\x01a."[..],
            "appends to something that is not a list",
        ),
        (
            b"\x80\x02](K\x01K\x02u.",
            "sets items of something that is not a dict",
        ),
        (
            b"\x80\x04](K\x01\x90.",
            "adds items to something that is not a set",
        ),
        (
            b"\x80\x02ctorch\nTensor\n(K\x01K\x02u.",
            "sets items of something that is not a dict",
        ),
    ] {
        assert_violates(bytes, what);
    }
}

#[test]
fn bombs_end_the_walk_and_not_the_walker() {
    let memo = walked(b"\x80\x02Nr\xff\xff\xff\xff.");
    assert!(matches!(memo.end, End::TooMuch(_)), "{:?}", memo.end);
    let marks = walked(&b"(".repeat(200_000));
    assert!(matches!(marks.end, End::TooMuch(_)));
    let stack = walked(&b"N".repeat(1_200_000));
    assert!(matches!(stack.end, End::TooMuch(_)));
    // Tuples of tuples would double at each step if they were kept whole.
    let mut doubling = Pickle::protocol(2).text("lol");
    for _ in 0..200 {
        doubling = doubling.raw(b"2\x86");
    }
    assert_harmless(&doubling.stop());
}
