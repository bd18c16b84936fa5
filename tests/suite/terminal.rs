//! What a person sees, what a program reads, and which of the two is asked.

use std::process::Command;

use modelferry_fixtures::{Content, Fault, PlainFile, Scene, Site};

use crate::support::{Home, Ran, Running, hub, standard};

const BAR: char = '━';

/// Runs a line of shell on a terminal of 100 columns; what it shows is all in `stdout`.
fn on_a_terminal(home: &Home, words: &str) -> Ran {
    on_columns(100, home, words)
}

/// The same on a terminal of so many columns.
fn on_columns(columns: u16, home: &Home, words: &str) -> Ran {
    let program = env!("CARGO_BIN_EXE_modelferry");
    let line = format!("stty cols {columns} rows 24; {program} {words}");
    let like = home.command(&[]);
    let mut command = Command::new("script");
    command
        .args(["--quiet", "--return", "--command", &line, "/dev/null"])
        .env_clear()
        .envs(
            like.get_envs()
                .filter_map(|(name, value)| Some((name, value?))),
        )
        .env("TERM", "xterm-256color")
        .env("SHELL", "/bin/sh")
        .stdin(std::process::Stdio::null())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped());
    Running::start(command).ended()
}

const MIB: u64 = 1024 * 1024;

/// A hub that takes a second to hand out one file, so that bars are drawn.
fn unhurried() -> modelferry_fixtures::Hub {
    slow(8 * MIB)
}

/// A hub that hands out one file at so many bytes a second.
fn slow(rate: u64) -> modelferry_fixtures::Hub {
    let hub = hub(Scene::empty().file(PlainFile::new("/big.bin", Content::seeded(5, 8 * MIB))));
    hub.order(Fault::throttle(rate).on(Site::Files));
    hub
}

#[test]
fn a_terminal_gets_a_bar_a_file_and_a_total_with_rate_and_time_left() {
    let hub = unhurried();
    let home = Home::of(&hub);
    let ran = on_a_terminal(&home, &format!("import {}/big.bin", hub.files_url()));
    assert_eq!(ran.status, Some(0), "{ran:?}");
    let shown = &ran.stdout;
    assert!(shown.contains(BAR), "{shown}");
    assert!(shown.contains("  big.bin "), "{shown}");
    let total = shown
        .lines()
        .find(|line| line.contains("/s") && line.contains(BAR));
    let total = total.unwrap_or_else(|| panic!("no total with a rate: {shown}"));
    assert!(total.contains("8.00 MiB"), "{total}");
    let last = shown.rsplit(BAR).next().unwrap_or_default();
    assert!(last.contains("imported"), "the bars make room: {shown}");
}

/// What is drawn, line by line, without what moves the cursor and colours: each
/// line that is drawn is filled up to the whole width.
fn drawn(ran: &Ran, columns: u16) -> Vec<String> {
    let mut text = String::new();
    let mut rest = ran.stdout.chars();
    while let Some(c) = rest.next() {
        match c {
            '\u{1b}' => {
                rest.by_ref().find(char::is_ascii_alphabetic);
                text.push('\n');
            }
            '\r' => text.push('\n'),
            _ => text.push(c),
        }
    }
    let pieces = text.lines().map(|line| line.chars().collect::<Vec<_>>());
    let lines = pieces.flat_map(|piece| {
        let lines = piece.chunks(usize::from(columns));
        lines
            .map(|line| line.iter().collect::<String>().trim_end().to_owned())
            .collect::<Vec<_>>()
    });
    lines.filter(|line| !line.is_empty()).collect()
}

#[test]
fn a_batch_shows_what_runs_and_the_whole_at_any_width() {
    let hub = unhurried();
    let fleet: String = (0..40)
        .map(|nth| format!("{}/none-{nth}.bin\n", hub.files_url()))
        .collect();
    for columns in [100, 80, 40] {
        let home = Home::of(&hub);
        let list = home.beside("fleet.txt");
        std::fs::write(&list, format!("{}/big.bin\n{fleet}", hub.files_url())).unwrap();
        let words = format!("batch --jobs 3 {}", list.display());
        let ran = on_columns(columns, &home, &words);
        assert_eq!(ran.status, Some(1), "{ran:?}");
        let drawn = drawn(&ran, columns);
        let is_there = |what: &dyn Fn(&str) -> bool| drawn.iter().any(|line| what(line));
        let of_all = |line: &str| line.contains("/ 41") && line.contains(BAR);
        assert!(is_there(&of_all), "{columns}: {drawn:#?}");
        assert!(is_there(
            &|line| line.starts_with("0 imported, 0 unchanged, 40 ")
        ));
        assert!(is_there(
            &|line| line.contains("/s") && line.contains("moved")
        ));
        let source = |line: &str| line.starts_with("  http") && line.contains("MiB");
        assert!(is_there(&source), "{columns}: {drawn:#?}");
        // A line that had no room would go on in the next, from its first column.
        let bars = drawn.iter().filter(|line| line.contains(['━', '─']));
        for line in bars {
            let begins = ["  http", "sources ", "━", "╸", "─"];
            assert!(begins.iter().any(|start| line.starts_with(start)), "{line}");
        }
        assert!(ran.stdout.contains("1 imported, 0 unchanged, 40 failed"));
    }
}

#[test]
fn top_shows_what_runs_how_fast_and_what_waits() {
    let hub = slow(MIB / 8);
    let home = Home::of(&hub);
    let url = format!("{}/big.bin", hub.files_url());
    let importing = home.start(&["import", &url]);
    crate::support::eventually("it is under way", || {
        let listed = home.run(&["uploads", "list", "--json"]);
        listed.stdout.contains("big.bin")
    });
    let program = env!("CARGO_BIN_EXE_modelferry");
    for columns in [80, 40] {
        let line = format!("uploads list > /dev/null; timeout --foreground -s INT 2 {program} top");
        let ran = on_columns(columns, &home, &line);
        let drawn = drawn(&ran, columns);
        for begin in ["1 running, 0 waiting", "  big.bin", "  next: nothing waits"] {
            let is_there = drawn.iter().any(|line| line.starts_with(begin));
            assert!(is_there, "{columns}: {drawn:#?}");
        }
    }
    importing.kill();
}

#[test]
fn bars_are_left_out_when_they_are_not_wanted() {
    let hub = unhurried();
    for words in ["--no-progress import", "-q import", "import --no-progress"] {
        let home = Home::of(&hub);
        let ran = on_a_terminal(&home, &format!("{words} {}/big.bin", hub.files_url()));
        assert_eq!(ran.status, Some(0), "{ran:?}");
        assert!(!ran.stdout.contains(BAR), "{words}: {ran:?}");
        assert!(ran.stdout.contains("imported"), "{words}: {ran:?}");
    }
}

#[test]
fn bars_never_reach_a_redirected_stdout() {
    let hub = unhurried();
    let home = Home::of(&hub);
    let file = home.beside("line.json");
    let url = format!("{}/big.bin", hub.files_url());
    let ran = on_a_terminal(&home, &format!("--json import {url} > {}", file.display()));
    assert_eq!(ran.status, Some(0), "{ran:?}");
    assert!(ran.stdout.contains(BAR), "{ran:?}");
    let line = std::fs::read_to_string(file).unwrap();
    let line: serde_json::Value = serde_json::from_str(&line).unwrap();
    assert_eq!(line["outcome"], "imported");
}

#[test]
fn without_a_terminal_stderr_is_empty_when_all_is_well() {
    let hub = standard();
    let home = Home::of(&hub);
    let ran = home.succeed(&["import", "acme/tiny"]);
    assert_eq!(ran.stderr, "");
    assert!(ran.stdout.starts_with("imported  acme/tiny\n"), "{ran:?}");
    assert!(!ran.stdout.contains('\u{1b}'), "{ran:?}");
    let again = home.succeed(&["import", "acme/tiny"]);
    assert!(again.stdout.contains("all here already"), "{again:?}");
}

#[test]
fn errors_go_to_stderr_and_results_to_stdout() {
    let hub = standard();
    let home = Home::of(&hub);
    let ran = home.run(&["import", "acme/none", "civitai:4384@128713"]);
    assert_eq!(ran.status, Some(1));
    assert!(ran.stdout.starts_with("imported  civitai"), "{ran:?}");
    assert!(ran.stderr.contains("acme/none"), "{ran:?}");
    assert!(ran.stderr.contains("[not_found]"), "{ran:?}");
}

#[test]
fn a_log_can_be_had_as_text_or_json_and_never_on_stdout() {
    let hub = standard();
    let home = Home::of(&hub).with("MODELFERRY_LOG", "json");
    let ran = home.succeed(&["-vv", "import", "--json", "civitai:4384@128713"]);
    assert_eq!(ran.one_line()["outcome"], "imported");
    assert!(!ran.stderr.is_empty());
    for line in ran.stderr.lines() {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        assert!(line["level"].is_string(), "{line}");
    }
}

#[test]
fn options_of_the_program_may_stand_before_or_after_the_command() {
    let hub = standard();
    let home = Home::of(&hub);
    let place = home.path().display().to_string();
    let orders: [&[&str]; 3] = [
        &["--json", "--home", &place, "uploads", "list"],
        &["uploads", "--json", "list", "--home", &place],
        &["uploads", "list", "--json", "--home", &place],
    ];
    home.succeed(&["import", "civitai:4384@128713"]);
    let said = orders.map(|words| home.succeed(words).one_line());
    assert_eq!(said[0], said[1]);
    assert_eq!(said[0], said[2]);
}

#[test]
fn help_names_every_command_and_version_the_release() {
    let home = Home::alone();
    let help = home.succeed(&["--help"]).stdout;
    for command in ["import", "resolve", "batch", "uploads", "config", "export"] {
        assert!(help.contains(&format!("  {command} ")), "{command}: {help}");
    }
    let version = home.succeed(&["--version"]).stdout;
    let release = format!("modelferry {}", env!("CARGO_PKG_VERSION"));
    assert!(version.starts_with(&release), "{version}");
}
