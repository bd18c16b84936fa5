//! Every command of `docs/syncs.md` works.

use std::fs;
use std::path::Path;

use crate::support::{Home, Running, standard};

/// The lines of the page's `sh` blocks.
fn commands() -> Vec<String> {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/syncs.md");
    let text = fs::read_to_string(page).unwrap();
    let blocks = text.split("```sh\n").skip(1);
    let lines = blocks.flat_map(|block| block.split("```").next().unwrap_or_default().lines());
    lines.map(str::to_owned).collect()
}

/// Splits a line into words as a shell does; double quotes are the only ones.
fn words(line: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut is_quoted = false;
    for c in line.chars() {
        match c {
            '"' => is_quoted = !is_quoted,
            ' ' if !is_quoted => words.push(String::new()),
            c => words.last_mut().unwrap().push(c),
        }
    }
    words
}

#[test]
fn every_command_of_the_page_does_what_it_says() {
    let hub = standard();
    let home = Home::of(&hub);
    let folder = home.beside("desk");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("models.txt"), "acme/tiny\n").unwrap();
    let commands = commands();
    assert!(commands.len() > 15, "{commands:?}");
    for line in &commands {
        let words = words(line);
        assert_eq!(words[0], "modelferry", "{line}");
        let words: Vec<&str> = words.iter().skip(1).map(String::as_str).collect();
        let mut command = home.command(&words);
        command.current_dir(&folder);
        let ran = Running::start(command).ended();
        // `run --all` also meets what this hub holds to be refused.
        let is_fine = ran.status == Some(0) || words.contains(&"--all") && ran.status == Some(1);
        assert!(is_fine, "{line}: {ran:?}");
    }
    let runs = home
        .succeed(&["sync", "show", "--json", "shaper"])
        .one_line();
    assert_eq!(runs["runs"][0]["counts"]["seen"], 1, "{runs:#}");
}
